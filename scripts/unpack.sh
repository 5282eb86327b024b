#!/bin/sh
# Unpacks a package of another Debian suite beside the system, for tests, with all that it
# needs. Nothing is installed and none of its scripts is run: its programs are given the
# loader and the libraries that came with them, for this system's may be older. What is
# there from before is used again; two at a time wait for each other.
#
#   scripts/unpack.sh DIRECTORY SUITE PACKAGE PROGRAMS
#   scripts/unpack.sh /tmp/pg17 trixie postgresql-17 usr/lib/postgresql/17/bin
#
# Needs patchelf and file, and root only to fetch packages where apt asks for it.
set -eu
dest=${1:?directory} suite=${2:?suite} package=${3:?package} programs=$1/${4:?programs}
mkdir -p "$(dirname "$dest")"
exec 9>"$dest.lock"
flock 9
[ -e "$dest/whole" ] && exit 0
rm -rf "$dest"
mkdir -p "$dest"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status" # as if nothing were installed: what it needs comes along
own=$(. /etc/os-release && echo "$VERSION_CODENAME")

# where prints the first place from which this system takes its own suite.
where() {
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk -v own="$own" '$2 == own && !n++ { print $1 }'
}
site=$(where)
[ -n "$site" ] || { echo "this system has no source for $own: run apt-get update" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" >"$apt/sources.list"

get() {
	apt-get -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Acquire::Check-Valid-Until=false -o APT::Sandbox::User="$(id -un)" "$@" >&2 # a mirror that lags will do
}
get update
get -y --no-install-recommends --download-only install "$package" >"$apt/log" 2>&1 || { cat "$apt/log" >&2; exit 1; }
for deb in "$apt"/cache/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dest" --keep-directory-symlink --no-same-owner
done

libraries=$(find "$dest/usr/lib" "$dest/lib" -name 'libc.so.6' -printf '%h\n' 2>/dev/null | head -n 1)
loader=$(find "$libraries" -name 'ld-linux*.so.*' | head -n 1)
[ -n "$loader" ] || { echo "no loader came with $package of $suite" >&2; exit 1; }
for program in "$programs"/*; do
	file -b "$program" | grep -q 'ELF.*interpreter' || continue
	patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries:$dest/usr/lib" "$program"
done
chmod -R a+rX "$(dirname "$dest")"
: >"$dest/whole"
