#!/bin/sh
# Has PostgreSQL of another Debian suite beside the system, for tests, and prints the
# directory of its programs. Nothing is installed: see unpack.sh.
#
#   scripts/postgresql.sh 17 trixie
#   scripts/postgresql.sh 18 sid
set -eu
major=${1:?major version} suite=${2:?suite}
dest=${TMPDIR:-/tmp}/releve-postgresql-$(id -u)/$major
programs=usr/lib/postgresql/$major/bin
"$(dirname "$0")/unpack.sh" "$dest" "$suite" "postgresql-$major" "$programs"
"$dest/$programs/postgres" --version >/dev/null
echo "$dest/$programs"
