# shellcheck shell=bash
# Minimal Debian roots, made with debootstrap: for Odoo (odoo.sh) and for scripts/fresh.

debian_need() { need debootstrap debootstrap; }

# debian_mirror prints the address of the Debian archive that this machine's apt uses.
debian_mirror() {
	local mirror
	# shellcheck disable=SC2016 # $(SITE) is for apt
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | awk '/\/debian\/*$/ && !n++')
	[[ -n $mirror ]] || die "apt has no source whose address ends with /debian: see sources.list(5)"
	echo "$mirror"
}

# debian_bootstrap DIR RELEASE MIRROR [PACKAGES] installs Debian's required packages and apt into DIR, and PACKAGES
# (separated by commas).
debian_bootstrap() {
	run_logged "debootstrap-$2" debootstrap --variant=minbase ${4:+--include="$4"} "$2" "$1" "$3"
}
