// Package gallery holds the site in each state that a screen must be able to
// show, so that every page can be looked at and tried without breaking anything.
package gallery

import (
	"fmt"
	"time"

	"releve"
	"releve/screen/view"
)

// State is a site at one moment, with the calls that its screen shows.
type State struct {
	Name  string
	Site  view.Site
	Calls []releve.Call
}

// The SIP users of the example.
const (
	reception = "reception"
	standby   = "standby"
)

// States are all states, from the quiet night to the worst one. now is the
// moment at which they are seen.
func States(now time.Time) []State {
	made := []State{
		protected(now), takingOver(now), takenOver(now), withoutDuty(now), mainAway(now), secondaryAway(now),
		catchingUp(now), cloning(now), returning(now), returned(now),
		failed(now), stuck(now), stopped(now), mayNotTakeOver(now), begins(now),
		mirroring(now), base(now), backup(now), databaseAway(now), alone(now), witnessSilent(now), unlicensed(now), notReady(now), alarming(now),
	}
	for i := range made {
		made[i].Site.Events = stamped(made[i].Site.Events, now)
	}
	return made
}

// Find is the state of that name.
func Find(name string, now time.Time) (State, error) {
	for _, s := range States(now) {
		if s.Name == name {
			return s, nil
		}
	}
	return State{}, fmt.Errorf("the gallery has no state %q", name)
}

func well() releve.Tier { return releve.Tier{State: releve.TierWell} }

func server(seat releve.Seat, duty releve.Duty, now time.Time, users ...string) view.Server {
	return view.Server{
		Seat: seat, Duty: duty, Heard: true, HeardAt: now, Data: well(), Interfaces: well(), Processing: well(),
		Registered: users, Channels: 30, CallsOffered: 1284, CallsAnswered: 1279, CallsRefused: 5,
	}
}

// quiet is the site as it should be: the main on duty, the secondary its mirror.
func quiet(now time.Time) view.Site {
	s := view.Site{
		Name: "Hôpital Saint-Roch", Level: releve.HighAvailability, Arbiter: releve.Pair, Seat: releve.Main, At: now,
		Term: 7, Owner: releve.Main, Word: view.Protected, Why: releve.Say("why-protected", "seat", "main"),
		Main:      server(releve.Main, releve.Active, now, reception),
		Secondary: server(releve.Secondary, releve.Passive, now, standby),
		Mirror:    view.Mirror{State: view.MirrorInSync},
		PBX:       view.PBX{Address: "192.0.2.20:5060", Heard: true, HeardAt: now, Reception: "04 92 03 77 77"},
	}
	s.Main.ChannelsBusy, s.Secondary.Vote = 3, true
	s.Licences = licensed(now)
	s.Events = []view.Event{
		event(31*time.Minute, releve.Main, releve.Info, "rule-vote-issued", "other", "secondary", "number", "12"),
		event(31*time.Minute+4*time.Second, releve.Main, releve.Info,
			"rule-duty-taken-from-released", "other", "secondary", "term", "7"),
		event(33*time.Minute, releve.Main, releve.Info, "rule-return-begins", "other", "secondary"),
		event(58*time.Minute, releve.Secondary, releve.Major, "rule-takeover", "other", "main", "term", "6"),
		event(26*time.Hour, releve.Main, releve.Info, "rule-owner-confirmed"),
	}
	return s
}

// swapped has the duty on the secondary, as after a takeover, and the main away.
func swapped(now time.Time) view.Site {
	s := quiet(now)
	s.Seat, s.Term, s.Owner = releve.Secondary, 8, releve.Secondary
	s.Word, s.Why = view.NotProtected, releve.Say("why-other-silent", "seat", "main")
	s.Main = lost(releve.Main, now.Add(-4*time.Minute))
	s.Secondary = server(releve.Secondary, releve.Active, now, reception, standby)
	s.Secondary.ChannelsBusy, s.Secondary.Vote = 4, true
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = append([]view.Event{
		event(4*time.Minute-400*time.Millisecond, releve.Secondary, releve.Info, "rule-promoted", "term", "8"),
		event(4*time.Minute, releve.Secondary, releve.Major, "rule-takeover", "other", "main", "term", "8"),
	}, s.Events...)
	return s
}

// lost is a server that is heard no more: what is known of it is old.
func lost(seat releve.Seat, since time.Time) view.Server {
	s := server(seat, releve.OutOfService, since)
	s.Heard = false
	return s
}

