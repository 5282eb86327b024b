package calls

import (
	"strings"
	"testing"

	"releve/rules/takeover"

	"releve"
)

// How each kind of evidence tells an overflow from a direct call (SPEC H7).
func TestEvidence(t *testing.T) {
	reception := []releve.Diversion{{User: "8000", Reason: releve.ReasonBusy}}
	other := []releve.Diversion{{User: "1003", Reason: releve.ReasonNoAnswer}}
	direct := releve.Invite{To: "standby", Target: "standby"}
	for _, row := range []struct {
		story    string
		evidence releve.Evidence
		invite   releve.Invite
		want     bool
		reason   releve.OverflowReason
	}{
		{"a Diversion from the number", releve.EvidenceDiversion,
			releve.Invite{To: "8000", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"a Diversion from the user", releve.EvidenceDiversion,
			releve.Invite{Target: "standby", Diversion: []releve.Diversion{{User: "reception"}}}, true, ""},
		{"a Diversion by somebody else", releve.EvidenceDiversion,
			releve.Invite{To: "8000", Target: "standby", Diversion: other}, false, ""},
		{"two Diversions, the second the reception's", releve.EvidenceDiversion,
			releve.Invite{Target: "standby", Diversion: append(other[:1:1], reception...)}, true, releve.ReasonBusy},
		{"no Diversion", releve.EvidenceDiversion, direct, false, ""},
		{"a History-Info entry", releve.EvidenceHistory,
			releve.Invite{Target: "standby", History: reception}, true, releve.ReasonBusy},
		{"a Diversion where History-Info counts", releve.EvidenceHistory,
			releve.Invite{Target: "standby", Diversion: reception}, false, ""},
		{"To is what was dialled", releve.EvidenceTo, releve.Invite{To: "8000", Target: "standby"}, true, ""},
		{"To, and a reason in a Diversion", releve.EvidenceTo,
			releve.Invite{To: "8000", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"To is the standby", releve.EvidenceTo, direct, false, ""},
		{"To is empty", releve.EvidenceTo, releve.Invite{Target: "standby"}, false, ""},
		{"the Request-URI is what was dialled", releve.EvidenceRequestURI, releve.Invite{To: "8000", Target: "8000"}, true, ""},
		{"the Request-URI is the standby", releve.EvidenceRequestURI, releve.Invite{To: "8000", Target: "standby"}, false, ""},
		{"any of them, with auto: a Diversion", releve.EvidenceAuto,
			releve.Invite{To: "standby", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"any of them, with auto: To", releve.EvidenceAuto, releve.Invite{To: "8000", Target: "standby"}, true, ""},
		{"none of them, with auto", releve.EvidenceAuto, direct, false, ""},
		{"no evidence to be had", releve.EvidenceNone, direct, true, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			p := profile
			p.Evidence = row.evidence
			if o := p.offer(row.invite, takeover.Verifying); o.Overflowed != row.want ||
				o.Reason != row.reason || o.Binding != Standby {
				t.Errorf("overflowed %v for %q on %s", o.Overflowed, o.Reason, o.Binding)
			}
			row.invite.Target = "reception"
			if o := p.offer(row.invite, takeover.Verifying); o.Overflowed || o.Binding != Reception {
				t.Error("a call to the reception counts as overflowed")
			}
		})
	}
}

// The published number in the forms that a PBX may give it (RFC 3966, RFC 5806 §4).
func TestThePublishedNumberInAnotherForm(t *testing.T) {
	for _, row := range []struct {
		published, country, seen string
		want                     bool
	}{
		{"0199000123", "", "0199000123", true},
		{"0199000123", "", "+33199000123", true},
		{"0199000123", "", "0033199000123", true},
		{"0199000123", "", "33199000123", true},
		{"0199000123", "", "199000123", true},
		{"0199000123", "33", "+33199000123", true},
		{"0199000123", "33", "+44199000123", false},
		{"0199000123", "", "+4420199000123", false},
		{"+33199000123", "33", "0199000123", true},
		{"+33199000123", "", "0199000123", true},
		{"0199000123", "33", "+33199000124", false},
		{"9", "33", "9", true},
		{"9", "", "+339", false},
		{"9", "", "0199000129", false},
		{"8000", "33", "+33199008000", false},
		{"accueil", "", "accueil", true},
		{"accueil", "", "1accueil", false},
		{"9", "", "", false},
		{"", "", "", false},
	} {
		p := Profile{ReceptionNumber: row.published, CountryCode: row.country}
		if got := p.published(row.seen); got != row.want {
			t.Errorf("%q is taken for %q of country %q: %v", row.seen, row.published, row.country, got)
		}
	}
}

// A server on duty that is called by the published number has no overflow before it,
// whatever the profile counts as evidence.
func TestACallToTheServerOnDutyDidNotOverflow(t *testing.T) {
	for _, evidence := range []releve.Evidence{
		releve.EvidenceAuto, releve.EvidenceTo, releve.EvidenceRequestURI, releve.EvidenceNone,
	} {
		p := profile
		p.Evidence = evidence
		call := releve.Invite{To: "8000", Target: "8000"}
		if o := p.offer(call, takeover.OnDuty); o.Overflowed || o.Binding != Reception {
			t.Errorf("%s: overflowed %v, to the %s", evidence, o.Overflowed, o.Binding)
		}
		if o := p.offer(call, takeover.Verifying); !o.Overflowed {
			t.Errorf("%s: at the standby it did not overflow", evidence)
		}
	}
}

func TestRequestURINeedsTwoNames(t *testing.T) {
	p := profile
	p.Evidence = releve.EvidenceRequestURI
	if err := p.Check(); err != nil {
		t.Errorf("with two names: %v", err)
	}
	p.ReceptionUser = p.ReceptionNumber
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "choose other evidence") {
		t.Errorf("with one name: %v", err)
	}
}
