package alarm

import (
	"slices"
	"time"

	"releve"
)

const (
	// ShelvedMost is how long an alarm may be shelved: a shift.
	ShelvedMost = 8 * time.Hour
	// NameMost and RemarkMost are how many bytes a name and a remark may have.
	NameMost   = 100
	RemarkMost = 500
)

// Order is what a person wants done with an alarm.
type Order struct {
	Act    Act           `json:"act"`
	Key    Key           `json:"key"`
	By     string        `json:"by"`
	Remark string        `json:"remark,omitempty"`
	For    time.Duration `json:"for_ns,omitempty"` // how long it is shelved; zero: as long as may be
}

// Handle does with an alarm what a person orders. It fails with a [releve.Fault]: a name that is
// missing, a remark where one has to say why, an alarm that there is not, one that is not over and
// cannot be closed.
func (d *Desk) Handle(now time.Time, o Order) error {
	a, there := d.Book.Alarms[o.Key]
	if err := a.refuses(now, o, there); err != nil {
		return err
	}
	seen := map[releve.Seat]uint64{}
	for seat, c := range a.Claims {
		seen[seat] = c.Rose
	}
	hand := Hand{Act: o.Act, By: o.By, Remark: o.Remark, At: now, Seen: seen}
	if o.Act == Shelve {
		if hand.Until = now.Add(ShelvedMost); o.For > 0 {
			hand.Until = now.Add(min(o.For, ShelvedMost))
		}
	}
	d.change(o.Key, func(a *Alarm, stamp uint64) {
		hand.Stamp = Stamp{stamp, d.Seat}
		a.Hand = hand
		d.remember(a, stamp, Moment{What: Happening(o.Act), At: now, By: o.By, Remark: o.Remark, Until: hand.Until})
	})
	return nil
}

// refuses is why an order is not carried out, nil where it is.
func (a Alarm) refuses(now time.Time, o Order, there bool) error {
	refused := func(cause error, code string) error {
		return &releve.Fault{Cause: cause, Why: releve.Say(code, "alarm", o.Key.String(), "by", o.By)}
	}
	switch {
	case !slices.Contains([]Act{Acknowledge, Close, Shelve, Unshelve}, o.Act):
		return refused(releve.ErrUnknown, "alarm-act")
	case !there || a.Done(now):
		return refused(releve.ErrUnknown, "alarm-not-there")
	case o.By == "" || len(o.By) > NameMost:
		return refused(releve.ErrForbidden, "alarm-by-whom")
	case len(o.Remark) > RemarkMost:
		return refused(releve.ErrForbidden, "alarm-remark-long")
	case o.Remark == "" && (o.Act == Close || o.Act == Shelve || o.Act == Acknowledge && a.severity().AtLeast(releve.Major)):
		return refused(releve.ErrForbidden, "alarm-remark-missing")
	case o.Act == Close && a.Up():
		return refused(releve.ErrForbidden, "alarm-still-up")
	case o.Act == Unshelve && a.Handled(now) != Shelve:
		return refused(releve.ErrForbidden, "alarm-not-shelved")
	case o.For < 0:
		return refused(releve.ErrForbidden, "alarm-shelved-long")
	}
	return nil
}

// severity is the gravest of what is claimed.
func (a Alarm) severity() (gravest releve.Severity) {
	up, ended := a.claims()
	if len(up) == 0 {
		up = ended
	}
	for _, c := range up {
		if gravest == "" || c.Severity.AtLeast(gravest) {
			gravest = c.Severity
		}
	}
	return gravest
}
