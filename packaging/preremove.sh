#!/bin/sh
# Stops the daemon when the package goes, not when it is upgraded (deb says remove, rpm says 0).
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now leadctl.service || true
	fi
	;;
esac
