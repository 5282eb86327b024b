package alarm

import (
	"maps"
	"slices"
	"time"

	"releve"
)

// After a start, an alarm of the life before that is neither seen nor told again has ended meanwhile.
const (
	lookedWithin = time.Minute
	toldWithin   = 15 * time.Minute // rooms look at once, or within a few minutes
)

// Want is what a server has to claim for as long as it is so.
type Want struct {
	Key      Key
	Severity releve.Severity
	What     releve.Sentence
	On       time.Duration // before it is raised, where that is not the kind's
}

// Desk is one server's part in the book: it knows what is so now, and writes it down when it has
// lasted. Its owner calls it from one place.
type Desk struct {
	Seat releve.Seat
	Book Book

	began  time.Time
	before map[Key]bool // claimed by the life before this one, and neither seen nor told again
	over   map[Key]bool // told to be over soon after the start
	looked map[Key]Want
	told   map[Key]Want
	heard  map[Key]time.Time // when what a look can see as well was told
	moved  map[Key]time.Time // since when what is so differs from what is claimed
}

// NewDesk begins a server's life with the book that was kept.
func NewDesk(seat releve.Seat, kept Book, now time.Time) *Desk {
	d := &Desk{
		Seat: seat, Book: Merge(kept, Book{}), began: now, before: map[Key]bool{}, over: map[Key]bool{},
		looked: map[Key]Want{}, told: map[Key]Want{}, heard: map[Key]time.Time{}, moved: map[Key]time.Time{},
	}
	for key, a := range d.Book.Alarms {
		if a.up(seat) {
			d.before[key] = true
		}
	}
	return d
}

// Look takes in what a look at the site shows: all of it, each time.
func (d *Desk) Look(now time.Time, shown []Want) {
	d.looked = map[Key]Want{}
	for _, w := range shown {
		d.looked[w.Key] = w
	}
	for key, at := range d.heard { // what a look can see, the look ends
		if _, still := d.looked[key]; !still && now.Sub(at) >= lookedWithin {
			delete(d.told, key)
			delete(d.heard, key)
		}
	}
	d.Pass(now)
}

// Hear takes in the other server's book.
func (d *Desk) Hear(now time.Time, theirs Book) {
	own := d.Book
	d.Book = Merge(d.Book, theirs).tidy(now)
	for key, a := range d.Book.Alarms { // of a life whose disk was lost
		if was := own.Alarms[key]; a.up(d.Seat) && a.Claims[d.Seat].Stamp != was.Claims[d.Seat].Stamp && !d.over[key] {
			d.before[key] = true
		}
	}
	for key := range d.told { // the other may have told the end of what is the site's
		if a := d.Book.Alarms[key]; a.Claims[d.Seat].Up && !a.up(d.Seat) {
			delete(d.told, key)
		}
	}
	d.Pass(now)
}

// Tell takes in a sentence of a room, and gives what it means.
func (d *Desk) Tell(now time.Time, what releve.Sentence) Meaning {
	t := Of(d.Seat, what)
	switch t.Effect {
	case Rises:
		d.told[t.Key] = Want{Key: t.Key, Severity: t.Severity, What: what}
		delete(d.over, t.Key)
		if kind, _ := Find(t.Key.Code); kind.Source == Looked && t.Key.About == "" {
			d.heard[t.Key] = now
		}
		if d.Book.Alarms[t.Key].up(d.Seat) {
			d.rewrite(now, d.told[t.Key])
		}
	case Falls:
		d.fell(now, Want{Key: t.Key, Severity: t.Severity, What: what})
	case Ends:
		d.end(now, t)
	}
	d.Pass(now)
	return t
}

// end ends one alarm, or all of a kind there. Of one that is the site's it ends the other server's
// claim too: that server may not be the one any more that looks.
func (d *Desk) end(now time.Time, t Meaning) {
	ends := func(key Key) bool { return key == t.Key || t.All && key.Code == t.Key.Code && key.Seat == t.Key.Seat }
	if now.Sub(d.began) < toldWithin { // after that nothing of an earlier life comes back
		d.over[t.Key] = true
	}
	maps.DeleteFunc(d.told, func(key Key, _ Want) bool { return ends(key) })
	maps.DeleteFunc(d.before, func(key Key, _ bool) bool { return ends(key) })
	for key, a := range d.Book.Alarms {
		if ends(key) && key.Seat == "" && a.up(d.Seat.Other()) {
			d.change(key, func(a *Alarm, stamp uint64) {
				a.Over = stamp
				d.remember(a, stamp, Moment{What: Cleared, At: now})
			})
		}
	}
}

// Pass brings delays to their end, and gives when the next one does; zero: none is under way.
func (d *Desk) Pass(now time.Time) (next time.Time) {
	keys := map[Key]bool{}
	for _, all := range []map[Key]Want{d.looked, d.told} {
		for key := range all {
			keys[key] = true
		}
	}
	for key, a := range d.Book.Alarms {
		if a.up(d.Seat) {
			keys[key] = true
		}
	}
	maps.DeleteFunc(d.moved, func(key Key, _ time.Time) bool { return !keys[key] })
	for _, key := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		if due := d.settle(now, key); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}

