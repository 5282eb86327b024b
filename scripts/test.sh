#!/bin/sh
# Tests everything: each room with the race detector, then the whole product on
# real parts. Goes on after a failure, to show all of them at once, and ends with the
# ten tests that took longest.
#
#   scripts/test.sh [arguments of go test, for example -run Return]
set -u
failed=0
rooms=$(go list ./... | grep -v /proof/acceptance) || exit 1
GOBIN=$PWD/bin go -C scripts/tools install gotest.tools/gotestsum || exit 1
work=$(mktemp -d)
events=$work/events said=$work/said
mkdir "$events" "$said"
trap 'rm -rf "$work"' EXIT
trap 'trap "" TERM; kill 0; exit 130' INT TERM # what runs beside it too

# tests NAME FORMAT ARGUMENTS... is go test with its own lines, whose events are kept.
tests() {
	name=$1 format=$2
	shift 2
	bin/gotestsum --format "$format" --hide-summary=skipped --jsonfile "$events/$name" -- "$@"
}

# beside does so while the script goes on, and joined waits for it and shows what it said.
beside() {
	tests "$@" >"$said/$1" 2>&1 &
	running="$running $!"
}
running=
joined() {
	for one in $running; do
		wait "$one" || failed=1
	done
	running=
	cat "$said"/*
}

echo "== go vet"
go vet ./... || failed=1
echo "== rooms"
# One room more at a time than a small machine has processors: two wait for their PostgreSQL.
# shellcheck disable=SC2086 # one word a package
tests rooms standard-quiet -race -p "$(($(nproc) + 1))" -timeout 25m "$@" $rooms || failed=1

# The life of a pair, from its creation to its salvage, on each version that is accepted and can be had.
pair='CreatedClusterIsOurs|KilledPostmaster|FollowsCommitByCommit|UnderLoadKeeps|ToldApartInRealWAL|KilledInsideAPromotion|CountedBeforeARewind'
pair="$pair|OldOwnerIsRewound|CleanHandover|SlotThatWasMadeAgain|OldOwnerCommittedAlone|SlotFollowsTheMirror|FrozenOwner|BrokenPage"
pair="$pair|LostDataIsRestored|StrangerAtThePort|MainCommittedAlone|EachKindOfDifference"
pair="$pair|AbsentMirrorDoesNotFill|OthersFillTheDisk|SlowMirrorKeeps|FreedOfKeptLog|RewindLooksForRoom"
for version in "17 trixie" "18 sid"; do
	echo "== the pair on PostgreSQL ${version% *}"
	# shellcheck disable=SC2086 # two words
	programs=$(scripts/postgresql.sh $version) || { failed=1; continue; }
	export RELEVE_TEST_POSTGRESQL="$programs"
	tests "pair-${version% *}" standard-quiet -count=1 -timeout 25m -run "$pair" ./adapters/postgres ./server/salvage ./server/comparison || failed=1
	unset RELEVE_TEST_POSTGRESQL
done

echo "== every state of two machines and a witness, to the full default bounds"
tests model standard-verbose -count=1 -timeout 45m "$@" ./proof/model || failed=1
echo "== 20,000 stories of a site that no commit before this one has played, and those that once broke a promise"
tests stories standard-verbose -count=1 -timeout 45m "$@" ./proof/sim -args -fresh -seeds 20000 || failed=1
# A test waits most of its time: two stand beside each other, each in namespaces of its own, and
# who is free takes the next file, the largest first.
echo "== acceptance, on real parts"
if [ $# -eq 0 ]; then
	go test -c -o "$work/acceptance" ./proof/acceptance || exit 1
	# shellcheck disable=SC2012 # their names are ours
	ls -S proof/acceptance/*_test.go | xargs -P 2 -n 1 scripts/acceptance.sh "$work/acceptance" "$events" || failed=1

	echo "== a flood of calls, with the machine to itself"
	tests flood standard-verbose -count=1 -timeout 5m -run '^TestEightThousandCallsASecondAreOffered$' ./proof/acceptance || failed=1

	# The ten schedules without a witness and the ten with one likewise.
	echo "== chaos, at a site without a witness and at one with"
	for first in 1 11; do
		beside "chaos-$first" standard-verbose -count=1 -timeout 45m -run '^TestChaos$' ./proof/acceptance -args -schedules 10 -seed "$first"
	done
	joined
else
	tests acceptance standard-verbose -count=1 -timeout 45m "$@" ./proof/acceptance || failed=1
fi

echo "== the ten dearest tests"
cat "$events"/* | bin/gotestsum tool slowest --num 10
exit $failed
