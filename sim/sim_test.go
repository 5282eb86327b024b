package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var (
	one   = flag.Uint64("seed", 0, "play the story of this seed alone and print it")
	count = flag.Int("seeds", 0, "play so many stories; 0: as many as fit in the budget")
	first = flag.Uint64("first", 1, "the seed to begin with")
)

// TestMain plays on one processor: the goroutines of a story then run in the same order
// each time, and a seed replays what it showed.
func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(800) // a story is short and its garbage small
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// budget is what an everyday run may take.
const budget = time.Minute

func play(t *testing.T, seed uint64, w Without) (o Outcome) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { o = Play(seed, w) })
	return o
}

// again plays a story until it breaks a promise. Once is enough for nearly all seeds; a
// few have moments at which two things are ready, and Go's select draws its own lot.
func again(t *testing.T, seed uint64) (o Outcome) {
	for range 20 {
		if o = play(t, seed, Without{}); o.Broken != "" {
			break
		}
	}
	return o
}

// TestSeed plays one story after the other until one breaks a promise.
func TestSeed(t *testing.T) {
	if *one > 0 {
		o := again(t, *one)
		t.Logf("%s%s", o.Page(), o.Figures)
		if o.Broken != "" {
			t.Fail()
		}
		return
	}
	var sum Figures
	n, began := 0, time.Now()
	for ; *count == 0 && time.Since(began) < budget || n < *count; n++ {
		seed := *first + uint64(n)
		o := play(t, seed, Without{})
		sum.Add(o.Figures)
		if o.Broken != "" {
			t.Errorf("%sreplay: go test ./sim -run Seed -seed %d", o.Page(), seed)
			break
		}
	}
	took := time.Since(began)
	t.Logf("%d seeds in %s, %.0f a second: %s", n, took.Round(time.Millisecond), float64(n)/took.Seconds(), sum)
}

// broken are rules taken out one by one, each with what must then be found and after
// how many seeds at most.
var broken = []struct {
	Without
	finds string
	most  uint64
}{
	{Without{Rule: "R4", Name: "a mirror takes over without the vote", Vote: true}, "", 500},
	{Without{Rule: "R2", Name: "an issued vote is taken back", Issued: true}, "vote of term", 50},
	{Without{Rule: "R6", Name: "an owner opens its gate on memory", Memory: true}, "", 500},
	{Without{Rule: "R2, R3", Name: "what is decided is told before it is on the disk", Saving: true}, "", 500},
	{Without{Rule: "R14", Name: "facts are stored without a look at the position", Position: true}, "stored 2 times", 500},
	{Without{Rule: "R8", Name: "commits go on alone behind the barrier", Barrier: true}, "", 2000},
	{Without{Rule: "R11", Name: "a copy is made without a rewind", Rewind: true}, "", 500},
	{Without{Rule: "R14", Name: "a spool promises what is not on its disk", Fsync: true}, "stored 0 times", 500},
}

// The simulation is worth its name only if it finds what is wrong.
func TestEachRuleTakenOutIsFound(t *testing.T) {
	for _, b := range broken {
		t.Run(b.Name, func(t *testing.T) {
			for seed := uint64(1); seed <= b.most; seed++ {
				o := play(t, seed, b.Without)
				if o.Broken == "" {
					continue
				}
				t.Logf("found at seed %d: %s", seed, o.Broken)
				if !strings.Contains(o.Broken, b.finds) {
					t.Errorf("it should have been: %s\n%s", b.finds, o.Page())
				}
				return
			}
			t.Errorf("%d seeds do not find that %s", b.most, b.Name)
		})
	}
}
