#!/bin/sh
# Lets the account read the settings and prints the next step. Starts nothing: leadctl needs a database first.
set -e
chgrp leadctl /etc/leadctl /etc/leadctl/leadctl.env
chmod 0750 /etc/leadctl
chmod 0640 /etc/leadctl/leadctl.env
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if systemctl is-active --quiet leadctl.service; then
		echo "leadctl: the running daemon was not restarted"
		echo "leadctl: run \`leadctl migrate status\`; when it exits 0, run \`systemctl restart leadctl\`"
		exit 0
	fi
fi
echo "leadctl: edit /etc/leadctl/leadctl.env"
echo "leadctl: then run \`leadctl migrate\`, \`leadctl doctor\` and \`systemctl enable --now leadctl\`"
