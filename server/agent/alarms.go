package agent

import (
	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
)

// Alarms keeps the alarms of the site on this server. What a room tells goes through it.
type Alarms interface {
	// Tell takes a sentence in and says what it means.
	Tell(what releve.Sentence) alarm.Meaning
	// Shown are the alarms that stand or wait for somebody.
	Shown() []view.Alarm
	// Maintained is what is under maintenance.
	Maintained() []view.Maintenance
}

// Alarmed is told that the alarms are other ones now.
func (f *Front) Alarmed() { f.changed.announce() }

// unkept reads what rooms tell, and keeps nothing.
type unkept struct{ seat releve.Seat }

func (u unkept) Tell(what releve.Sentence) alarm.Meaning { return alarm.Of(u.seat, what) }
func (unkept) Shown() []view.Alarm                       { return nil }
func (unkept) Maintained() []view.Maintenance            { return nil }
