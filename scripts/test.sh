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
go test -race -timeout 10m "$@" $rooms || failed=1
echo "== every state of two machines, to the full default bounds"
go test -count=1 "$@" ./takeover/model || failed=1
echo "== acceptance, on real parts"
go test -count=1 -v -timeout 25m "$@" ./acceptance || failed=1
exit $failed
