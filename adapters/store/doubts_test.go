package store

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"releve"
	"releve/rules/alarm"
)

// What is in doubt is listed on the screens as long as nobody knows its fate, a bound of it one
// by one: over a fence, until a later term's first commit is acknowledged or this data is made
// a copy of the other server's (R7).
func TestWhatIsInDoubtIsListed(t *testing.T) {
	shown := map[string]releve.Sentence{}
	var said []string
	d := doubts{
		open: map[int][]releve.Sentence{},
		explain: func(what releve.Sentence) {
			said = append(said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
		},
		notice: func(about string, what releve.Sentence) {
			if shown[about] = what; what.Code == "" {
				delete(shown, about)
			}
		},
	}
	one := func(n int) releve.Sentence { return releve.Say("doubt-records", "first", strconv.Itoa(n)) }
	first := d.ofNext()
	first([]releve.Sentence{one(1)})
	first([]releve.Sentence{one(1), one(2)}) // and then it is fenced
	second := d.ofNext()
	second([]releve.Sentence{releve.Say("doubt-promotion")})
	if want := []string{"warning doubt-records", "warning doubt-records", "warning doubt-promotion"}; !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	if len(shown) != 3 || shown["doubt 0"].Args["first"] != "1" || shown["doubt 2"].Code != "doubt-promotion" {
		t.Errorf("the screens list %v", shown)
	}
	third := d.ofNext()
	d.settled(false)
	first([]releve.Sentence{one(3)}) // a session of the past ends: it is decided too
	if len(shown) != 0 || said[len(said)-1] != "cleared doubt-settled" {
		t.Errorf("after the next term's first commit: %v, said %q", shown, said)
	}
	var many []releve.Sentence
	for n := range doubtsListed + 5 {
		many = append(many, one(n))
	}
	third(many)
	if len(shown) != doubtsListed+1 || shown["doubt more"].Args["count"] != "5" {
		t.Errorf("of %d the screens list %v", len(many), slices.Sorted(maps.Keys(shown)))
	}
	d.settled(true)
	if len(shown) != 0 {
		t.Errorf("the data is a copy of the other's now, and the screens list %v", shown)
	}
}
