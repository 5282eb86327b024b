package takeover

import (
	"strings"
	"testing"
	"time"

	"releve"
)

// What procedures read of a server's own word, in each of its phases.
func TestAStatusSaysWhatItsServerIsFor(t *testing.T) {
	says := map[Phase]string{
		Unconfirmed: "on-duty", Serving: "on-duty in-service", Promoting: "on-duty copied-back", Restoring: "on-duty restores",
		Deposed: "aside", Stuck: "aside halted",
		Waiting: "awaits", Rejoining: "awaits", Following: "copy follows", Isolated: "copy", Copying: "copy",
	}
	for _, p := range Phases() {
		s := Status{Seat: releve.Main, Known: true, Owner: releve.Main, Phase: p, Serving: true, Restored: true}
		if got := said(s); got != says[p] {
			t.Errorf("%s, of an owner: %q, expected %q", p, got, says[p])
		}
		for name, other := range map[string]func(*Status){
			"the other owns":  func(s *Status) { s.Owner = releve.Secondary },
			"without journal": func(s *Status) { s.Known = false },
		} {
			o := s
			other(&o)
			if o.OnDuty() || o.InService() || o.Owns() || o.Alone() {
				t.Errorf("%s: it is on duty in phase %s", name, p)
			}
		}
	}
}

func said(s Status) string {
	var all []string
	for _, w := range []struct {
		word string
		is   bool
	}{
		{"on-duty", s.OnDuty()}, {"in-service", s.InService()}, {"copied-back", s.CopiedBack()}, {"restores", s.Restores()},
		{"aside", s.StandsAside()}, {"halted", s.Halted()},
		{"awaits", s.AwaitsCopy()}, {"copy", s.IsCopy()}, {"follows", s.Follows()},
	} {
		if w.is {
			all = append(all, w.word)
		}
	}
	return strings.Join(all, " ")
}

func TestWhoseVoteAStatusTellsOf(t *testing.T) {
	owner := Status{Seat: releve.Main, Known: true, Owner: releve.Main, Vote: true}
	mirror := Status{Seat: releve.Secondary, Known: true, Owner: releve.Main, Vote: true}
	claimant := Status{Seat: releve.Secondary, Known: true, Owner: releve.Main, Arbiter: releve.Witness, Number: 2, Abdicated: 1}
	if !owner.Alone() || !owner.HasVote() || owner.Holds() || owner.GoesBy() != releve.Pair {
		t.Errorf("an owner with the vote: %+v", owner)
	}
	if mirror.Alone() || !mirror.HasVote() || !mirror.Holds() {
		t.Errorf("a mirror with the vote: %+v", mirror)
	}
	if !claimant.HasVote() || claimant.GoesBy() != releve.Witness {
		t.Errorf("a mirror that may ask the witness: %+v", claimant)
	}
	for ago, hears := range map[time.Duration]bool{-1: false, 0: true, pbxAnswers - 1: true, pbxAnswers: false} {
		if got := (Status{PBXAgo: ago}).HearsPBX(); got != hears {
			t.Errorf("an answer %s old: the PBX is heard: %t", ago, got)
		}
	}
}
