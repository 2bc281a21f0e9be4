# shellcheck shell=bash disable=SC2154 # set by scripts/live
# Keycloak from Maven Central, in development mode. The installation includes a first start, which builds the server and
# creates a database with an administrator; that takes most of the time. Each run works on a copy of that database.

keycloak_recipe=(keycloak keycloak_fill 26.7.0)

keycloak_need() {
	need java default-jre-headless
	need mvn maven
}

keycloak_install() { install_once "${keycloak_recipe[@]}"; }

# keycloak_fill DIR VERSION downloads Keycloak and starts it once. Keycloak writes to conf, data and lib/quarkus only,
# and to lib/quarkus only here. Maven runs in a folder that is removed, because outside a project it leaves files in the
# current folder.
keycloak_fill() {
	local dir=$1 version=$2 port work=$1/first
	mkdir "$dir/m2"
	run_logged maven env -C "$dir/m2" mvn -B -q dependency:unpack -Dmaven.repo.local="$dir/m2" \
		-DoutputDirectory="$dir" -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip"
	rm -rf "$dir/m2"
	mv "$dir/keycloak-$version" "$work"
	chown -R nobody:nogroup "$work"
	random_secret | write_private "$dir/admin"
	port=$(free_port)
	log "keycloak: downloaded; first start"
	KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=$(cat "$dir/admin") keycloak_launch "$work" "$port"
	wait_for keycloak 900 keycloak_answers "http://127.0.0.1:$port"
	stop_service keycloak
	rm -rf "$work/tmp"
	chown -R root:root "$work"
	mv "$work/data" "$dir/data"
	mv "$work" "$dir/dist"
}

# keycloak_start starts Keycloak in a folder of this run, which has links to the installed files and its own data.
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
	write_private "$state/keycloak.admin" <"$from/admin"
	publish LEADCTL_LIVE_KEYCLOAK_PASSWORD_FILE "$state/keycloak.admin"
}

# keycloak_launch HOME PORT. Temporary files go to HOME/tmp, because Java leaves some behind; Java does not create the
# folder itself. The first-stage compiler alone halves the start time, and the tests are too short to need the second.
keycloak_launch() {
	install -d -m 0700 -o nobody -g nogroup "$1/tmp"
	HOME=$1 JAVA_OPTS_APPEND="-XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir=$1/tmp" start_service keycloak \
		setpriv --reuid nobody --regid nogroup --clear-groups "${lifeline[@]}" \
		"$1/bin/kc.sh" start-dev --http-host 127.0.0.1 --http-port "$2"
}

keycloak_ready() {
	wait_for keycloak 180 keycloak_answers "$LEADCTL_LIVE_KEYCLOAK_URL"
	log "keycloak: $LEADCTL_LIVE_KEYCLOAK_URL"
}

keycloak_answers() { curl -sf --max-time 5 "$1/realms/master/.well-known/openid-configuration"; }
