#!/bin/sh
# Makes the account that serves: no home, no shell, no password.
set -e
if ! getent group leadctl >/dev/null; then
	groupadd --system leadctl
fi
if ! getent passwd leadctl >/dev/null; then
	useradd --system --gid leadctl --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin --comment leadctl leadctl
fi