func event(ago time.Duration, seat releve.Seat, severity releve.Severity, code string, args ...string) view.Event {
	args = append([]string{"seat", string(seat), "term", "7"}, args...)
	return view.Event{At: time.Unix(0, 0).Add(-ago), Seat: seat, Term: 7, Severity: severity, What: releve.Say(code, args...)}
}

// stamped turns the events' ages into times.
func stamped(events []view.Event, now time.Time) []view.Event {
	for i := range events {
		events[i].At = now.Add(events[i].At.Sub(time.Unix(0, 0)))
	}
	return events
}

func protected(now time.Time) State {
	s := quiet(now)
	s.Readiness = ready(now)
	return State{"protected", s, calls(now, releve.Main)}
}

func takingOver(now time.Time) State {
	s := swapped(now)
	s.Why = releve.Say("why-without-duty", "seat", "secondary")
	s.Main.HeardAt = now.Add(-2 * time.Second)
	s.Secondary.Duty = releve.Passive
	s.Secondary.WithoutDuty = true
	s.Secondary.SpoolWaiting = 4
	s.Secondary.Data = releve.Tier{State: releve.TierStarting, Why: releve.Say("tier-data-starting")}
	s.Secondary.Doing = releve.Say("phase-promoting")
	s.Secondary.ChannelsBusy = 2
	s.Events = append([]view.Event{
		event(0, releve.Secondary, releve.Major, "rule-takeover", "other", "main", "term", "8"),
	}, s.Events[2:]...)
	return State{"taking-over", s, calls(now, releve.Secondary)[:2]}
}

func takenOver(now time.Time) State {
	return State{"taken-over", swapped(now), calls(now, releve.Secondary)}
}

func withoutDuty(now time.Time) State {
	s := quiet(now)
	s.Seat, s.Owner = releve.Secondary, releve.Main
	s.Word, s.Why = view.NotProtected, releve.Say("why-without-duty", "seat", "secondary")
	s.Main = lost(releve.Main, now.Add(-35*time.Second))
	s.Secondary.WithoutDuty, s.Secondary.Vote = true, false
	s.Secondary.ChannelsBusy, s.Secondary.SpoolWaiting = 3, 21
	s.Secondary.Doing = releve.Say("phase-isolated")
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = append([]view.Event{
		event(30*time.Second, releve.Secondary, releve.Critical, "rule-answered-without-duty", "other", "main"),
	}, s.Events...)
	list := calls(now, releve.Secondary)
	for i := range list {
		list[i].WithoutDuty, list[i].Stored = true, false
	}
	return State{"without-duty", s, list[:3]}
}

func mainAway(now time.Time) State {
	s := swapped(now)
	s.Main.HeardAt = now.Add(-26 * time.Hour)
	return State{"main-away", s, calls(now, releve.Secondary)}
}

func secondaryAway(now time.Time) State {
	s := quiet(now)
	s.Word, s.Why = view.NotProtected, releve.Say("why-other-silent", "seat", "secondary")
	s.Main.Vote = true
	s.Secondary = lost(releve.Secondary, now.Add(-12*time.Minute))
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = append([]view.Event{
		event(12*time.Minute, releve.Main, releve.Major, "rule-alone"),
		event(12*time.Minute, releve.Main, releve.Major, "rule-vote-returned", "other", "secondary", "number", "12"),
	}, s.Events...)
	return State{"secondary-away", s, calls(now, releve.Main)}
}

func catchingUp(now time.Time) State {
	s := quiet(now)
	s.Word, s.Why = view.NotProtected, releve.Say("why-alone", "seat", "main")
	s.Main.Vote, s.Secondary.Vote = true, false
	s.Mirror = view.Mirror{State: view.MirrorCatchingUp, Bytes: 48_300_000, Seconds: 94, LostCalls: 37}
	s.Events = append([]view.Event{
		event(20*time.Second, releve.Secondary, releve.Info, "rule-mirror-follows", "other", "main"),
	}, s.Events...)
	return State{"catching-up", s, calls(now, releve.Main)}
}

func cloning(now time.Time) State {
	s := quiet(now)
	s.Word, s.Why = view.NotProtected, releve.Say("why-alone", "seat", "main")
	s.Main.Vote, s.Secondary.Vote = true, false
	s.Secondary.Data = releve.Tier{State: releve.TierStarting, Why: releve.Say("tier-data-starting")}
	s.Secondary.Doing = releve.Say("phase-rejoining")
	s.Mirror = view.Mirror{State: view.MirrorCloning, Progress: copied()}
	s.Events = append([]view.Event{
		event(70*time.Second, releve.Secondary, releve.Info, "rule-copy-begins", "other", "main"),
	}, s.Events...)
	return State{"cloning", s, calls(now, releve.Main)}
}

