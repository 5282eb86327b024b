package gallery

import (
	"strings"
	"time"

	"releve"
	"releve/screen/view"
)

// alarm is one of the example: raised so long ago.
func alarm(now time.Time, name string, seat releve.Seat, severity releve.Severity, ago time.Duration, state string) view.Alarm {
	code, _, _ := strings.Cut(name, "/")
	return view.Alarm{
		Alarm: name, Code: code, Seat: seat, Severity: severity, State: state, Since: now.Add(-ago), Rises: 1, Command: "releve status",
		What:    releve.Say("alarm-"+code, "seat", string(seat), "other", string(seat.Other())),
		Callers: releve.Say("alarm-callers-" + code), First: releve.Say("alarm-first-" + code),
	}
}

// alarming is a site in the morning after a night with alarms: one of each state, one that comes and goes,
// and what follows from another.
func alarming(now time.Time) State {
	s := swapped(now)
	s.Alarms = []view.Alarm{
		alarm(now, "server-silent/main", releve.Main, releve.Major, 47*time.Minute, "raised"),
		alarm(now, "stranger/secondary", releve.Secondary, releve.Warning, 26*time.Hour, "raised"),
		alarm(now, "program/secondary:call", releve.Secondary, releve.Major, 5*time.Hour, "returned"),
		alarm(now, "takeover", "", releve.Major, 46*time.Minute, "acknowledged"),
		alarm(now, "disk-low/main:/srv", releve.Main, releve.Warning, 9*time.Hour, "shelved"),
		alarm(now, "mirror-away", "", releve.Major, 46*time.Minute, "raised"),
		alarm(now, "not-ready", "", releve.Major, 46*time.Minute, "raised"),
	}
	s.Alarms[0].Calls = 3
	s.Alarms[1].Rises, s.Alarms[1].Flaps = 7, true
	s.Alarms[2].Ended = now.Add(-5 * time.Hour)
	s.Alarms[3].By, s.Alarms[3].Remark, s.Alarms[3].At = "A. Martin", "le serveur principal est au contrôle", now.Add(-40*time.Minute)
	s.Alarms[4].By, s.Alarms[4].Remark, s.Alarms[4].At = "C. Durand", "disque commandé", now.Add(-2*time.Hour)
	s.Alarms[4].Until = now.Add(6 * time.Hour)
	s.Alarms[5].Under, s.Alarms[6].Under = "server-silent/main", "server-silent/main"
	s.Secondary.Outlets = outlets(now)
	s.Maintenance = []view.Maintenance{{Place: "main", By: "A. Martin", Reason: "carte mère changée", Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}}
	s.Alarms[0].Quiet = now.Add(time.Hour)
	return State{"alarms", s, calls(now, releve.Secondary)}
}

// outlets are by which a server sends them: one that is well, and one that is not.
func outlets(now time.Time) []releve.Outlet {
	why := releve.Say("event-unsent", "outlet", "syslog",
		"why", releve.Reason(&releve.Fault{Why: releve.Say("syslog-unreached", "server", "192.0.2.50:514", "why", "dial tcp 192.0.2.50:514: connect: connection refused")}))
	return []releve.Outlet{
		{Name: "mail", SentAt: now.Add(-46 * time.Minute), WellAt: now.Add(-12 * time.Minute)},
		{Name: "syslog", SentAt: now.Add(-26 * time.Hour), WellAt: now.Add(-3 * time.Hour), Since: now.Add(-2 * time.Hour), Failed: &why},
	}
}
