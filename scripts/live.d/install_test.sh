#!/usr/bin/env bash
# shellcheck disable=SC2016 # in edit_recipe, which writes code
# Tests that scripts/live --install runs a recipe again when it changed, failed or was interrupted, and only then.
# It works on a copy of the scripts whose recipes are replaced, so it needs neither root nor the network.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $(uname) != Linux ]]; then
	echo "install_test: skipped, scripts/live runs on Linux only"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LEADCTL_LIVE_CACHE=$dir/cache RUNS=$dir/runs

fail() {
	echo "install_test: $*" >&2
	cat "$dir/log" >&2
	exit 1
}

# copy_scripts makes a new copy, without the check for root and without packages, in which Keycloak and axe are
# installed by recipes of this test. The recipe of axe writes one line to $RUNS each time it runs.
copy_scripts() {
	rm -rf "$dir/scripts"
	mkdir "$dir/scripts"
	cp -r "$here" "$here/../live" "$dir/scripts"
	sed -i "/EUID == 0/d; s|/tmp/leadctl-live|$dir/run|" "$dir/scripts/live"
	echo 'apt_install() { :; }' >>"$dir/scripts/live.d/lib.sh"
	cat >>"$dir/scripts/live.d/keycloak.sh" <<'END'
keycloak_fill() { echo "$BASHPID" >"$RUNS.keycloak" && exec sleep 1000; }
END
	cat >>"$dir/scripts/live.d/chromium.sh" <<'END'
axe_recipe=(axe axe_fill 1.0)
axe_fill() {
	# A comment of the recipe.
	echo "version $2" >>"$RUNS"
	axe_helper "$1"
	touch "$1/end"
}
axe_helper() { touch "$1/helper"; }
END
}

# edit_recipe SED-COMMAND edits the recipe of axe in the copy.
edit_recipe() {
	local before
	before=$(cksum <"$dir/scripts/live.d/chromium.sh")
	sed -i "$1" "$dir/scripts/live.d/chromium.sh"
	[[ $(cksum <"$dir/scripts/live.d/chromium.sh") != "$before" ]] || fail "sed '$1' changed nothing"
}

# install_services runs in a subshell, so that the log also gets what bash prints when it is killed.
install_services() {
	(
		"$dir/scripts/live" --install "$@"
		exit $?
	) >"$dir/log" 2>&1
}
runs() { wc -l <"$RUNS"; }

expect_runs() { [[ $(runs) == "$1" ]] || fail "$2: the recipe ran $(runs) times in total, want $1"; }

expect_installed() {
	install_services chromium || fail "$2: the installation failed"
	expect_runs "$1" "$2"
	[[ -e $LEADCTL_LIVE_CACHE/axe/end ]] || fail "$2: the folder is not filled"
}

expect_failure() {
	! install_services chromium || fail "$2: the installation succeeded"
	expect_runs "$1" "$2"
}

test_unchanged_recipe() {
	expect_installed 1 "first installation"
	expect_installed 1 "same recipe"
	edit_recipe 's/A comment/Another comment/'
	echo 'chromium_ready() { :; }' >>"$dir/scripts/live.d/chromium.sh"
	expect_installed 1 "changes outside the recipe"
}

test_changed_recipe() {
	edit_recipe 's/axe_fill 1.0/axe_fill 2.0/'
	expect_installed 2 "changed version"
	edit_recipe 's|^\ttouch "$1/end"|\ttouch "$1/more" "$1/end"|'
	expect_installed 3 "changed code"
	edit_recipe 's|touch "$1/helper"|touch "$1/other"|'
	expect_installed 4 "changed function that the recipe calls"
	[[ ! -e $LEADCTL_LIVE_CACHE/axe/helper ]] || fail "files of the old recipe are still there"
}

test_broken_recipe() {
	edit_recipe 's|touch "$1/other"|false|'
	expect_failure 5 "broken recipe"
	expect_failure 6 "broken recipe, second time"
	edit_recipe 's|^axe_helper() { false|axe_helper() { touch "$1/other"|'
	expect_installed 7 "recipe restored"
}

test_interrupted_recipe() {
	edit_recipe 's|touch "$1/other"|kill -s KILL $$ $BASHPID|'
	expect_failure 8 "killed while it installs"
	edit_recipe 's|kill -s KILL $$ $BASHPID|kill -s TERM $$ \&\& sleep 1000|'
	expect_failure 9 "terminated while it installs"
	edit_recipe 's|kill -s TERM $$ && sleep 1000|touch "$1/other"|'
	expect_installed 10 "the recipe of the last success, after interruptions"
}

# A failed recipe ends those that run at the same time.
test_parallel_recipes() {
	edit_recipe 's|touch "$1/other"|until [[ -s $RUNS.keycloak ]]; do sleep 0.01; done; false|'
	! install_services chromium keycloak || fail "the installation succeeded though one recipe failed"
	! kill -s 0 "$(cat "$RUNS.keycloak")" 2>/dev/null || fail "the other recipe still runs"
	[[ ! -e $LEADCTL_LIVE_CACHE/keycloak/.complete ]] || fail "the other recipe is marked complete"
}

# The real recipes: the key covers every function that they call, and each input.
test_real_recipes() {
	# shellcheck source=scripts/live.d/lib.sh
	. "$here/lib.sh"
	# shellcheck source=scripts/live.d/debian.sh
	. "$here/debian.sh"
	# shellcheck source=scripts/live.d/odoo.sh
	. "$here/odoo.sh"
	# shellcheck source=scripts/live.d/keycloak.sh
	. "$here/keycloak.sh"
	# shellcheck source=scripts/live.d/chromium.sh
	. "$here/chromium.sh"
	local name
	for name in odoo_fill odoo_root debian_mirror debian_bootstrap odoo_packages in_root set_enter run_logged; do
		expect_in_key "$name" "${odoo19_recipe[@]:1}"
		expect_in_key "$name" "${odoo14_recipe[@]:1}"
	done
	for name in keycloak_fill keycloak_launch keycloak_answers wait_for start_service stop_service write_private; do
		expect_in_key "$name" "${keycloak_recipe[@]:1}"
	done
	expect_in_key axe_fill "${axe_recipe[@]:1}"
	[[ $(recipe_key odoo_fill a b) != "$(recipe_key odoo_fill a c)" ]] || fail "an input is not part of the key"
	[[ $(recipe_key odoo_fill a b) != "$(recipe_key odoo_fill 'a b')" ]] || fail "inputs are joined in the key"
}

# expect_in_key FUNCTION FILL INPUT... checks that a change of FUNCTION changes the key.
expect_in_key() {
	local name=$1 before after
	shift
	before=$(recipe_key "$@")
	after=$(
		eval "$name() { echo changed; }"
		recipe_key "$@"
	)
	[[ $before != "$after" ]] || fail "recipe $1: its key does not depend on $name"
}

: >"$RUNS"
: >"$dir/log"
copy_scripts
test_unchanged_recipe
test_changed_recipe
test_broken_recipe
test_interrupted_recipe
test_parallel_recipes
test_real_recipes
echo "install_test: ok"
