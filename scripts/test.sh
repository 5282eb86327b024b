#!/bin/sh
# Tests everything: each room with the race detector, then the whole product on
# real parts. Goes on after a failure, to show all of them at once.
#
#   scripts/test.sh [arguments of go test, for example -run Return]
set -u
failed=0
rooms=$(go list ./... | grep -v /acceptance) || exit 1

echo "== go vet"
go vet ./... || failed=1
echo "== rooms"
# shellcheck disable=SC2086 # one word a package
go test -race -timeout 25m "$@" $rooms || failed=1

echo "== every state of two machines and a witness, to the full default bounds"
go test -count=1 -v -timeout 45m "$@" ./takeover/model || failed=1
echo "== 100,000 stories of a site, each from its seed"
go test -count=1 -v -timeout 45m "$@" ./sim -args -seeds 100000 || failed=1
# Alone on the machine: callers are timed, and a stalled disk counts as a lost one.
echo "== acceptance, on real parts"
go test -count=1 -v -timeout 45m "$@" ./acceptance || failed=1
exit $failed
