#!/bin/sh
# Tests everything: each room with the race detector, then the whole product on
# real parts. Goes on after a failure, to show all of them at once.
#
#   scripts/test.sh [arguments of go test, for example -run Return]
set -u
failed=0
rooms=$(go list ./... | grep -v /acceptance) || exit 1
computed=$(mktemp) || exit 1
trap 'rm -f "$computed"' EXIT

echo "== go vet"
go vet ./... || failed=1
echo "== rooms"
# shellcheck disable=SC2086 # one word a package
go test -race -timeout 25m "$@" $rooms || failed=1

# What only computes takes what the real parts leave of the processors: callers are timed.
idle() { chrt --idle 0 nice -n 19 go test -count=1 -v -timeout 45m "$@"; }
{
	echo "== every state of two machines and a witness, to the full default bounds"
	idle "$@" ./takeover/model
	model=$?
	echo "== 100,000 stories of a site, each from its seed"
	idle "$@" ./sim -args -seeds 100000
	[ $? -eq 0 ] && [ $model -eq 0 ]
} >"$computed" 2>&1 &

echo "== acceptance, on real parts"
go test -count=1 -v -timeout 45m "$@" ./acceptance || failed=1
wait $! || failed=1
cat "$computed"
exit $failed
