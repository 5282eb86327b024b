package licence

import (
	"cmp"
	"slices"
	"time"

	"releve"
)

// Levels are all levels, the one that holds the most last.
var Levels = []releve.Level{releve.Base, releve.Backup, releve.Mirroring, releve.HighAvailability}

// State is how a licence stands at a moment.
type State string

// The states of a licence.
const (
	Holds       State = "holds"
	Future      State = "future" // its first day has not come
	Expired     State = "expired"
	Replaced    State = "replaced"    // by one that says so, even when that one has expired since
	Contradicts State = "contradicts" // another of its serial says otherwise, and was issued before
)

// Held is a licence and how it stands.
type Held struct {
	Licence
	State State
	By    string // the serial that replaced it
}

// Sum is what all licences of a site give together, at a moment.
//
// They add up by level, not by channels: a site may run a level with a licence for base and one
// that gives that level (SPEC L1). Of two licences for one level the larger one counts; of base
// and what stands on it, the smaller, for each must cover what runs. So no licence ever takes
// anything away but by naming what it replaces, and which was installed first never matters.
type Sum struct {
	All []Held
	at  time.Time
}

// Add adds licences of one site up. Twice the same is once.
func Add(all []Licence, at time.Time) Sum {
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y Licence) int {
		return cmp.Or(x.Issued.Compare(y.Issued), cmp.Compare(x.ID, y.ID))
	})
	all = slices.CompactFunc(all, func(x, y Licence) bool { return x.ID == y.ID })
	s := Sum{at: at}
	for i, l := range all {
		held := Held{Licence: l, State: stateAt(l, at)}
		if slices.ContainsFunc(all[:i], l.contradicts) {
			held.State = Contradicts
		}
		s.All = append(s.All, held)
	}
	for i := range s.All {
		if by, ok := s.replacing(s.All[i].Licence); ok {
			s.All[i].State, s.All[i].By = Replaced, by
		}
	}
	slices.SortStableFunc(s.All, func(x, y Held) int {
		return cmp.Or(cmp.Compare(slices.Index(Levels, x.Level), slices.Index(Levels, y.Level)), x.From.Compare(y.From))
	})
	return s
}

func stateAt(l Licence, at time.Time) State {
	switch {
	case at.Before(l.From):
		return Future
	case !l.Until.IsZero() && !at.Before(l.Until):
		return Expired
	}
	return Holds
}

// contradicts says that two texts have one serial. The one that was issued first counts, for it
// is what the site relies on.
func (l Licence) contradicts(other Licence) bool {
	return l.Issuer == other.Issuer && l.Serial == other.Serial && l.ID != other.ID
}

// replacing is the licence that says that it replaces this one. It has begun, so that a renewal
// can be installed long before.
func (s Sum) replacing(l Licence) (serial string, ok bool) {
	for _, h := range s.All {
		if h.State != Contradicts && h.State != Future && h.names(l) {
			return h.Serial, true
		}
	}
	return "", false
}

// names says that a licence replaces another: what was issued before it, so that no two replace
// each other.
func (l Licence) names(other Licence) bool {
	return l.Issuer == other.Issuer && slices.Contains(l.Replaces, other.Serial) &&
		(l.Issued.After(other.Issued) || l.Issued.Equal(other.Issued) && l.Serial != other.Serial && !slices.Contains(other.Replaces, l.Serial))
}

// holding are the licences that hold and give a level.
func (s Sum) holding(level releve.Level) (all []Held) {
	for _, h := range s.All {
		if h.State == Holds && gives(h.Level, level) {
			all = append(all, h)
		}
	}
	return all
}

// May says whether the site may run a level.
func (s Sum) May(level releve.Level) bool { return s.ChannelsOf(level) > 0 }

// Licensed are the levels that the site may run.
func (s Sum) Licensed() (levels []releve.Level) {
	for _, level := range Levels {
		if s.May(level) {
			levels = append(levels, level)
		}
	}
	return levels
}

// ChannelsOf is for how many channels a level is licensed; 0 where it is not.
func (s Sum) ChannelsOf(level releve.Level) int {
	return min(s.most(releve.Base), s.most(level))
}

func (s Sum) most(level releve.Level) (channels int) {
	for _, h := range s.holding(level) {
		channels = max(channels, h.Channels)
	}
	return channels
}

// Ends is the moment from which a level is not licensed any more, renewals that are here
// counted in; zero where none is in sight.
func (s Sum) Ends(level releve.Level) time.Time {
	all := make([]Licence, 0, len(s.All))
	var turns []time.Time // moments at which something changes
	for _, h := range s.All {
		all = append(all, h.Licence)
		turns = append(turns, h.From, h.Until)
	}
	slices.SortFunc(turns, time.Time.Compare)
	for _, turn := range turns {
		if turn.After(s.at) && !Add(all, turn).May(level) {
			return turn
		}
	}
	return time.Time{}
}

// Demonstration says that something that holds is of the demonstrator.
func (s Sum) Demonstration() bool {
	return slices.ContainsFunc(s.All, func(h Held) bool { return h.State == Holds && h.Demonstration })
}
