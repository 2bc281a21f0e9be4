# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Chromium is not a service: each test starts its own. This file installs it and checks that it renders a page before a
# test needs it. It also installs axe-core (MPL-2.0), which checks pages for accessibility.

axe_recipe=(axe axe_fill 4.14.1)

chromium_need() {
	need chromium chromium
	need chromedriver chromium-driver
	need npm npm
}

chromium_install() { install_once "${axe_recipe[@]}"; }

# axe_fill DIR VERSION downloads the npm package and keeps the one file that is needed, and the licence.
axe_fill() {
	run_logged npm env -C "$1" HOME="$1" npm pack --silent "axe-core@$2"
	tar -xzf "$1/axe-core-$2.tgz" -C "$1" --strip-components=1 package/axe.min.js package/LICENSE
	rm -rf "$1/axe-core-$2.tgz" "$1/.npm"
}

chromium_start() {
	publish LEADCTL_LIVE_CHROMIUM "$(type -P chromium)"
	publish LEADCTL_LIVE_CHROMEDRIVER "$(type -P chromedriver)"
	publish LEADCTL_LIVE_AXE "$cache/axe/axe.min.js"
	publish LEADCTL_LIVE_SHOTS "${LEADCTL_LIVE_SHOTS:-$cache/screenshots}"
	HOME=$state TMPDIR=$state start_service chromium timeout -k 5 60 chromium --headless --no-sandbox --disable-gpu \
		--disable-dev-shm-usage --user-data-dir="$state/chromium" --dump-dom 'data:text/html,<p>page shown</p>'
}

chromium_ready() {
	wait_for chromium 60 grep -q '<p>page shown' "$state/chromium.log"
	stop_service chromium
	log "chromium: $LEADCTL_LIVE_CHROMIUM"
}
