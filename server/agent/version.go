package agent

import (
	"reflect"
	"sync"

	"releve"
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
	a.remark("versions of the programs", version.Programs(m.Seat, own, other))
	database := version.Finding{}
	if m.Owns() {
		database = version.Databases(m.Seat, own, other)
	}
	a.remark("versions of PostgreSQL", database)
}

func (a *Agent) remark(about string, now version.Finding) {
	before, news := a.remarks.take(about, now)
	if !news {
		return
	}
	a.Notice(about, now.What)
	switch {
	case before.Severity.AtLeast(releve.Warning) && now.What.Code == "":
		a.Explain(releve.Cleared, releve.Say("version-together"))
	case before.Severity.AtLeast(releve.Warning) && !now.Severity.AtLeast(releve.Warning):
		a.Explain(releve.Cleared, now.What)
	case now.What.Code != "":
		a.Explain(now.Severity, now.What)
	}
}

// remarks is what is said of both servers' versions, by what it is about, for as long as it is so.
type remarks struct {
	mu   sync.Mutex
	said map[string]version.Finding
}

// take gives what was said before, and whether this is other than that.
func (r *remarks) take(about string, now version.Finding) (before version.Finding, news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.said[about]
	if reflect.DeepEqual(before, now) {
		return before, false
	}
	if r.said == nil {
		r.said = map[string]version.Finding{}
	}
	r.said[about] = now
	return before, true
}
