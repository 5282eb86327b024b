#!/bin/sh
# Has Asterisk 22 of Debian sid beside the system, for tests, and prints the directory that
# it stands in: bookworm has none. Nothing is installed: see unpack.sh.
#
#   scripts/asterisk.sh
set -eu
dest=${TMPDIR:-/tmp}/releve-asterisk-$(id -u)/22
"$(dirname "$0")/unpack.sh" "$dest" sid asterisk usr/sbin
"$dest/usr/sbin/asterisk" -V | grep -q '^Asterisk 22\.' || { echo "Debian sid has no Asterisk 22 any more: $("$dest/usr/sbin/asterisk" -V)" >&2; exit 1; }
echo "$dest"
