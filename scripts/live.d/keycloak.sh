# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Keycloak from Maven Central, in development mode. It is started once when it is installed: the build and the empty
# database with its administrator are what a first start spends its time on. Each run works on a copy of that database.

keycloak_version=26.7.0

keycloak_install() {
	need java default-jre-headless
	need mvn maven
	installed keycloak "keycloak $keycloak_version 1" keycloak_fill
}

# keycloak_fill DIR. Only conf, data and lib/quarkus are written to, and only here. Maven works in a folder that goes
# away: without a project it leaves things in the current one.
keycloak_fill() {
	local port work=$1/first
	mkdir "$1/m2"
	quietly maven env -C "$1/m2" mvn -B -q dependency:unpack -Dmaven.repo.local="$1/m2" -DoutputDirectory="$1" \
		-Dartifact="org.keycloak:keycloak-quarkus-dist:$keycloak_version:zip"
	rm -rf "$1/m2"
	mv "$1/keycloak-$keycloak_version" "$work"
	chown -R nobody:nogroup "$work"
	random_secret | private "$1/admin"
	port=$(free_port)
	say "keycloak: unpacked, first start"
	KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=$(cat "$1/admin") keycloak_launch "$work" "$port"
	await keycloak 300 keycloak_answers "http://127.0.0.1:$port"
	stop keycloak
	chown -R root:root "$work"
	mv "$work/data" "$1/data"
	mv "$work" "$1/dist"
}

# keycloak_start gives the run a home of links to what is installed, and its own data.
keycloak_start() {
	local home=$state/keycloak from=$cache/keycloak part
	install -d -m 0700 "$home"
	for part in lib conf providers themes; do ln -s "$from/dist/$part" "$home/$part"; done
	cp -r "$from/dist/bin" "$home/bin"
	cp -r "$from/data" "$home/data"
	chown -R -h nobody:nogroup "$home"
	keycloak_port=$(free_port)
	keycloak_launch "$home" "$keycloak_port"
	publish LEADCTL_LIVE_KEYCLOAK_URL "http://127.0.0.1:$keycloak_port"
	publish LEADCTL_LIVE_KEYCLOAK_ADMIN admin
	private "$state/keycloak.admin" <"$from/admin"
	publish LEADCTL_LIVE_KEYCLOAK_PASSWORD_FILE "$state/keycloak.admin"
}

# keycloak_launch HOME PORT. The quick compiler alone halves the start, and no test runs long enough for the other. Java would leave
# files in /tmp behind.
keycloak_launch() {
	HOME=$1 JAVA_OPTS_APPEND="-XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir=$1/data" spawn keycloak \
		setpriv --reuid nobody --regid nogroup --clear-groups "${tether[@]}" \
		"$1/bin/kc.sh" start-dev --http-host 127.0.0.1 --http-port "$2"
}

keycloak_ready() {
	await keycloak 180 keycloak_answers "$LEADCTL_LIVE_KEYCLOAK_URL"
	say "keycloak: $LEADCTL_LIVE_KEYCLOAK_URL"
}

keycloak_answers() { curl -sf --max-time 5 "$1/realms/master/.well-known/openid-configuration"; }
