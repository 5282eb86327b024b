#!/bin/sh
# Unpacks promtool, which checks and plays alert rules, beside the system for the tests of
# docs/monitoring/, and prints where it is. Nothing is installed and no Prometheus starts.
#
#   scripts/promtool.sh
set -eu
dest=${TMPDIR:-/tmp}/releve-promtool-$(id -u)
if "$dest/usr/bin/promtool" --version >/dev/null 2>&1; then
	echo "$dest/usr/bin/promtool"
	exit 0
fi
fresh=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$fresh/lists/partial"
get() { apt-get -qq -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User="$(id -un)" -o Dir::State::lists="$fresh/lists" "$@" >&2; }
get update # lists of its own: those of the system may be old, or gone
(cd "$fresh" && get download prometheus)
dpkg-deb --fsys-tarfile "$fresh"/prometheus_*.deb | tar -x -C "$fresh" --no-same-owner ./usr/bin/promtool
rm -r "$fresh"/prometheus_*.deb "$fresh/lists"
"$fresh/usr/bin/promtool" --version >/dev/null
chmod a+rx "$fresh"
mv -T "$fresh" "$dest" 2>/dev/null || "$dest/usr/bin/promtool" --version >/dev/null # another test was quicker
echo "$dest/usr/bin/promtool"
