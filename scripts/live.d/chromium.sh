# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Chromium is no service: each test starts its own. Here it is installed, and shown to work before any test needs it.

chromium_install() {
	need chromium chromium
	need chromedriver chromium-driver
}

chromium_start() {
	publish LEADCTL_LIVE_CHROMIUM "$(type -P chromium)"
	publish LEADCTL_LIVE_CHROMEDRIVER "$(type -P chromedriver)"
	HOME=$state spawn chromium timeout -k 5 60 chromium --headless --no-sandbox --disable-gpu \
		--disable-dev-shm-usage --user-data-dir="$state/chromium" --dump-dom 'data:text/html,<p>page shown</p>'
}

chromium_ready() {
	await chromium 60 grep -q '<p>page shown' "$state/chromium.log"
	stop chromium
	say "chromium: $LEADCTL_LIVE_CHROMIUM"
}
