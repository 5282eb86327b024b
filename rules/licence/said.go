package licence

import (
	"fmt"
	"time"

	"releve"
)

// Notices are what is said of a ruling for as long as it is so, the gravest first. wall is what the
// machine's clock shows.
func (r Ruling) Notices(wall time.Time) (all []releve.Sentence) {
	add := func(what releve.Sentence) { all = append(all, what) }
	level := string(r.Level)
	switch {
	case r.Lapse && r.Level == releve.Base:
		add(releve.Say("licence-base-only", "why", r.why()))
	case r.Lapse && !r.Clock.Now().Before(r.FallsBack.At):
		add(releve.Say("licence-over", "level", level, "lower", string(r.FallsBack.To), "why", r.why()))
	case r.Lapse:
		add(releve.Say("licence-lapsed", "level", level, "lower", string(r.FallsBack.To), "why", r.why(), "at", moment(r.FallsBack.At)))
	case !r.Until.IsZero() && r.Until.Sub(r.Clock.Now()) <= Warned && !r.Demonstration():
		add(releve.Say("licence-ends-soon", "level", level, "date", LastDay(r.Until)))
	}
	if f := r.Fallen; f != nil && r.May(f.From) {
		add(releve.Say("licence-raise", "level", string(f.From), "lower", string(f.To), "at", moment(f.At.In(wall.Location())), "use", string(f.From)))
	} else if f != nil {
		add(releve.Say("licence-fell", "level", string(f.From), "lower", string(f.To), "at", moment(f.At.In(wall.Location())), "why", f.Why, "use", string(f.From)))
	}
	if licensed := r.ChannelsOf(r.Level); !r.Lapse && r.Channels > licensed {
		add(releve.Say("licence-channels", "configured", fmt.Sprint(r.Channels), "licensed", fmt.Sprint(licensed)))
	}
	for _, h := range r.All {
		if h.State == Contradicts {
			add(releve.Say("licence-contradicts", "serial", h.Serial, "issuer", h.Issuer))
		}
	}
	if len(r.All) > 0 && r.Clock.Wrong(wall) {
		add(releve.Say("licence-clock", "at", moment(wall), "counts", moment(r.Clock.Now().In(wall.Location()))))
	}
	return all
}

// why is the reason of a lapse, as the argument of another sentence.
func (r Ruling) why() string { return releve.Reason(r.Lacks(r.Level)) }

// Lacks says why a level may not be run, of one that may not.
func (s Sum) Lacks(level releve.Level) error {
	if len(s.All) == 0 {
		return releve.Known("there is no licence", "licence-why-none")
	}
	lacks := level
	if !s.May(releve.Base) {
		lacks = releve.Base
	}
	var nearest Held // of those that would do
	for _, h := range s.All {
		if gives(h.Level, lacks) && (h.State == Expired && (nearest.State != Expired || h.Until.After(nearest.Until)) || h.State == Future && nearest.State == "") {
			nearest = h
		}
	}
	switch {
	case nearest.State == Expired:
		return releve.Known("it has expired", "licence-why-expired", "serial", nearest.Serial, "level", string(nearest.Level), "date", nearest.LastDay())
	case nearest.State == Future:
		return releve.Known("it has not begun", "licence-why-future", "serial", nearest.Serial, "date", nearest.FirstDay())
	case lacks == releve.HighAvailability && s.May(releve.Mirroring) && s.May(releve.Backup):
		return releve.Known("two do not make it", "licence-why-two")
	}
	return releve.Known("no licence gives it", "licence-why-missing", "level", string(lacks))
}

// Sentence says how a licence stands, nothing where it simply holds.
func (h Held) Sentence() releve.Sentence {
	switch h.State {
	case Future:
		return releve.Say("licence-future", "date", h.FirstDay())
	case Expired:
		return releve.Say("licence-expired", "date", h.LastDay())
	case Replaced:
		return releve.Say("licence-replaced", "serial", h.By)
	case Contradicts:
		return releve.Say("licence-contradicts", "serial", h.Serial, "issuer", h.Issuer)
	}
	return releve.Sentence{}
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04") }

// LastDay is the last whole day before a moment at which a licence ends.
func LastDay(end time.Time) string { return end.Add(-time.Nanosecond).UTC().Format(time.DateOnly) }