func copied() *releve.Progress {
	return &releve.Progress{Done: 2_940_000_000, Total: 4_700_000_000, Unit: "B", PerSec: 42_000_000, TimeLeft: 42 * time.Second}
}

func returning(now time.Time) State {
	s := swapped(now)
	s.Why = releve.Say("why-alone", "seat", "secondary")
	s.Main = server(releve.Main, releve.Passive, now)
	s.Main.Data = releve.Tier{State: releve.TierStarting, Why: releve.Say("tier-data-starting")}
	s.Main.Doing = releve.Say("phase-rejoining")
	s.Mirror = view.Mirror{State: view.MirrorCloning, Progress: copied()}
	s.Procedure = guide(now.Add(-71*time.Second), "running")
	s.Procedure.Steps[0].Progress = copied()
	for i, lasts := range []time.Duration{220_000, 4_100, 600, 1_200, 400, 8_500, 300} {
		s.Procedure.Steps[i].Expected = lasts * time.Millisecond
	}
	s.Events = append([]view.Event{
		event(71*time.Second, releve.Main, releve.Info, "rule-copy-begins", "other", "secondary"),
		event(72*time.Second, releve.Main, releve.Info, "rule-return-begins", "other", "secondary"),
	}, s.Events...)
	return State{"returning", s, calls(now, releve.Secondary)}
}

// guide is the return to normal, its first step in that state.
func guide(began time.Time, first string) *view.Procedure {
	p := &view.Procedure{ID: "K3QX7ZAB", Name: "return", Started: began}
	for _, code := range []string{
		"step-copy", "step-in-sync", "step-spool", "step-duty", "step-registration", "step-mirror", "step-test-call",
	} {
		p.Steps = append(p.Steps, view.ProcedureStep{
			What: releve.Say(code, "seat", "main", "other", "secondary"), State: "waiting",
		})
	}
	p.Steps[0].State, p.Steps[0].Started = first, began
	return p
}

func returned(now time.Time) State {
	s := quiet(now)
	s.Procedure = guide(now.Add(-3*time.Minute), "done")
	for i := range s.Procedure.Steps {
		step := &s.Procedure.Steps[i]
		step.State, step.Started, step.Finished = "done", s.Procedure.Started, s.Procedure.Started.Add(300*time.Millisecond)
	}
	found := releve.Say("found-test-call", "by", "192.0.2.21:5060", "answered", "12ms", "sound", "96ms")
	s.Procedure.Steps[6].Found = &found
	s.Procedure.Finished = now.Add(-time.Minute)
	return State{"returned", s, calls(now, releve.Main)}
}

func failed(now time.Time) State {
	s := swapped(now)
	s.Main = server(releve.Main, releve.OutOfService, now)
	s.Main.Doing = releve.Say("phase-deposed")
	s.Why = releve.Say("why-alone", "seat", "secondary")
	s.Procedure = guide(now.Add(-3*time.Minute), "failed")
	s.Procedure.Steps[0].Finished = now.Add(-2 * time.Minute)
	why := releve.Say("step-failed", "step", "step-copy", "why", "no space left on device")
	s.Procedure.Failed, s.Procedure.Finished = &why, now.Add(-2*time.Minute)
	return State{"failed", s, calls(now, releve.Secondary)}
}

// alone is a main that an operator lets go on without its mirror.
func alone(now time.Time) State {
	s := quiet(now)
	s.Secondary.Heard, s.Secondary.HeardAt = false, now.Add(-4*time.Minute)
	s.Secondary.Duty, s.Secondary.Vote = releve.OutOfService, false
	s.Main.Vote, s.Main.SpoolWaiting = true, 212
	s.Word, s.Why = view.NotProtected, releve.Say("why-spool", "records", "212")
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Procedure = &view.Procedure{
		ID: "F4QJ7ZWB", Name: "solo", Started: now.Add(-2 * time.Second),
		Costs: []releve.Sentence{
			releve.Say("cost-heard", "other", "secondary", "since", "3m58s"),
			releve.Say("cost-waiting", "seat", "main", "records", "1312"),
			releve.Say("cost-mirror", "bytes", "0", "calls", "0"), releve.Say("cost-one-disk", "seat", "main"),
			releve.Say("cost-other-on", "seat", "main", "other", "secondary"),
		},
		Steps: []view.ProcedureStep{
			{
				What: releve.Say("step-alone", "seat", "main"), State: "done",
				Started: now.Add(-2 * time.Second), Finished: now.Add(-1900 * time.Millisecond),
			},
			{
				What: releve.Say("step-commits"), State: "done",
				Started: now.Add(-1900 * time.Millisecond), Finished: now.Add(-1400 * time.Millisecond),
			},
			{What: releve.Say("step-drained"), State: "running", Started: now.Add(-1400 * time.Millisecond)},
		},
	}
	s.Events = append([]view.Event{event(2*time.Second, releve.Main, releve.Major,
		"rule-solo-by-order", "other", "secondary")}, s.Events...)
	return State{"alone", s, calls(now, releve.Main)}
}

