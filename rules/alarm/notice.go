package alarm

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"releve"
)

// Outlet is a way by which people, or programs, are told of alarms who do not look at a screen.
type Outlet string

// Mail is the outlet of mail.
const Mail Outlet = "mail"

// Unsent is the kind of an outlet by which a server can send nothing: the alarm is about the outlet.
const Unsent Code = "unsent"

// Message is what there is to tell of an alarm.
type Message string

// The messages.
const (
	Began Message = "began" // it is so, or has happened
	Waits Message = "waits" // it still is, and nobody has it in hand
	Ended Message = "ended" // what they were told of is over
)

// Notice is one message of one alarm that is to be sent.
type Notice struct {
	Entry
	Message Message

	rose uint64 // of the claims that there are
}

// ID is the same for the same thing to tell, whichever server tells it.
func (n Notice) ID() string {
	return fmt.Sprintf("%s %s %d %d", n.Message, n.Key, n.rose, n.Calls)
}

// Sent is what was sent about an alarm by one outlet, whichever server sent it. The log of both servers
// is the greater of each.
type Sent struct {
	Rose  uint64    `json:"rose,omitempty"`  // that the claims had risen whose Rose this is, at most
	Over  uint64    `json:"over,omitempty"`  // … and that they were over
	Waits int       `json:"waits,omitempty"` // how often it was sent that nobody has it in hand
	At    time.Time `json:"at"`              // the last of it
}

// clocksApart is how much the servers' clocks may differ. A claim that began longer than that after what
// was sent is another, whatever its stamp: a server that lost its disk counts anew.
const clocksApart = time.Minute

func mergeSent(x, y Sent) Sent {
	merged := Sent{Rose: max(x.Rose, y.Rose), Over: max(x.Over, y.Over), At: x.At}
	if y.At.After(x.At) {
		merged.At = y.At
	}
	switch { // another alarm waits anew
	case x.Rose > y.Rose:
		merged.Waits = x.Waits
	case y.Rose > x.Rose:
		merged.Waits = y.Waits
	default:
		merged.Waits = max(x.Waits, y.Waits)
	}
	return merged
}

// Due is what is to be sent by an outlet of alarms as grave as least, the gravest first. What follows
// from another alarm is not, while that stands; nor what somebody has in hand before it could be sent.
// That a server cannot send by an outlet is not sent by that one, and by all others, those of the other server too.
func (b Book) Due(now time.Time, seat releve.Seat, by Outlet, least releve.Severity) (all []Notice) {
	listed := b.List(now)
	for _, key := range slices.SortedFunc(maps.Keys(b.Alarms), compareKeys) {
		a := b.Alarms[key]
		e := a.entry(key, now)
		if i := slices.IndexFunc(listed, func(l Entry) bool { return l.Key == key }); i >= 0 {
			e = listed[i]
		}
		kind, _ := Find(key.Code)
		if _, quiet := b.quiet(now, key); quiet {
			continue
		}
		if message := a.due(e, kind, by, least); message != "" && key != (Key{Unsent, seat, string(by)}) {
			all = append(all, Notice{e, message, a.rose()})
		}
	}
	slices.SortStableFunc(all, func(x, y Notice) int { return compareEntries(x.Entry, y.Entry) })
	return all
}

// due is the message that is to be sent of an alarm, "" for none.
func (a Alarm) due(e Entry, kind Kind, by Outlet, least releve.Severity) Message {
	sent := a.Sent[by]
	told := a.known(func(_ releve.Seat, c Claim) bool {
		return c.Rose <= sent.Rose && !c.Since.After(sent.At.Add(clocksApart))
	})
	switch {
	case told && !a.Up() && kind.Source != Happened && sent.Over < sent.Rose:
		return Ended
	case !e.Severity.AtLeast(least) || e.Folded() || e.Hand.Act != "":
		return ""
	case !told && (a.Up() || kind.Source == Happened):
		return Began
	case told && a.Up() && e.Calls >= max(1, 2*sent.Waits): // ever more seldom: who sleeps is not woken by a heap
		return Waits
	}
	return ""
}

// rose is the latest Rose of what is claimed.
func (a Alarm) rose() (latest uint64) {
	for _, c := range a.Claims {
		latest = max(latest, c.Rose)
	}
	return latest
}

// Send writes down that a notice was sent.
func (d *Desk) Send(now time.Time, by Outlet, n Notice) {
	if _, there := d.Book.Alarms[n.Key]; !there {
		return
	}
	d.change(n.Key, func(a *Alarm, stamp uint64) {
		d.remember(a, stamp, Moment{What: Posted, At: now, Severity: n.Severity, Outlet: by, Message: n.Message})
		sent := a.Sent[by]
		next := Sent{Rose: max(sent.Rose, n.rose), Over: sent.Over, Waits: sent.Waits, At: now}
		switch n.Message {
		case Began:
			next.Waits = n.Calls // those who are told now need not be told again of what was before
		case Waits:
			next.Waits = max(sent.Waits, n.Calls)
		case Ended:
			next.Over = next.Rose
		}
		a.Sent = maps.Clone(a.Sent)
		if a.Sent == nil {
			a.Sent = map[Outlet]Sent{}
		}
		a.Sent[by] = next
	})
}
