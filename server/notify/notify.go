// Package notify sends alarms to people who do not look at a screen, and to programs: by each outlet, once,
// by whichever server has the duty, and by the other when that one does not.
//
// What is to be sent is said by the book of alarms, which both servers hold, and which keeps what was. An
// outlet that fails is tried again, after ever longer pauses, and is an alarm on all the others; one that
// has nothing to send is tried each hour, so that a password that has changed is known before the night.
package notify

import (
	"context"
	"log/slog"
	"sync"

	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
	"releve/server/order"
)

// Outlet sends by one way. Again says of an error that the same may be taken later. One of which people have to know
// something, such as that nobody answers, says it by a Remark() *releve.Sentence.
type Outlet interface {
	Name() string
	// Notify sends a letter, and returns when it was taken. An error with a Taken that says so is of one
	// that was, though not for everybody.
	Notify(ctx context.Context, l alarm.Letter) (again bool, err error)
	// Probe goes as far as one can without sending.
	Probe(ctx context.Context) (again bool, err error)
}

// Alarms is the book of alarms.
type Alarms interface {
	Due(by alarm.Outlet, least releve.Severity) []alarm.Notice
	Sent(ctx context.Context, by alarm.Outlet, all []alarm.Notice)
}

// Site is how the site stands, as this server knows it.
type Site interface{ View() view.Site }

// Front is whom this server tells how its outlets are.
type Front interface {
	Explain(what releve.Sentence)
	Outlets(all []releve.Outlet)
}

// Writer writes letters, in the words of people.
type Writer interface {
	Letter(all []alarm.Notice, site view.Site) alarm.Letter
	Test(site view.Site) alarm.Letter
}

// Wanted is an outlet, and how grave what is sent by it is at least.
type Wanted struct {
	Outlet
	Least releve.Severity
}

// Options are what a Post is made of.
type Options struct {
	Seat    releve.Seat
	Outlets []Wanted
	Alarms  Alarms
	Site    Site
	Front   Front
	Link    order.Link
	Writer  Writer
	Log     *slog.Logger
}

// Post sends by all outlets of a server.
type Post struct {
	Options
	senders []*sender
}

// New makes it.
func New(o Options) *Post {
	p := &Post{Options: o}
	for _, w := range o.Outlets {
		shown := releve.Outlet{Name: w.Name()}
		if remarkable, is := w.Outlet.(interface{ Remark() *releve.Sentence }); is {
			shown.Note = remarkable.Remark()
		}
		p.senders = append(p.senders, &sender{
			Wanted: w, post: p, name: alarm.Outlet(w.Name()), turn: turn{first: o.Seat == releve.Main}, shown: shown,
		})
	}
	return p
}

// Run sends until ctx ends. No outlet waits for another.
func (p *Post) Run(ctx context.Context) {
	p.show()
	var all sync.WaitGroup
	for _, s := range p.senders {
		all.Go(func() { s.run(ctx) })
	}
	all.Wait()
}

// show tells the screens how the outlets are.
func (p *Post) show() {
	var all []releve.Outlet
	for _, s := range p.senders {
		all = append(all, s.is())
	}
	if len(all) > 0 {
		p.Front.Outlets(all)
	}
}

// Test sends a letter that says that it is a test, now, by the outlet that is named or by all; with dryRun
// it sends nothing. It fails with a [releve.Fault] where there is no such outlet.
func (p *Post) Test(ctx context.Context, name string, dryRun bool) ([]view.OutletTest, error) {
	var all []view.OutletTest
	for _, s := range p.senders {
		if name == "" || name == s.Name() {
			all = append(all, s.test(ctx, dryRun))
		}
	}
	switch {
	case len(p.senders) == 0:
		return nil, &releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("outlets-none")}
	case len(all) == 0:
		return nil, &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("outlet-unknown", "name", name)}
	}
	return all, nil
}
