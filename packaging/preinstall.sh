#!/bin/sh
# Creates the service account, without home, shell or password.
set -e
if ! getent group leadctl >/dev/null; then
	groupadd --system leadctl
fi
if ! getent passwd leadctl >/dev/null; then
	useradd --system --gid leadctl --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin \
		--comment leadctl leadctl
fi
