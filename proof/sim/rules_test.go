//go:build !race

package sim

// The race detector makes a story twenty times as long and has nothing to say about a rule:
// these are looked for without it.

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"releve"
)

// broken are rules taken out one by one, each with what must then be found, and after
// how many stories at most: some ten times what it took when this was written. Each is
// looked for at sites of the arbiter that the rule is about.
var broken = []struct {
	Without
	at    releve.Arbiter
	finds string // a regular expression
	most  uint64
}{
	{Without{Rule: "R2", Name: "an issued vote is taken back", Issued: true}, releve.Pair, "both servers hold the vote", 20},
	{Without{Rule: "R2, R3", Name: "what is decided is told before it is on the disk", Saving: true},
		releve.Pair, "both servers hold the vote", 150},
	{Without{Rule: "R4", Name: "a mirror takes over without the vote", Vote: true},
		releve.Pair, "an acknowledged row is missing", 8000},
	{Without{Rule: "R6", Name: "an owner opens its gate on memory", Memory: true}, releve.Pair, "row", 1000},
	{Without{Rule: "R8", Name: "commits go on alone behind the barrier", Barrier: true},
		releve.Pair, "an acknowledged row is missing", 300},
	{Without{Rule: "R11", Name: "a copy is made without a rewind", Rewind: true},
		releve.Pair, "an acknowledged row is missing", 300},
	{Without{Rule: "R14", Name: "facts are stored without a look at the position", Position: true},
		releve.Pair, "stored 2 times", 20},
	{Without{Rule: "R14", Name: "a spool promises what is not on its disk", Fsync: true}, releve.Pair, "stored 0 times", 20},
	{Without{Rule: "R16", Name: "what the other never saw counts against it, whoever says so", Headers: true},
		releve.Pair, "which is well and says so", 500},
	{Without{Rule: "R5", Name: "a claim is granted whatever version it goes by", Version: true},
		releve.Witness, "goes by version", 3000},
	{Without{Rule: "R5", Name: "a mirror takes over before the witness grants it", Granted: true},
		releve.Witness, "has not given it|row", 100},
	{Without{Rule: "R5", Name: "a witness without memory takes the word of who asks", Wiped: true},
		releve.Witness, "without memory|the register has given|goes by version", 3000},
	{Without{Rule: "R5", Name: "what is asked of the witness is not remembered first", Claimed: true},
		releve.Witness, "the register has given|not (become )?protected", 8000},
	{Without{Rule: "R5", Name: "the witness answers before its register is on the disk", Forgets: true},
		releve.Witness, "has not given it|goes by version", 100},
}

// seedOf is the n-th seed, counted from 1, of a site with an arbiter.
func seedOf(n uint64, at releve.Arbiter) uint64 {
	if at == releve.Witness {
		return 2 * n
	}
	return 2*n - 1
}

// The simulation is worth its name only if it finds what is wrong.
func TestEachRuleTakenOutIsFound(t *testing.T) {
	var page strings.Builder
	table := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nwithout\twhat is done instead\tfound after\t\tthe promise that was broken")
	for _, b := range broken {
		t.Run(b.Name, func(t *testing.T) {
			finds, began := regexp.MustCompile(b.finds), time.Now()
			for n := uint64(1); n <= b.most; n++ {
				if o := play(t, seedOf(n, b.at), b.Without); finds.MatchString(o.Broken) {
					fmt.Fprintf(table, "%s\t%s\t%d stories\t%.2f s\t%s\n",
						b.Rule, b.Name, n, time.Since(began).Seconds(), o.Broken)
					return
				}
			}
			t.Errorf("%d stories do not find that %s", b.most, b.Name)
		})
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
	t.Log(page.String())
}
