#!/bin/sh
# Installs the Debian packages that are named and missing; says nothing when there
# are none. With sudo where it is not root.
#
#   scripts/install.sh postgresql nftables
#
# What is installed here is for us to start and stop: no service starts by itself
# and PostgreSQL makes no cluster of its own.
set -eu

missing=
for package; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as=
[ "$(id -u)" = 0 ] || as=sudo
echo "installing:$missing"

policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null
	$as chmod 755 $policy
else
	policy= # somebody's own: it stays
fi
log=$(mktemp)
trap 'rm -f "$log"; [ -z "$policy" ] || $as rm -f "$policy"' EXIT
trap 'exit 130' INT TERM

install() {
	$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		echo "cannot install $*: the lines above say why; is the package list fresh (apt-get update)?" >&2
		return 1
	}
}
$as apt-get update -q >"$log" 2>&1 || tail -n 5 "$log" >&2 # an old list may still do

case "$missing " in *" postgresql "*)
	install postgresql-common
	settings=/etc/postgresql-common/createcluster.conf
	$as sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' $settings
	grep -q '^create_main_cluster = false' $settings || echo 'create_main_cluster = false' | $as tee -a $settings >/dev/null
esac
# shellcheck disable=SC2086 # one word a package
install $missing
