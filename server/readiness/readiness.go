// Package readiness answers at all times whether the standby could take over now (SPEC H13): it
// looks at the site every two seconds, has the other server say what it has, and tells what package
// rules/readiness makes of that. A no is an alarm, by the server on duty, until it is a yes again.
//
// It looks on the beat of its own and wakes for nothing: what it tells has others look, and one
// that looked in its turn would never come to rest.
package readiness

import (
	"context"
	"reflect"
	"time"

	"releve"
	rules "releve/rules/readiness"
	"releve/screen/view"
	"releve/server/order"
)

const (
	// lookEach is how often the site is looked at.
	lookEach = 2 * time.Second
	// wordEach is how often both servers say what they have; well within rules.WordWithin.
	wordEach = 10 * time.Second
	// wordLimit is how long the other may take for it.
	wordLimit = 2 * time.Second
	// lastsFor is how long a no lasts before it is an alarm: what moves settles within it.
	lastsFor = 3 * time.Second
	// pendingFor is how long a proof that makes itself may be awaited before that is an alarm. A
	// copy is compared two minutes after it joined, and a call that shows nothing is made again
	// after minutes.
	pendingFor = 20 * time.Minute
)

// Site is how the site stands, as this server knows it.
type Site interface{ View() view.Site }

// Front is who this server tells.
type Front interface {
	Readied(*view.Readiness)
	Explain(what releve.Sentence)
}

// Options are what a Keeper is made of.
type Options struct {
	Seat     releve.Seat
	Site     Site
	Front    Front
	Link     order.Link
	Own      Own
	User     string           // the standby's at the PBX
	Overflow func() time.Time // when the PBX last brought a call to the standby
	Within   time.Duration    // and how long that counts
}

// Keeper gives the answer on one server.
type Keeper struct {
	Options
	own, theirs rules.Word
	asked       time.Time // when words were last asked for
	last        *view.Readiness
	wrong       map[string]time.Time // since when each reason does not hold, on this server's clock
	alarmed     map[string]bool
}

// New makes a keeper, which has looked at nothing yet.
func New(o Options) *Keeper {
	return &Keeper{Options: o, wrong: map[string]time.Time{}, alarmed: map[string]bool{}}
}

// Run looks until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			k.look(ctx, time.Now())
			look.Reset(releve.UntilBeat(time.Now(), lookEach))
		}
	}
}

func (k *Keeper) look(ctx context.Context, now time.Time) {
	site := k.Site.View()
	if site.Level != releve.HighAvailability {
		k.Front.Readied(nil)
		k.last = nil
		clear(k.wrong)
		clear(k.alarmed)
		return
	}
	if other := k.other(site); other.Heard && now.Sub(k.asked).Abs() >= wordEach {
		k.asked = now
		k.hear(ctx)
	}
	facts := k.facts(site, now)
	v := rules.Judge(facts)
	k.show(v, facts.Standby, now)
	k.alarm(v, site, now)
}

// show tells the answer, in which nothing changes while it is the same.
func (k *Keeper) show(v rules.Verdict, standby releve.Seat, now time.Time) {
	r := &view.Readiness{Ready: v.Ready, Standby: standby, Since: now.UTC()}
	for _, reason := range v.Reasons {
		r.Reasons = append(r.Reasons, view.Reason{About: reason.About, State: string(reason.State), What: reason.What})
	}
	if k.last != nil && k.last.Ready == r.Ready {
		r.Since = k.last.Since
	}
	if !reflect.DeepEqual(k.last, r) {
		k.last = r
		k.Front.Readied(r)
	}
}

// alarm tells of each reason that does not hold, once it has lasted, and that all hold again.
func (k *Keeper) alarm(v rules.Verdict, site view.Site, now time.Time) {
	if site.Procedure.Runs() {
		return // it moves what is looked at, and is looked at itself
	}
	speaks := k.speaks(site)
	for _, reason := range v.Reasons {
		if !k.lasts(reason, now) || k.alarmed[reason.About] {
			continue
		}
		k.alarmed[reason.About] = true
		if speaks {
			k.Front.Explain(releve.Say("event-not-ready", "seat", string(k.last.Standby),
				"why", releve.Inside(reason.What)))
		}
	}
	if v.Ready && len(k.alarmed) > 0 {
		clear(k.alarmed)
		if speaks {
			k.Front.Explain(releve.Say("event-ready-again", "seat", string(k.last.Standby)))
		}
	}
}

// lasts says that a reason has not held for so long that somebody has to hear of it.
func (k *Keeper) lasts(r rules.Reason, now time.Time) bool {
	if r.State == rules.Holds || r.State == rules.Unknown {
		delete(k.wrong, r.About)
		return false
	}
	since, known := k.wrong[r.About]
	if !known {
		k.wrong[r.About] = now
		return false
	}
	if r.State == rules.Pending {
		return now.Sub(since) >= pendingFor
	}
	return now.Sub(since) >= lastsFor
}

// speaks: of two servers the one on duty tells; one that does not hear the other tells by itself.
func (k *Keeper) speaks(site view.Site) bool {
	own := site.Main
	if k.Seat == releve.Secondary {
		own = site.Secondary
	}
	return own.Duty == releve.Active || !k.other(site).Heard
}

func (k *Keeper) other(site view.Site) view.Server {
	if k.Seat == releve.Main {
		return site.Secondary
	}
	return site.Main
}
