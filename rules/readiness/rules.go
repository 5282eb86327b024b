package readiness

import (
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/rules/version"
)

// How old what a takeover rests on may be.
const (
	// VerifiedWithin is the age of a comparison: one is made each night, and may last for hours.
	VerifiedWithin = 30 * time.Hour
	// WordWithin is the age of what the standby says of itself; it is asked every ten seconds.
	WordWithin = 35 * time.Second
	// ClocksWithin is how far both clocks may be apart: records, licences and certificates go by them.
	ClocksWithin = 5 * time.Second
	// EndsWithin is how long before its end a certificate is renewed at the latest.
	EndsWithin = 7 * 24 * time.Hour
)

// rule is one thing that a takeover rests on.
type rule struct {
	about string
	rests string // on which other reason: while that does not hold, nothing is known of this
	judge func(Facts) (State, releve.Sentence)
}

// rules are in the order in which they would be mended: what stands later helps nobody while
// what it rests on is not well.
var rules = []rule{
	{"link", "", link},
	{"duty", "", duty},
	{"procedure", "", procedure},
	{"copy", "link", copyWell},
	{"mirror", "copy", mirror},
	{"vote", "mirror", vote},
	{"verified", "mirror", verified},
	{"voice", "link", voice},
	{"telephone", "voice", telephone},
	{"overflow", "", overflow},
	{"word", "link", word},
	{"version", "link", versions},
	{"prompts", "word", prompts},
	{"disk", "word", disk},
	{"certificate", "word", certificate},
	{"clock", "word", clock},
	{"licence", "", licensed},
}

// Abouts are what the rules are about, in their order.
func Abouts() (all []string) {
	for _, r := range rules {
		all = append(all, r.about)
	}
	return all
}

// said makes the sentence of a reason, which may name the standby as the seat.
func said(f Facts, code string, pairs ...string) releve.Sentence {
	return releve.Say(code, append(pairs, "seat", string(f.Standby), "other", string(f.Standby.Other()))...)
}

// held is broken, with what is wrong, unless it is well.
func held(f Facts, well bool, holds, broken string, pairs ...string) (State, releve.Sentence) {
	if well {
		return Holds, said(f, holds, pairs...)
	}
	return Broken, said(f, broken, pairs...)
}

func link(f Facts) (State, releve.Sentence) {
	if f.Silent == "" {
		return Holds, said(f, "ready-link-holds")
	}
	return Broken, releve.Say("ready-link-broken", "seat", string(f.Silent))
}

func duty(f Facts) (State, releve.Sentence) {
	return held(f, f.OnDuty, "ready-duty-holds", "ready-duty-broken")
}

// procedure: what moves the duty or the data is not disturbed.
func procedure(f Facts) (State, releve.Sentence) {
	if f.Procedure == "" {
		return Holds, said(f, "ready-procedure-holds")
	}
	return Pending, said(f, "ready-procedure-pending", "procedure", f.Procedure)
}

func copyWell(f Facts) (State, releve.Sentence) {
	switch {
	case f.Data.State != releve.TierWell && f.Data.Why.Code != "":
		return Broken, f.Data.Why
	case f.Doing.Code != "":
		return Broken, f.Doing
	}
	return held(f, f.Data.State == releve.TierWell, "ready-copy-holds", "ready-copy-broken")
}

func mirror(f Facts) (State, releve.Sentence) {
	return held(f, f.InSync, "ready-mirror-holds", "ready-mirror-broken")
}
func vote(f Facts) (State, releve.Sentence) {
	return held(f, f.Vote, "ready-vote-holds", "ready-vote-broken")
}

// verified: a copy that joined is compared soon after, and then each night.
func verified(f Facts) (State, releve.Sentence) {
	switch {
	case f.Differs > 0:
		return Broken, said(f, "ready-verified-differs", "differences", strconv.Itoa(f.Differs))
	case f.Verified.IsZero():
		return Pending, said(f, "ready-verified-pending")
	}
	return held(f, f.At.Sub(f.Verified) <= VerifiedWithin, "ready-verified-holds", "ready-verified-broken", "at", moment(f.Verified))
}

func voice(f Facts) (State, releve.Sentence) {
	if f.Voice.State == releve.TierDown && f.Voice.Why.Code != "" {
		return Broken, f.Voice.Why
	}
	return held(f, f.Voice.State == releve.TierWell || f.Voice.State == releve.TierDegraded, "ready-voice-holds", "ready-voice-broken")
}

func telephone(f Facts) (State, releve.Sentence) {
	return held(f, f.Bound, "ready-telephone-holds", "ready-telephone-broken", "user", f.User)
}

// overflow: without it no call would come to the standby, which would then know of nothing.
func overflow(f Facts) (State, releve.Sentence) {
	if f.Overflow.IsZero() {
		return Pending, said(f, "ready-overflow-pending")
	}
	return held(f, f.At.Sub(f.Overflow) <= f.OverflowWithin, "ready-overflow-holds", "ready-overflow-broken", "at", moment(f.Overflow))
}

// word: both servers say what they have, of which the other sees nothing by itself.
func word(f Facts) (State, releve.Sentence) {
	if f.Word.Heard.IsZero() || f.Owner.Heard.IsZero() {
		return Pending, said(f, "ready-word-pending")
	}
	last := f.Word.Heard
	if f.Owner.Heard.Before(last) {
		last = f.Owner.Heard
	}
	if f.At.Sub(last) <= WordWithin {
		return Holds, said(f, "ready-word-holds")
	}
	return Broken, said(f, "ready-word-broken", "at", moment(last))
}

// versions may stand side by side, or not: their own table says.
func versions(f Facts) (State, releve.Sentence) {
	if f.Version.Number == "" {
		return Broken, said(f, "ready-version-broken")
	}
	if why := version.ForPair(f.Standby.Other(), f.OwnerVersion, f.Version); len(why) > 0 {
		return Broken, why[0]
	}
	return Holds, said(f, "ready-version-holds", "version", f.Version.Number)
}

func prompts(f Facts) (State, releve.Sentence) {
	return held(f, len(f.Word.Missing) == 0, "ready-prompts-holds", "ready-prompts-broken", "prompts", strings.Join(f.Word.Missing, ", "))
}

func disk(f Facts) (State, releve.Sentence) {
	if f.Word.Free >= f.Word.Least {
		return Holds, said(f, "ready-disk-holds", "least", bytes(f.Word.Least))
	}
	return Broken, said(f, "ready-disk-broken", "free", bytes(f.Word.Free), "least", bytes(f.Word.Least))
}

func certificate(f Facts) (State, releve.Sentence) {
	return held(f, f.Word.Expires.Sub(f.At) >= EndsWithin, "ready-certificate-holds", "ready-certificate-broken", "date", f.Word.Expires.Format(time.DateOnly))
}

// clock compares both clocks as they were when each word was said.
func clock(f Facts) (State, releve.Sentence) {
	apart := f.Word.Clock.Sub(f.Word.Heard) - f.Owner.Clock.Sub(f.Owner.Heard)
	return held(f, apart.Abs() <= ClocksWithin, "ready-clock-holds", "ready-clock-broken", "apart", apart.Abs().Round(time.Second).String())
}

func licensed(f Facts) (State, releve.Sentence) {
	if !f.Licence.Known {
		return Pending, said(f, "ready-licence-pending")
	}
	return held(f, !f.Licence.Due, "ready-licence-holds", "ready-licence-broken")
}

func moment(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }

func bytes(n int64) string { return strconv.FormatInt(n-n%(1<<20), 10) }
