#!/bin/sh
# The acceptance tests of one file, in namespaces of their own, said at once when they are over.
#
#   scripts/acceptance.sh TESTS EVENTS FILE
#
# TESTS is the program of all of them (go test -c), EVENTS the directory where go test's events
# are kept. TestChaos and the flood have a place of their own in scripts/test.sh.
set -u
tests=$1 events=$2 file=$3
names=$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(t \*testing\.T).*/\1/p' "$file" | grep -v -x -e TestChaos -e TestEightThousandCallsASecondAreOffered | paste -s -d '|' -)
[ -n "$names" ] || exit 0
package=$(go list "./$(dirname "$file")")
gotestsum=$PWD/bin/gotestsum
cd "$(dirname "$file")" || exit 1
said=$("$gotestsum" --format standard-verbose --hide-summary=skipped --jsonfile "$events/acceptance-$(basename "$file" .go)" --raw-command -- \
	go tool test2json -t -p "$package" "$tests" -test.v=test2json -test.timeout 45m -test.run "^($names)\$" 2>&1)
code=$?
printf '%s\n' "$said"
exit $code
