package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var (
	one   = flag.Uint64("seed", 0, "play the story of this seed alone and print it")
	count = flag.Int("seeds", 0, "play so many stories; 0: what an everyday run plays")
	first = flag.Uint64("first", 1, "the seed to begin with")
	fresh = flag.Bool("fresh", false, "begin with a seed that is drawn from the commit, and say which")
)

// TestMain plays on one processor: the goroutines of a story then run in the same order
// each time, and a seed replays what it showed. Other processors have their own process.
func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(2000) // a story is short and its garbage small
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// everyday is how many stories are played when nobody says: some ten seconds. The race
// detector makes each twenty times as long.
func everyday() int {
	if raced {
		return 200
	}
	return 5000
}

// stories is that of this process.
var stories = NewStories()

func play(t *testing.T, seed uint64, w Without) (o Outcome) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { o = stories.Play(seed, w) })
	return o
}

// again plays a story until it breaks a promise. Once is enough but for one seed in hundreds,
// which has a moment at which two things are ready, and Go's runtime draws its own lot.
func again(t *testing.T, seed uint64) (o Outcome) {
	for range 20 {
		if o = play(t, seed, Without{}); o.Broken != "" {
			break
		}
	}
	return o
}

// The same seed tells the same story: without that, none could be looked into. Once it may differ,
// where a busy machine takes the processor away in the middle and Go lets another goroutine go
// first. The race detector has the goroutines of one moment run in an order of its own.
func TestASeedTellsTheSameStoryAgain(t *testing.T) {
	if raced {
		t.Log("not looked at: the race detector draws lots of its own")
		return
	}
	for seed := uint64(1); seed <= 100; seed++ {
		traces := map[string]int{}
		for plays := 0; plays < 2 || len(traces) > 1 && plays < 6; plays++ {
			traces[play(t, seed, Without{}).Trace()]++
		}
		if most := slices.Max(slices.Collect(maps.Values(traces))); len(traces) > 1 && most < 5 {
			t.Errorf("seed %d tells %d stories in six plays, and none more than %d times:\n%s", seed, len(traces), most,
				strings.Join(slices.Sorted(maps.Keys(traces)), "\n"))
		}
	}
}

// TestSeed plays one story after the other, on every processor, until one breaks a promise.
func TestSeed(t *testing.T) {
	switch {
	case *one > 0:
		o := again(t, *one)
		t.Logf("%s%s", o.Trace(), o.Figures)
		if o.Broken != "" {
			t.Fail()
		}
	case *share != "":
		playShare(t)
	default:
		if *fresh {
			at := checkedOut()
			*first = freshFirst(at)
			t.Logf("the stories of %s: go test ./proof/sim -run '^TestSeed$' -args -first %d -seeds %d",
				at, *first, max(*count, 0))
		}
		began := time.Now()
		sum := playAll(t, *first, max(*count, 0))
		took := time.Since(began)
		n := float64(sum.Seeds)
		t.Logf("%d seeds in %s, %.0f a second; %s of one processor, %.0f a second: %s",
			sum.Seeds, took.Round(time.Millisecond), n/took.Seconds(),
			sum.work.Round(time.Millisecond), n/sum.work.Seconds(), sum.Figures)
	}
}
