// Package alarms owns the alarms on one server: it hears what rooms tell, looks at the site every two
// seconds, and writes down what package rules/alarm makes of that, on its disk and at the other server. A
// takeover, a restart or a cut between both loses no alarm, and not who has it in hand.
//
// It says nothing to the other server while nothing has changed: an idle pair stays idle.
package alarms

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
	"releve/server/order"
)

// lookEach is how often the site is looked at.
const lookEach = 2 * time.Second

// Site is how the site stands, as this server knows it.
type Site interface{ View() view.Site }

// Front is whom this server tells what people do, and that there is something new to see.
type Front interface {
	Explain(what releve.Sentence)
	Alarmed()
}

// Options are what a Keeper is made of.
type Options struct {
	Seat releve.Seat
	File string // where the alarms are kept
	Log  *slog.Logger
}

// Keeper keeps the alarms on one server. It is made before the rooms that tell it something, and [Join]ed
// with those that it works with after.
//
// [Join]: Keeper.Join
type Keeper struct {
	Options
	site  Site
	front Front
	link  order.Link
	news  chan struct{} // something changed that is not yet kept
	seen  string        // the book as the screens have it; of Run alone

	mu    sync.Mutex
	desk  *alarm.Desk
	text  string // the book written out, as of a stamp; "": it was merged since
	count uint64 // that stamp
	saved string // the book as it is on the disk
	twin  order.Twin[alarm.Book]
	heard bool   // the other server is
	why   string // the last that kept the book from the disk
}

// New makes a keeper of what was kept on the disk.
func New(o Options) *Keeper {
	k := &Keeper{Options: o, news: make(chan struct{}, 1)}
	k.desk = alarm.NewDesk(o.Seat, k.read(), time.Now())
	k.makeTwin()
	return k
}

// Join gives it those whom it looks at and tells. Before, it listens.
func (k *Keeper) Join(site Site, front Front, link order.Link) {
	k.site, k.front, k.link = site, front, link
}

// Tell takes in what a room says.
func (k *Keeper) Tell(what releve.Sentence) alarm.Meaning {
	k.mu.Lock()
	meaning := k.desk.Tell(time.Now().UTC(), what)
	k.mu.Unlock()
	if meaning.Effect != alarm.News {
		k.announce()
	}
	return meaning
}

func (k *Keeper) announce() {
	select {
	case k.news <- struct{}{}:
	default: // it is awaited already
	}
}

// Run looks until ctx ends, and keeps what changes.
func (k *Keeper) Run(ctx context.Context) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = k.save() // it is in the log
			return
		case <-k.news:
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), lookEach))
			k.look()
		}
		k.show()
		_ = k.save() // it is in the log, and tried again
		k.twin.Exchange(ctx, k.link)
	}
}

// show has the screens look when the alarms are other ones.
func (k *Keeper) show() {
	if own := k.written(); own != k.seen {
		k.seen = own
		k.front.Alarmed()
	}
}

func (k *Keeper) look() {
	site := k.site.View()
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := facts(site)
	k.heard = seen.Other.Heard
	k.desk.Look(time.Now().UTC(), seen.Look())
}

// Handle carries out what a person orders. It is on this server's disk when it returns, and at the other
// one if that can be reached. It fails with a [releve.Fault].
func (k *Keeper) Handle(ctx context.Context, h view.Handling) error {
	key, err := alarm.ParseKey(h.Alarm)
	if err != nil {
		return &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("alarm-not-there", "alarm", h.Alarm)}
	}
	k.mu.Lock()
	err = k.desk.Handle(time.Now().UTC(), alarm.Order{Act: alarm.Act(h.Act), Key: key, By: h.By, Remark: h.Remark, For: h.For})
	k.mu.Unlock()
	if err != nil {
		return err
	}
	if err := k.save(); err != nil {
		return &releve.Fault{Cause: err, Why: releve.Say("alarm-unkept", "why", releve.Reason(err))}
	}
	k.front.Explain(releve.Say("event-alarm-"+h.Act, "alarm", key.String(), "by", h.By, "remark", h.Remark))
	k.twin.Exchange(ctx, k.link)
	return nil
}

