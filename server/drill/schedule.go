package drill

import (
	"time"

	"releve"
)

// due says whether a drill of the schedule is to begin: the last good one is old enough, it is an
// hour in which drills are allowed, and the standby could take over.
func (l *Leader) due(k kept, now time.Time) bool {
	s := l.Schedule
	if s.Every == 0 || !s.allows(now) || now.Sub(k.countedFrom()) < s.Every || now.Sub(k.tried()) < triedAgain {
		return false
	}
	return len(l.forbidden()) == 0
}

// allows says whether it is an hour in which drills are made by themselves.
func (s Schedule) allows(now time.Time) bool {
	hour, minute, second := now.Clock()
	at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if s.Begins <= s.Ends {
		return at >= s.Begins && at < s.Ends
	}
	return at >= s.Begins || at < s.Ends
}

// sayOverdue raises the alarm of a drill that is overdue, once a day while it is, and a notice
// that lasts as long.
func (l *Leader) sayOverdue(k kept, now time.Time) {
	late := l.Schedule.Overdue > 0 && now.Sub(k.countedFrom()) > l.Schedule.Overdue && l.Site.View().Level == releve.HighAvailability
	if !late {
		if !l.overdue.IsZero() {
			l.overdue = time.Time{}
			l.Front.Notice(aboutOverdue, releve.Sentence{})
		}
		return
	}
	if now.Sub(l.overdue).Abs() < repeatOverdue {
		return
	}
	l.overdue = now
	what := releve.Say("event-drill-never", "days", days(l.Schedule.Overdue))
	if good := k.good(); !good.IsZero() {
		what = releve.Say("event-drill-overdue", "date", good.Local().Format(time.DateOnly), "days", days(l.Schedule.Overdue))
	}
	l.Front.Notice(aboutOverdue, what)
	l.Front.Explain(what)
}

const aboutOverdue = "drill-overdue"