// settle brings what is claimed into line with what is so, once that has lasted; before, it gives when
// it will have.
func (d *Desk) settle(now time.Time, key Key) (due time.Time) {
	want, wanted := d.want(key)
	if wanted {
		delete(d.before, key)
	}
	alarm := d.Book.Alarms[key]
	claim := alarm.Claims[d.Seat]
	if wanted == alarm.up(d.Seat) {
		delete(d.moved, key)
		if wanted && (claim.What.Code != want.What.Code || claim.Severity != want.Severity) {
			d.rewrite(now, want)
		}
		return time.Time{}
	}
	since, known := d.moved[key]
	if !known || now.Before(since) {
		since, d.moved[key] = now, now
	}
	if due = since.Add(d.delay(key, want, claim)); !wanted && d.before[key] {
		due = later(due, d.began.Add(within(key)))
	}
	if now.Before(due) {
		return due
	}
	delete(d.moved, key)
	delete(d.before, key)
	if wanted {
		d.rise(now, want)
	} else {
		d.write(now, key, Cleared, func(c *Claim) { c.Up, c.Changed = false, now })
	}
	return time.Time{}
}

// want is what is to be claimed of an alarm. One that the life before this one claimed, of a kind that is
// remembered, stands until it is told to be over.
func (d *Desk) want(key Key) (w Want, wanted bool) {
	if w, wanted = d.told[key]; wanted {
		return w, true
	}
	if w, wanted = d.looked[key]; wanted {
		return w, true
	}
	if kind, known := Find(key.Code); known && kind.Source == Kept && d.before[key] {
		claim := d.Book.Alarms[key].Claims[d.Seat]
		d.told[key] = Want{Key: key, Severity: claim.Severity, What: claim.What}
		return d.told[key], true
	}
	return Want{}, false
}

func (d *Desk) delay(key Key, want Want, claim Claim) time.Duration {
	kind, _ := Find(key.Code)
	switch {
	case !d.Book.Alarms[key].up(d.Seat):
		return max(kind.On, want.On)
	case claim.Rises > Flaps:
		return Regain
	}
	return kind.Off
}

// within is how long after a start an alarm of the life before may still be seen or told again.
func within(key Key) time.Duration {
	if kind, _ := Find(key.Code); kind.Source == Looked {
		return lookedWithin
	}
	return toldWithin
}

// rise raises an alarm: the same as before, if that ended just now, or a new one.
func (d *Desk) rise(now time.Time, w Want) {
	closed := d.Book.Alarms[w.Key].Handled(now) == Close
	d.write(now, w.Key, Rose, func(c *Claim) {
		if closed || c.Rises == 0 || now.Sub(c.Changed) >= Regain {
			*c = Claim{Since: now}
		}
		c.Up, c.Severity, c.What, c.Changed, c.Rises = true, w.Severity, w.What, now, c.Rises+1
	})
}

// fell writes down what has happened and is over. Once somebody has read of it, the next is another.
func (d *Desk) fell(now time.Time, w Want) {
	read := d.Book.Alarms[w.Key].Handled(now) != ""
	d.write(now, w.Key, Came, func(c *Claim) {
		if read || c.Rises == 0 || now.Sub(c.Changed) >= Regain {
			*c = Claim{Since: now}
		}
		c.Severity, c.What, c.Changed, c.Rises = w.Severity, w.What, now, c.Rises+1
	})
}

// rewrite keeps what an alarm that stands says now.
func (d *Desk) rewrite(now time.Time, w Want) {
	claim := d.Book.Alarms[w.Key].Claims[d.Seat]
	if claim.Severity != w.Severity || claim.What.Code != w.What.Code || !maps.Equal(claim.What.Args, w.What.Args) {
		d.write(now, w.Key, "", func(c *Claim) { c.Severity, c.What = w.Severity, w.What })
	}
}

// write changes this server's claim, and remembers what happened; "": it only says something else now.
func (d *Desk) write(now time.Time, key Key, what Happening, change func(*Claim)) {
	if _, there := d.Book.Alarms[key]; !there && len(d.Book.Alarms) >= Most {
		if d.Book = d.Book.tidy(now); len(d.Book.Alarms) >= Most {
			return // all of them wait for somebody: one more says no more
		}
	}
	d.change(key, func(a *Alarm, stamp uint64) {
		claim := a.Claims[d.Seat]
		change(&claim)
		if claim.Rose == 0 {
			claim.Rose = stamp
		}
		claim.Stamp = stamp
		a.Claims[d.Seat] = claim
		if what != "" {
			d.remember(a, stamp, Moment{What: what, At: now, Severity: claim.Severity})
		}
	})
}

// change makes a change under a stamp of its own. Books that others hold are left as they were.
func (d *Desk) change(key Key, change func(a *Alarm, stamp uint64)) {
	d.Book = Merge(d.Book, Book{Count: d.Book.Count + 1})
	a := mergeAlarms(d.Book.Alarms[key], Alarm{})
	change(&a, d.Book.Count)
	d.Book.Alarms[key] = a
}

func later(x, y time.Time) time.Time {
	if x.Before(y) {
		return y
	}
	return x
}
