# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Chromium is no service: each test starts its own. Here it is installed, and shown to work before any test needs it. Beside
# it lies axe-core (MPL-2.0), which judges pages for people who cannot see or use a mouse.

axe_version=4.14.1

chromium_install() {
	need chromium chromium
	need chromedriver chromium-driver
	need npm npm
	installed axe "axe-core $axe_version 1" axe_fill
}

# axe_fill DIR takes the one file out of the package.
axe_fill() {
	quietly npm env -C "$1" HOME="$1" npm pack --silent "axe-core@$axe_version"
	tar -xzf "$1/axe-core-$axe_version.tgz" -C "$1" --strip-components=1 package/axe.min.js package/LICENSE
	rm -rf "$1/axe-core-$axe_version.tgz" "$1/.npm"
}

chromium_start() {
	publish LEADCTL_LIVE_CHROMIUM "$(type -P chromium)"
	publish LEADCTL_LIVE_CHROMEDRIVER "$(type -P chromedriver)"
	publish LEADCTL_LIVE_AXE "$cache/axe/axe.min.js"
	publish LEADCTL_LIVE_SHOTS "${LEADCTL_LIVE_SHOTS:-$cache/screenshots}"
	HOME=$state TMPDIR=$state spawn chromium timeout -k 5 60 chromium --headless --no-sandbox --disable-gpu \
		--disable-dev-shm-usage --user-data-dir="$state/chromium" --dump-dom 'data:text/html,<p>page shown</p>'
}

chromium_ready() {
	await chromium 60 grep -q '<p>page shown' "$state/chromium.log"
	stop chromium
	say "chromium: $LEADCTL_LIVE_CHROMIUM"
}
