#!/bin/sh
# Lets the account read the settings, and says what comes next. Nothing is started: it needs a database first.
set -e
chgrp leadctl /etc/leadctl /etc/leadctl/leadctl.env
chmod 0750 /etc/leadctl
chmod 0640 /etc/leadctl/leadctl.env
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if systemctl is-active --quiet leadctl.service; then
		echo "leadctl: serving still as before; when \`leadctl migrate status\` is content: systemctl restart leadctl"
		exit 0
	fi
fi
echo "leadctl: fill in /etc/leadctl/leadctl.env, then \`leadctl migrate\`, \`leadctl doctor\`, \`systemctl enable --now leadctl\`"