// witnessSilent is a site in sync whose witness is away.
func witnessSilent(now time.Time) State {
	s := quiet(now)
	s.Arbiter = releve.Witness
	s.Word, s.Why = view.NotProtected, releve.Say("why-witness-silent")
	return State{"witness-silent", s, calls(now, releve.Main)}
}

// unwritten is why a server stands still: a journal that its disk does not take.
func unwritten() string {
	return releve.Reason(releve.Known("the journal could not be written", "cause-journal", "why", "no space left on device"))
}

func stuck(now time.Time) State {
	s := swapped(now)
	s.Why = releve.Say("why-alone", "seat", "secondary")
	s.Main = server(releve.Main, releve.OutOfService, now)
	s.Main.Data = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down", "why", "no space left on device")}
	s.Main.Processing = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-pbx-silent", "pbx", "192.0.2.20:5060")}
	s.Main.Doing = releve.Say("phase-stuck", "why", unwritten())
	s.Events = append([]view.Event{
		event(3*time.Minute, releve.Main, releve.Critical, "rule-halted", "cause", unwritten()),
	}, s.Events...)
	return State{"stuck", s, calls(now, releve.Secondary)}
}

func stopped(now time.Time) State {
	s := quiet(now)
	s.Word, s.Why = view.Stopped, releve.Say("why-stopped-pbx", "seat", "main", "other", "secondary", "pbx", "192.0.2.20:5060")
	s.Main.Duty, s.Main.ChannelsBusy, s.Main.Registered = releve.OutOfService, 0, nil
	s.Main.Data = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down")}
	s.Main.Processing = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-pbx-silent", "pbx", "192.0.2.20:5060")}
	s.Main.Doing = releve.Say("phase-unconfirmed")
	s.Secondary = lost(releve.Secondary, now.Add(-50*time.Second))
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.PBX.Heard = false
	s.Events = append([]view.Event{event(40*time.Second, releve.Main, releve.Major, "rule-owner-starts")}, s.Events...)
	return State{"stopped", s, nil}
}

// mayNotTakeOver is a secondary that has not what the main recorded alone before it died.
func mayNotTakeOver(now time.Time) State {
	s := quiet(now)
	s.Seat, s.Word, s.Why = releve.Secondary, view.Stopped, releve.Say("why-stopped-vote", "seat", "main", "other", "secondary")
	s.Main = lost(releve.Main, now.Add(-20*time.Second))
	s.Secondary.Vote, s.Secondary.Doing = false, releve.Say("phase-isolated")
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = append([]view.Event{event(9*time.Minute, releve.Main, releve.Major, "rule-alone")}, s.Events...)
	return State{"may-not-take-over", s, calls(now, releve.Main)[3:]}
}

// begins is a site that has just been installed.
func begins(now time.Time) State {
	s := quiet(now)
	s.Term, s.Word, s.Why = 1, view.NotProtected, releve.Say("why-alone", "seat", "main")
	s.Main.Vote, s.Main.ChannelsBusy = true, 0
	s.Secondary.Vote, s.Secondary.Doing = false, releve.Say("phase-waiting")
	s.Secondary.Data = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down")}
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = []view.Event{event(3*time.Second, releve.Main, releve.Info, "rule-site-begins", "term", "1")}
	return State{"begins", s, nil}
}

