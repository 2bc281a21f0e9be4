#!/bin/sh
# Stops the daemon on removal of the package (deb passes remove, rpm passes 0), not on an upgrade.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now leadctl.service || true
	fi
	;;
esac
