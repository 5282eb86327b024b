#!/bin/sh
# Whole sites through what a seed draws, on real parts: N schedules, the first of them
# that of SEED and the others those that follow it. A schedule that fails prints a page
# and keeps its logs; N=1 with its seed plays it again.
#
#   scripts/chaos.sh [N [SEED [ONLY]]]
#
# Without a seed a new one is drawn and printed: one with which a deck of nemeses begins, so that
# twenty schedules apply each at sites without a witness and at sites with one. ONLY is a regular expression: the
# schedules are drawn from the nemeses whose names match.
set -eu
n=${1:-20}
seed=${2:-$(($(date +%s) / 20 * 20 + 1))}
only=${3:-}
echo "chaos: $n schedules from seed $seed"
exec go test -count=1 -v -timeout 0 -run '^TestChaos$' ./proof/acceptance -args -schedules "$n" -seed "$seed" -only "$only"
