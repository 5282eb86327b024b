package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
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

func TestSeed(t *testing.T) {
	if *one > 0 {
		o := play(t, *one, Without{})
		t.Logf("%s%s", o.Page(), o.Figures)
		if o.Broken != "" {
			t.Fail()
		}
		return
	}
	began := time.Now()
	var sum Figures
	n := 0
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
