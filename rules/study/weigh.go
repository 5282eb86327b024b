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

// NameBack is the check of names looked up backwards, and Nameless its text where an address has none.
const (
	NameBack = "name-back"
	Nameless = "nameless"
)

// nameBack: a site of addresses alone does without. Where names are used somebody will look one up, a mail
// server before all, which may refuse a sender without.
func nameBack(q releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text == Nameless && (len(names(q)) > 0 || q.Mail != "") {
		return releve.StudyPoor, releve.Say("study-name-back-none")
	}
	return releve.StudyOK, releve.Sentence{}
}

// poorAt weighs a text of which one value serves less well, as a sentence says.
func poorAt(text, code string) func(releve.StudyQuestion, releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	return func(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
		if m.Text == text {
			return releve.StudyPoor, releve.Say(code)
		}
		return releve.StudyOK, releve.Sentence{}
	}
}

// noOrigin is the text where nothing tells an overflowed call from one to the standby itself; else it
// is one of [releve.Evidence].
const noOrigin = ""

// Whether a PBX shows what is registered, as the text of its measurement. Where it hides that,
// whether another is registered is an operator's word, and a lost binding is found by refreshing alone.
const (
	ShowsAll  = "shown"
	ShowsNone = "hidden"
)

// What a PBX does with a second binding of a user, as the text of its measurement. Where it refuses
// it, a server that takes over has to wait for the binding of a dead one to expire.
const (
	SecondBeside   = "beside"   // both stand
	SecondReplaces = "replaces" // the first is gone
	SecondRefused  = "refused"
)

// What un-registering one binding takes away.
const (
	RemovesOne = "one"
	RemovesAll = "all"
)

// The ways by which a key may reach the attendant, which hears events alone (RFC 4733).
const (
	KeysEvent = "telephone-event"
	KeysInfo  = "info"
	KeysTone  = "tone"
)

// keys says of a way by which a telephone may send them what the PBX makes of it.
func keys(_ releve.StudyQuestion, m releve.Measurement) (releve.StudyVerdict, releve.Sentence) {
	if m.Text != KeysEvent {
		return releve.StudyPoor, releve.Say("study-pbx-keys-as-sent")
	}
	return releve.StudyOK, releve.Sentence{}
}
