// Package outlets makes the ways by which a server sends alarms out of its configuration, and writes what is
// sent in the site's language.
package outlets

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"releve"
	"releve/adapters/mail"
	"releve/adapters/snmp"
	"releve/adapters/syslog"
	"releve/adapters/webhook"
	"releve/config"
	"releve/rules/alarm"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
	"releve/server/alarms"
	"releve/server/notify"
	"releve/server/oncall"
	"releve/server/order"
)

// Post sends alarms from a server.
type Post struct{ *notify.Post }

// Telephone calls people, and asks the PBX whether it is there.
type Telephone interface {
	Dial(ctx context.Context, number string) (oncall.Leg, error)
	Options(ctx context.Context) error
}

// Door takes what people order by a key.
type Door interface {
	Handle(ctx context.Context, by view.Caller, h view.Handling) error
}

// New makes it, with the outlets that a configuration sets up.
func New(c config.Config, keeper *alarms.Keeper, site notify.Site, front notify.Front, link order.Link, by Telephone, door Door, log *slog.Logger) Post {
	outlets := of(c)
	if len(c.Call.People) > 0 {
		outlets = append(outlets, notify.Wanted{Least: c.Call.Least, Outlet: caller(c, keeper, by, door)})
	}
	return Post{notify.New(notify.Options{
		Seat: c.Site.Seat, Outlets: outlets, Alarms: keeper, Site: site, Front: front, Link: link, Writer: writer{c}, Log: log,
	})}
}

// caller calls people along the list. Who takes an alarm in hand by a key does it through the door by which all orders come.
func caller(c config.Config, keeper *alarms.Keeper, by Telephone, door Door) oncall.Caller {
	o := oncall.Options{
		Language: c.Site.Language, Dial: by.Dial, Reach: by.Options,
		Wanted: func(key alarm.Key) bool {
			return slices.ContainsFunc(keeper.Due(oncall.Name, c.Call.Least), func(n alarm.Notice) bool { return n.Key == key && n.Message != alarm.Ended })
		},
		Acknowledge: func(ctx context.Context, p oncall.Person, key alarm.Key) error {
			return door.Handle(ctx, view.Caller{Phone: p.Number, Name: p.Name}, view.Handling{
				Alarm: key.String(), Act: string(alarm.Acknowledge), Remark: words.Say(c.Site.Language, releve.Say("call-remark")),
			})
		},
	}
	for _, line := range c.Call.People {
		if number, name, ok := c.Call.Person(line); ok {
			o.People = append(o.People, oncall.Person{Number: number, Name: name})
		}
	}
	return oncall.Caller{Options: o}
}

func of(c config.Config) (all []notify.Wanted) {
	if m := c.Mail; m.Server != "" {
		host, port, _ := m.Relay()
		o := mail.Options{
			Host: host, Port: port, Security: mail.Security(m.Security), CA: m.CA, User: m.User, Password: m.Password, From: m.From, To: m.To,
		}
		if m.Token != "" {
			o.Tokens = &mail.Tokens{URL: m.Token, Client: m.Client, Secret: m.Secret, Scope: m.Scope, Refresh: m.Refresh, CA: m.CA}
		}
		all = append(all, notify.Wanted{Least: m.Least, Outlet: mail.Sender{Options: o}})
	}
	if l := c.Syslog; l.Server != "" {
		host, _ := os.Hostname() // one without a name has none in the log
		all = append(all, notify.Wanted{Least: l.Least, Outlet: syslog.Sender{Options: syslog.Options{
			Server: l.Server, Transport: syslog.Transport(l.Transport), CA: l.CA, Facility: l.Facility, Host: host,
		}}})
	}
	if w := c.Webhook; w.URL != "" {
		all = append(all, notify.Wanted{Least: w.Least, Outlet: webhook.Sender{Options: webhook.Options{
			URL: w.URL, CA: w.CA, Secret: w.Secret, SiteID: c.Site.ID,
		}}})
	}
	if s := c.SNMP; s.Server != "" {
		all = append(all, notify.Wanted{Least: s.Least, Outlet: snmp.Sender{Options: snmp.Options{
			Server: s.Server, Version: snmp.Version(s.Version), Inform: s.Inform, Community: s.Community,
			User: s.User, Password: s.Password, Privacy: s.Privacy, SiteID: c.Site.ID,
			Engine: snmp.NewEngine(c.Site.ID, c.Site.Seat, filepath.Join(c.Site.Data, "snmp-engine.json")),
		}}})
	}
	return all
}

// writer writes the letters of one server.
type writer struct{ config.Config }

// Letter tells of alarms.
func (w writer) Letter(all []alarm.Notice, site view.Site) alarm.Letter {
	l := w.letter(site)
	say := func(what releve.Sentence) string { return words.Say(w.Site.Language, what) }
	told, ids := make([]view.Notice, 0, len(all)), make([]string, 0, len(all))
	for _, n := range all {
		shown := alarms.Told(n)
		told, ids = append(told, shown), append(ids, n.ID())
		l.Alarms = append(l.Alarms, alarm.Item{Notice: n, What: say(shown.What), Callers: say(shown.Callers), First: say(shown.First)})
	}
	l.ID = w.Site.ID + " " + strings.Join(ids, " ")
	l.Subject, l.Text = text.Notice(told, site, w.page(), w.Site.Language)
	return l
}

// Test is a letter that says that it is a test.
func (w writer) Test(site view.Site) alarm.Letter {
	l := w.letter(site)
	l.ID = w.Site.ID + " test " + rand.Text()
	l.Subject, l.Text = text.Test(site, w.Site.Language)
	return l
}

func (w writer) letter(site view.Site) alarm.Letter {
	return alarm.Letter{Site: site.Name, Seat: site.Seat, At: site.At}
}

// page is where its readers find the site's page.
func (w writer) page() string { return cmp.Or(w.Mail.Page, "http://"+w.Console.Listen+"/") }
