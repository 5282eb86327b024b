package study

import (
	"slices"

	"releve"
)

// systems are those on which the product is tried.
var systems = []string{"debian 12"}

func system(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if slices.Contains(systems, m.Text) {
		return releve.StudyOK, releve.Sentence{}
	}
	return releve.StudyPoor, releve.Say("study-system-untried", "system", m.Text)
}

// Bare is the text of a machine that is none within another.
const Bare = "none"

// virtual is SPEC E2: a server with telephony may be virtual where that is SIP alone.
func virtual(q releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text != Bare && q.Telephony == releve.TelephonyAnalogue {
		return releve.StudyFailed, releve.Say("study-virtual-analogue", "machine", m.Text)
	}
	return releve.StudyOK, releve.Sentence{}
}

// StartTLS is the text of a mail server that offers it (RFC 3207).
const StartTLS = "starttls"

func mail(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text != StartTLS {
		return releve.StudyPoor, releve.Say("study-mail-plain")
	}
	return releve.StudyOK, releve.Sentence{}
}

// Whether a PBX shows what is registered, as the text of its measurement.
const (
	ShowsAll  = "shown"
	ShowsNone = "hidden"
)

// bindings are poor where the PBX hides them: whether another is registered is then an operator's
// word, and a lost binding is found by refreshing alone.
func bindings(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text == ShowsNone {
		return releve.StudyPoor, releve.Say("study-pbx-no-bindings")
	}
	return releve.StudyOK, releve.Sentence{}
}

// What a PBX does with a second binding of a user, as the text of its measurement.
const (
	SecondBeside   = "beside"   // both stand
	SecondReplaces = "replaces" // the first is gone
	SecondRefused  = "refused"
)

// second is poor where a server that takes over has to wait for the binding of a dead one to expire.
func second(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text == SecondRefused {
		return releve.StudyPoor, releve.Say("study-pbx-second-refused")
	}
	return releve.StudyOK, releve.Sentence{}
}

// What un-registering one binding takes away.
const (
	RemovesOne = "one"
	RemovesAll = "all"
)

func removal(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text == RemovesAll {
		return releve.StudyPoor, releve.Say("study-pbx-removes-all")
	}
	return releve.StudyOK, releve.Sentence{}
}

// origin is what tells an overflowed call from one to the standby itself, by the values of
// [releve.Evidence]; "" where nothing does.
func origin(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text == "" {
		return releve.StudyPoor, releve.Say("study-pbx-no-origin")
	}
	return releve.StudyOK, releve.Sentence{}
}

// KeysEvent is the way of keys that the attendant hears (RFC 4733).
const KeysEvent = "telephone-event"

func keys(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text != KeysEvent {
		return releve.StudyFailed, releve.Say("study-pbx-no-keys")
	}
	return releve.StudyOK, releve.Sentence{}
}
