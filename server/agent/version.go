package agent

import (
	"reflect"
	"sync"

	"releve"
	"releve/rules/alarm"
	"releve/rules/version"
)

// version is what this server runs.
func (a *Agent) version() releve.Version {
	if a.parts.Site.Version == nil {
		return releve.Version{}
	}
	return a.parts.Site.Version()
}

// compare says what the other's version means for the pair: a notice while it is so, an event when
// it begins and, of an alarm, when it ends. It keeps nobody from answering.
func (a *Agent) compare(other releve.Version) {
	if other.Number == "" {
		return
	}
	own, m := a.version(), a.Machine()
	a.remark("programs", version.Programs(m.Seat, own, other))
	database := releve.Sentence{}
	if m.Owns() {
		database = version.Databases(m.Seat, own, other)
	}
	a.remark("postgresql", database)
}

func (a *Agent) remark(about string, now releve.Sentence) {
	before, news := a.remarks.take(about, now)
	if !news {
		return
	}
	a.Notice("versions "+about, now)
	switch {
	case now.Code != "":
		a.Explain(now)
	case alarm.Of(a.Settings.Seat, before).Effect == alarm.Rises:
		a.Explain(releve.Say("version-together", "about", about))
	}
}

// remarks is what is said of both servers' versions, by what it is about, for as long as it is so.
type remarks struct {
	mu   sync.Mutex
	said map[string]releve.Sentence
}

// take gives what was said before, and whether this is other than that.
func (r *remarks) take(about string, now releve.Sentence) (before releve.Sentence, news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.said[about]
	if reflect.DeepEqual(before, now) {
		return before, false
	}
	if r.said == nil {
		r.said = map[string]releve.Sentence{}
	}
	r.said[about] = now
	return before, true
}
