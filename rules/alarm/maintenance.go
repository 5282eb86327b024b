package alarm

import (
	"maps"
	"slices"
	"time"

	"releve"
)

// Place is what is under maintenance: a server, or the whole site.
type Place string

// TheSite is the whole of it.
const TheSite Place = "site"

// Valid says that there is such a place.
func (p Place) Valid() bool { return p == TheSite || releve.Seat(p).Valid() }

const (
	// MaintenanceMost is how long a maintenance may last: a week. Nobody forgets one for good.
	MaintenanceMost = 7 * 24 * time.Hour
	// MaintenanceUsual is how long it lasts where nobody says so.
	MaintenanceUsual = 2 * time.Hour
)

// Maintenance says that somebody works there, and until when: its alarms are shown as all others, and not sent to
// anybody (RFC 8632 has shelving by a rule for this). It ends by itself; what stands then is sent.
type Maintenance struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"` // of one that was ended: when it was
	Stamp  Stamp     `json:"stamp"`
}

// Stands says that it is under way.
func (m Maintenance) Stands(now time.Time) bool {
	return !now.Before(m.Since.Add(-clocksApart)) && now.Before(m.Until)
}

// mergeMaintenance is what was last said of each place.
func mergeMaintenance(x, y map[Place]Maintenance) map[Place]Maintenance {
	if len(x)+len(y) == 0 {
		return nil
	}
	merged := map[Place]Maintenance{}
	maps.Copy(merged, x)
	for place, theirs := range y {
		if ours, both := merged[place]; both {
			theirs = newest(ours, theirs, ours.Stamp.compare(theirs.Stamp))
		}
		merged[place] = theirs
	}
	return merged
}

// Maintained are the places that are under maintenance now, in the order of their names.
func (b Book) Maintained(now time.Time) (all []Place) {
	for place, m := range b.Maintenance {
		if m.Stands(now) {
			all = append(all, place)
		}
	}
	slices.Sort(all)
	return all
}

// quiet is the maintenance for which an alarm is not sent: the site's, or that of the server that it is about. ok: there is one.
func (b Book) quiet(now time.Time, key Key) (m Maintenance, ok bool) {
	for _, place := range []Place{TheSite, Place(key.Seat)} {
		if m, ok = b.Maintenance[place]; ok && m.Stands(now) {
			return m, true
		}
	}
	return Maintenance{}, false
}

// Work is what a person says of a place: that he works there for so long, or no more.
type Work struct {
	Place  Place
	Ends   bool // he does no more
	By     string
	Reason string
	For    time.Duration // zero: [MaintenanceUsual]
}

// Maintain begins the maintenance of a place, says it anew, or ends it. It fails with a [releve.Fault]: no such place, a
// name or a reason that is missing, too long a time, nothing to end.
func (d *Desk) Maintain(now time.Time, w Work) error {
	before, was := d.Book.Maintenance[w.Place]
	was = was && before.Stands(now)
	if err := w.refused(was); err != nil {
		return err
	}
	next := Maintenance{By: w.By, Reason: w.Reason, Since: now, Until: now.Add(MaintenanceUsual)}
	if w.For > 0 {
		next.Until = now.Add(w.For)
	}
	if was {
		next.Since = before.Since
	}
	if w.Ends {
		next.Reason, next.Until = before.Reason, now
	}
	next.Stamp = Stamp{d.Book.Count + 1, d.Seat}
	d.Book = Merge(d.Book, Book{Count: d.Book.Count + 1, Maintenance: map[Place]Maintenance{w.Place: next}})
	return nil
}

func (w Work) refused(was bool) error {
	refused := func(cause error, code string) error {
		return &releve.Fault{Cause: cause, Why: releve.Say(code, "place", string(w.Place))}
	}
	switch {
	case !w.Place.Valid():
		return refused(releve.ErrUnknown, "maintenance-place")
	case w.By == "" || len(w.By) > NameMost:
		return refused(releve.ErrForbidden, "maintenance-by-whom")
	case w.Ends && !was:
		return refused(releve.ErrUnknown, "maintenance-none")
	case w.Ends:
		return nil
	case w.Reason == "" || len(w.Reason) > RemarkMost:
		return refused(releve.ErrForbidden, "maintenance-reason")
	case w.For < 0 || w.For > MaintenanceMost:
		return refused(releve.ErrForbidden, "maintenance-long")
	}
	return nil
}