// mirroring is a quiet site of that level, seen from the secondary: it has no telephone.
func mirroring(now time.Time) State {
	s := quiet(now)
	s.Level, s.Seat, s.Why = releve.Mirroring, releve.Secondary, releve.Say("why-mirrored", "seat", "main", "other", "secondary")
	s.Main.Vote, s.Secondary.Vote = true, false
	s.Secondary = view.Server{
		Seat: releve.Secondary, Duty: releve.Passive, Heard: true, HeardAt: now, Data: well(), Interfaces: well(),
		Processing: releve.Tier{State: releve.TierNone},
	}
	s.Events = []view.Event{
		event(31*time.Minute, releve.Main, releve.Info, "rule-mirrored", "other", "secondary"),
		event(33*time.Minute, releve.Main, releve.Major, "rule-alone"),
		event(26*time.Hour, releve.Main, releve.Info, "rule-owner-confirmed"),
	}
	return State{"mirroring", s, calls(now, releve.Main)}
}

// base is a quiet site of that level: the secondary has no part in it.
func base(now time.Time) State {
	s := mirroring(now).Site
	s.Level, s.Seat, s.Word, s.Why = releve.Base, releve.Main, view.NotProtected, releve.Say("why-base", "seat", "main")
	s.Secondary.Duty, s.Secondary.Doing = releve.OutOfService, releve.Say("phase-apart")
	s.Secondary.Data = releve.Tier{State: releve.TierNone}
	s.Mirror = view.Mirror{State: view.MirrorNone}
	s.Events = []view.Event{
		event(4*time.Minute, releve.Secondary, releve.Info, "rule-copy-left"),
		event(4*time.Minute, releve.Main, releve.Warning, "rule-level-changed", "other", "secondary"),
	}
	return State{"base", s, calls(now, releve.Main)}
}

// backup is a site of that level after a switchover: the secondary answers, and the main has the copy.
func backup(now time.Time) State {
	s := mirroring(now).Site
	s.Main, s.Secondary = s.Secondary, s.Main
	s.Main.Seat, s.Secondary.Seat = releve.Main, releve.Secondary
	s.Level, s.Seat, s.Owner, s.Word, s.Term = releve.Backup, releve.Secondary, releve.Secondary, view.NotProtected, 4
	s.Secondary.Registered = []string{reception}
	s.Main.Copied, s.Secondary.SinceCopy = now.Add(-5*time.Hour), 212
	s.Why = releve.Say("why-backup", "seat", "secondary", "other", "main", "at", s.Main.Copied.Format(time.RFC3339), "calls", "212")
	s.Mirror = view.Mirror{State: view.MirrorCopy}
	s.Events = []view.Event{
		event(5*time.Hour, releve.Main, releve.Info, "rule-copy-renewed"),
		event(30*time.Hour, releve.Main, releve.Info, "rule-telephone-left"),
	}
	return State{"backup", s, calls(now, releve.Secondary)}
}

// databaseAway is the main's database lost at level mirroring: callers do not notice.
func databaseAway(now time.Time) State {
	s := mirroring(now).Site
	s.Seat, s.Word, s.Why = releve.Main, view.NotProtected, releve.Say("why-database-away", "seat", "main")
	s.Main.Data = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down", "why", "signal: killed")}
	s.Main.SpoolWaiting = 57
	s.Mirror = view.Mirror{State: view.MirrorAway}
	s.Events = append([]view.Event{
		event(3*time.Minute, releve.Main, releve.Critical, "rule-owner-database-starts", "why", "signal: killed"),
	}, s.Events...)
	list := calls(now, releve.Main)
	for i := range list[:4] {
		list[i].Stored = false
	}
	return State{"database-away", s, list}
}

// licensed is what the site has for what it runs.
func licensed(now time.Time) *view.Licences {
	l := &view.Licences{
		At: now, Running: releve.HighAvailability, Channels: 30, ForChannels: 30, Until: now.AddDate(1, 0, 0), Shared: true,
		Licensed: []releve.Level{releve.Base, releve.Backup, releve.Mirroring, releve.HighAvailability},
	}
	for i, level := range []releve.Level{releve.Base, releve.HighAvailability} {
		l.All = append(l.All, view.Licence{
			ID: fmt.Sprint(i), Serial: fmt.Sprint("2026-", i+1), Issuer: "vendor.example", Site: "SAINTROCH", IssuedTo: "Hôpital Saint-Roch",
			Level: level, Channels: 30, From: "2026-01-01", Until: l.Until.Format(time.DateOnly), State: "holds",
		})
	}
	return l
}

