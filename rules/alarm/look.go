package alarm

import (
	"slices"
	"time"

	"releve"
)

// Facts are what a look at the site shows, as the server sees it that looks.
type Facts struct {
	Level   releve.Level
	Owner   releve.Seat // on duty in the term
	Stopped bool        // nobody answers
	Why     releve.Sentence
	Own     Server
	Other   Server

	Witnessed bool // the site has a witness
	PBX       bool // the PBX answers this server
	InSync    bool // the mirror has all that is acknowledged
	Differs   int  // differences that a comparison found in the mirror
	Moves     bool // a procedure runs: what it moves is looked at by itself
	Unready   []Unready
}

// Server is what is seen of one server.
type Server struct {
	Seat        releve.Seat
	Heard       bool
	WithoutDuty bool
	Data        releve.Tier
	Interfaces  releve.Tier
	Processing  releve.Tier
	Doing       releve.Sentence
	SpoolStands bool
	Witness     bool
}

// Unready is a reason for which the standby could not take over now.
type Unready struct {
	What    releve.Sentence
	Pending bool // what proves it is awaited
}

// pendingFor is how long what proves itself may be awaited before that is an alarm: a copy is compared two
// minutes after it joined, and a call that shows nothing is made again after minutes.
const pendingFor = 20 * time.Minute

// Look is what a server has to claim of what it sees. Both servers look at what is the site's: so no
// takeover loses it.
func (f Facts) Look() []Want {
	var all []Want
	add := func(is bool, key Key, what releve.Sentence) {
		if is {
			kind, _ := Find(key.Code)
			if what.Code == "" {
				what = kind.What(key.Seat)
			}
			all = append(all, Want{Key: key, Severity: kind.Severity, What: what})
		}
	}
	own, other, site := f.Own.Seat, f.Other.Seat, f.Level != releve.Base
	of := func(code Code) Key { return Key{Code: code, Seat: own} }
	mirrored := f.Level == releve.Mirroring || f.Level == releve.HighAvailability

	add(f.Stopped, Key{Code: "service-stopped"}, f.Why)
	add(f.Own.WithoutDuty, of("without-duty"), releve.Sentence{})
	add(site && !f.Other.Heard, Key{Code: "server-silent", Seat: other}, releve.Sentence{})
	add(f.Own.Doing.Code == "phase-stuck", of("server-stuck"), f.Own.Doing)
	add(broken(f.Own.Data), of("database-lost"), f.Own.Data.Why)
	add(site && f.Differs > 0, Key{Code: "mirror-untrue"}, releve.Sentence{})
	add(site && f.Owner == releve.Secondary, Key{Code: "takeover"}, releve.Sentence{})
	add(f.Own.Processing.State != releve.TierNone && !f.PBX, of("pbx-silent"), releve.Sentence{})
	add(mirrored && !f.InSync, Key{Code: "mirror-away"}, releve.Sentence{})
	add(f.Own.SpoolStands, of("records-wait"), releve.Sentence{})
	add(f.Own.Interfaces.State == releve.TierDown, Key{"program", own, "page"}, f.Own.Interfaces.Why)
	add(f.Witnessed && !f.Own.Witness, of("witness-silent"), releve.Sentence{})
	return append(all, f.unready()...)
}

func broken(t releve.Tier) bool {
	return (t.State == releve.TierDown || t.State == releve.TierDegraded) && t.Why.Code != ""
}

// unready is the first reason for which the standby could not take over; what is awaited gets its time.
func (f Facts) unready() []Want {
	if f.Moves || f.Level != releve.HighAvailability {
		return nil
	}
	kind, _ := Find("not-ready")
	var all []Want
	for _, pending := range []bool{false, true} {
		i := slices.IndexFunc(f.Unready, func(u Unready) bool { return u.Pending == pending })
		if i < 0 {
			continue
		}
		w := Want{Key: Key{Code: kind.Code}, Severity: kind.Severity, What: f.Unready[i].What}
		if pending {
			w.Key.About, w.On = "proof", pendingFor
		}
		all = append(all, w)
	}
	return all
}
