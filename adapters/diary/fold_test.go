package diary

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve"
)

// overflow is a step of a call that was refused because the other server is well.
func overflow(at time.Time, call string) []releve.Entry {
	input := json.RawMessage(strconv.Quote(call + strings.Repeat("x", 3000)))
	step := []releve.Entry{
		{Kind: "non-decision", What: releve.Say("round-good", "failed", "0", "of", "3")},
		{Kind: "decision", What: releve.Say("rule-in-service"), Call: releve.CallID(call)},
	}
	for i := range step {
		step[i].At, step[i].Seat, step[i].Input, step[i].Routine = at, releve.Main, input, true
	}
	return step
}

// takes is a change of duty: it is never routine.
func takes(at time.Time) releve.Entry {
	return releve.Entry{At: at, Seat: releve.Main, Term: 2, Kind: "decision", What: releve.Say("rule-takeover"), Input: json.RawMessage(`"t"`)}
}

func bytesIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	must(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return err
	}))
	return n
}

// Twenty thousand overflows that change nothing, a hundred a second: the takeover before them
// is there, each step that was kept is whole, and those that were not are told by their number.
func TestAFloodWashesNothingOut(t *testing.T) {
	const flood = 20_000
	dir := t.TempDir()
	d := open(t, dir, Options{Bytes: 64 << 10, Routine: 256 << 10})
	d.Write(takes(noon))
	at := noon
	for n := range flood {
		at = at.Add(10 * time.Millisecond)
		d.Write(overflow(at, fmt.Sprint(n))...)
		if n%100 == 0 {
			must(t, d.Flush(within(t)))
		}
	}
	d.Write(takes(at))
	must(t, d.Flush(within(t)))
	all, err := recent(d, flood)
	must(t, err)
	var takeovers, told, decided, rounds int
	for i, e := range all {
		switch e.What.Code {
		case "rule-takeover":
			takeovers++
		case "round-good":
			rounds++
			if i+1 == len(all) || string(all[i+1].Input) != string(e.Input) {
				t.Errorf("half a step was kept at %v", e.At)
			}
		case "rule-in-service":
			decided++
		case Folded:
			n, err := strconv.Atoi(e.What.Args["count"])
			must(t, err)
			told += n
			if len(e.Evidence) != 2 || e.Evidence[1].Code != "rule-in-service" || e.Call == "" {
				t.Errorf("it is not said what was folded: %+v", e)
			}
		}
	}
	if takeovers != 2 || all[0].What.Code != "rule-takeover" {
		t.Errorf("%d changes of duty are left of 2", takeovers)
	}
	// 200 s of flood: those kept whole first, and one each half minute.
	if kept := keptWhole + int(200*time.Second/foldedEvery); decided > kept || rounds != decided {
		t.Errorf("%d decisions and %d rounds were kept, at most %d should be", decided, rounds, kept)
	}
	if dropped := d.dropped.Load(); dropped > 0 {
		t.Errorf("%d entries were dropped", dropped)
	}
	if size := bytesIn(t, dir); size > 320<<10 {
		t.Errorf("the diary takes %d bytes, its bounds are 320 KiB", size)
	}
	// What is left of the routine is bounded, so that not all that was kept is still there.
	if decided == 0 || told < flood/2 || told > flood {
		t.Errorf("%d decisions are kept and %d are told as folded", decided, told)
	}
}

// Nothing is lost in the count: kept and folded are together what there was, in every kind, and
// of each no more is kept than its own measure.
func TestWhatIsFoldedIsCounted(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	at := noon
	const each, apart = 500, 100 * time.Millisecond
	for range each {
		at = at.Add(apart)
		for _, kind := range []string{"a", "b"} {
			d.Write(releve.Entry{At: at, Kind: "fact", What: releve.Say(kind), Routine: true})
		}
		must(t, d.Flush(within(t)))
	}
	all, err := recent(d, 10*each)
	must(t, err)
	count, kept := map[string]int{}, map[string]int{}
	for _, e := range all {
		n := 1
		kind := e.What.Code
		kept[kind]++
		if kind == Folded {
			kind = e.Evidence[0].Code
			n, err = strconv.Atoi(e.What.Args["count"])
			must(t, err)
		}
		count[kind] += n
	}
	if count["a"] != each || count["b"] != each {
		t.Errorf("%v, expected %d of each", count, each)
	}
	if whole := keptWhole + int(each*apart/foldedEvery); kept["a"] != whole || kept["b"] != whole {
		t.Errorf("kept are %v, expected %d of each", kept, whole)
	}
}

// What is left when the diary is closed is told then, and a quiet diary folds nothing.
func TestFoldsAreToldAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, Options{})
	for range keptWhole + 7 {
		d.Write(releve.Entry{At: noon, Kind: "fact", What: releve.Say("often"), Routine: true})
	}
	for n := range 3 * keptWhole {
		d.Write(releve.Entry{At: noon.Add(time.Duration(n) * foldedEvery), Kind: "fact", What: releve.Say("seldom"), Routine: true})
	}
	must(t, d.Close())
	all, err := recent(d, 1000)
	must(t, err)
	count := map[string]int{}
	for _, e := range all {
		count[e.What.Code]++
	}
	i := slices.IndexFunc(all, func(e releve.Entry) bool { return e.What.Code == Folded })
	if count["often"] != keptWhole || count["seldom"] != 3*keptWhole || count[Folded] != 1 || all[i].What.Args["count"] != "7" {
		t.Errorf("%v", count)
	}
}

// However full the queue is of routine, there is room for a change of duty.
func TestRoutineLeavesRoomInTheQueue(t *testing.T) {
	d, err := prepare(t.TempDir(), Options{Queue: 8}) // nobody empties it
	must(t, err)
	for range 20 {
		d.Write(overflow(noon, "call")...)
	}
	for range 2 {
		d.Write(takes(noon))
	}
	if len(d.queue) != 8 || d.dropped.Load() != 28 {
		t.Errorf("%d steps wait and %d entries were dropped, expected 8 and 28", len(d.queue), d.dropped.Load())
	}
}