// unlicensed runs a level whose licence has ended, with more channels than were licensed.
func unlicensed(now time.Time) State {
	s := quiet(now)
	l, falls := s.Licences, now.AddDate(0, 0, 21)
	l.Licensed, l.ForChannels, l.Until = []releve.Level{releve.Base}, 0, time.Time{}
	l.FallsBack = &view.FallBack{To: releve.Base, At: falls}
	l.All[1].State, l.All[1].Why = "expired", releve.Say("licence-expired", "date", l.All[1].Until)
	lapsed := releve.Say("licence-lapsed", "level", string(releve.HighAvailability), "lower", string(releve.Base), "at", falls.Format("2006-01-02 15:04"),
		"why", releve.Reason(releve.Known("it has expired", "licence-why-expired", "serial", "2026-2", "date", "2026-11-21")))
	l.Notices = []releve.Sentence{lapsed}
	s.Events = append([]view.Event{{At: time.Unix(0, 0), Seat: releve.Main, Term: 7, Severity: releve.Major, What: lapsed}}, s.Events...)
	return State{"unlicensed", s, calls(now, releve.Main)}
}

// calls are a few callers of a night: some talking, some put through.
func calls(now time.Time, seat releve.Seat) []releve.Call {
	call := func(n int, ago time.Duration, from, outcome string, lasted time.Duration, steps ...releve.Step) releve.Call {
		return releve.Call{
			Call: releve.CallID(fmt.Sprintf("%d@pbx", n)), At: now.Add(-ago), Seat: seat, Term: 7, From: from,
			Outcome: outcome, Duration: lasted, Steps: steps, Stored: true,
		}
	}
	step := func(name, detail string) releve.Step { return releve.Step{Name: name, Detail: detail} }
	return []releve.Call{
		call(1, 4*time.Second, "0612••••••", "", 0, step("greeting", "")),
		call(2, 19*time.Second, "0493••••••", "", 0, step("greeting", ""), step("menu", ""), step("digits", "2••")),
		call(3, 47*time.Second, "0492••••••", "", 0, step("greeting", ""), step("digits", "4••"), step("transfer", "4••")),
		call(4, 2*time.Minute, "0677••••••", "transferred", 38*time.Second,
			step("greeting", ""), step("digits", "0"), step("transfer", "0")),
		call(5, 6*time.Minute, "0142••••••", "transferred", 52*time.Second,
			step("greeting", ""), step("digits", "3••"), step("transfer", "3••")),
		call(6, 9*time.Minute, "0788••••••", "abandoned", 11*time.Second, step("greeting", "")),
		call(7, 14*time.Minute, "0493••••••", "transferred", 29*time.Second, step("greeting", ""), step("digits", "1••")),
	}
}

// ready is the answer of a site that is well.
func ready(now time.Time) *view.Readiness {
	at := now.Add(-9 * time.Hour).Format("2006-01-02 15:04")
	r := &view.Readiness{Ready: true, Standby: releve.Secondary, Since: now.Add(-31 * time.Minute)}
	for _, reason := range []struct {
		about string
		pairs []string
	}{
		{"link", nil}, {"duty", nil}, {"procedure", nil}, {"copy", nil}, {"mirror", nil}, {"vote", nil}, {"verified", []string{"at", at}}, {"voice", nil},
		{"telephone", []string{"user", standby}}, {"overflow", []string{"at", at}}, {"word", nil}, {"version", []string{"version", "v1.0.0"}},
		{"prompts", nil}, {"disk", []string{"least", "1073741824"}}, {"certificate", []string{"date", "2036-01-02"}}, {"clock", nil}, {"licence", nil},
	} {
		pairs := append(reason.pairs, "seat", string(releve.Secondary), "other", string(releve.Main))
		r.Reasons = append(r.Reasons, view.Reason{About: reason.about, State: "holds", What: releve.Say("ready-"+reason.about+"-holds", pairs...)})
	}
	return r
}

// notReady is a site that is protected, and whose standby would not be called: the PBX has not been
// seen to let a call overflow for days.
func notReady(now time.Time) State {
	s := quiet(now)
	s.Readiness = ready(now)
	s.Readiness.Ready, s.Why = false, releve.Say("why-protected-unproven", "seat", "main")
	for i := range s.Readiness.Reasons {
		if r := &s.Readiness.Reasons[i]; r.About == "overflow" {
			r.State, r.What = "broken", releve.Say("ready-overflow-broken", "at", now.AddDate(0, 0, -4).Format("2006-01-02 15:04"))
		}
	}
	why := releve.Reason(releve.Known("overflow", "ready-overflow-broken", "at", now.AddDate(0, 0, -4).Format("2006-01-02 15:04")))
	s.Events = append([]view.Event{event(6*time.Hour, releve.Main, releve.Major, "event-not-ready", "seat", "secondary", "why", why)}, s.Events...)
	return State{"not-ready", s, calls(now, releve.Main)}
}