// Maintain carries out what a person says of the maintenance of a place. It is on this server's disk when it returns,
// and at the other one if that can be reached. It fails with a [releve.Fault].
func (k *Keeper) Maintain(ctx context.Context, w view.Work) error {
	k.mu.Lock()
	err := k.desk.Maintain(time.Now().UTC(), alarm.Work{Place: alarm.Place(w.Place), Ends: w.Ends, By: w.By, Reason: w.Reason, For: w.For})
	k.mu.Unlock()
	if err != nil {
		return err
	}
	if err := k.save(); err != nil {
		return &releve.Fault{Cause: err, Why: releve.Say("alarm-unkept", "why", releve.Reason(err))}
	}
	k.front.Explain(w.What())
	k.twin.Exchange(ctx, k.link)
	k.announce()
	return nil
}

// Maintained is what is under maintenance now.
func (k *Keeper) Maintained() (all []view.Maintenance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, place := range k.desk.Book.Maintained(time.Now().UTC()) {
		m := k.desk.Book.Maintenance[place]
		all = append(all, view.Maintenance{Place: string(place), By: m.By, Reason: m.Reason, Since: m.Since, Until: m.Until})
	}
	return all
}

// Shown are the alarms that stand or wait for somebody, those that wait first.
func (k *Keeper) Shown() []view.Alarm {
	all := []view.Alarm{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.desk.Book.List(time.Now().UTC()) {
		all = append(all, shown(e))
	}
	return all
}

// Story is what happened to an alarm, also to one that is over and done. It fails with a [releve.Fault] where nothing
// is known of it.
func (k *Keeper) Story(name string) (view.AlarmStory, error) {
	unknown := &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("alarm-not-known", "alarm", name)}
	key, err := alarm.ParseKey(name)
	if err != nil {
		return view.AlarmStory{}, unknown
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, moments, known := k.desk.Book.Story(time.Now().UTC(), key)
	if !known {
		return view.AlarmStory{}, unknown
	}
	s := view.AlarmStory{Alarm: shown(e), History: []view.Moment{}}
	for _, m := range moments {
		s.History = append(s.History, view.Moment{
			What: string(m.What), At: m.At, Server: m.Stamp.Seat, Severity: m.Severity, By: m.By, Remark: m.Remark, Until: m.Until,
			Outlet: string(m.Outlet), Message: string(m.Message),
		})
	}
	return s, nil
}

// Due is what this server is to send by an outlet, of alarms as grave as least.
func (k *Keeper) Due(by alarm.Outlet, least releve.Severity) []alarm.Notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.desk.Book.Due(time.Now().UTC(), k.Seat, by, least)
}

// Sent writes down that it was. That is on this server's disk when it returns, and at the other one if that
// can be reached: nobody sends it again.
func (k *Keeper) Sent(ctx context.Context, by alarm.Outlet, all []alarm.Notice) {
	k.mu.Lock()
	for _, n := range all {
		k.desk.Send(time.Now().UTC(), by, n)
	}
	k.mu.Unlock()
	_ = k.save() // it is in the log, and tried again
	k.twin.Exchange(ctx, k.link)
	k.announce()
}

// Told is a notice for people.
func Told(n alarm.Notice) view.Notice {
	return view.Notice{Alarm: shown(n.Entry), Message: string(n.Message)}
}

func shown(e alarm.Entry) view.Alarm {
	kind, _ := alarm.Find(e.Key.Code)
	a := view.Alarm{
		Alarm: e.Key.String(), Code: string(e.Key.Code), Seat: e.Key.Seat, Severity: e.Severity, State: string(e.State), What: e.What,
		Since: e.Since, Ended: e.Ended, Rises: e.Rises, Flaps: e.Flaps(),
		By: e.Hand.By, Remark: e.Hand.Remark, At: e.Hand.At, Until: e.Hand.Until, Calls: e.Calls, Quiet: e.Quiet,
		Callers: kind.Callers(), First: kind.First(), Command: kind.Command,
	}
	if e.Folded() {
		a.Under = e.Under.String()
	}
	return a
}
