package calls

import (
	"strings"
	"testing"

	"releve"
)

// How each kind of evidence tells an overflow from a direct call (SPEC H7).
func TestEvidence(t *testing.T) {
	reception := []releve.Diversion{{User: "8000", Reason: releve.ReasonBusy}}
	other := []releve.Diversion{{User: "1003", Reason: releve.ReasonNoAnswer}}
	direct := releve.Invite{To: "standby", Target: "standby"}
	for _, row := range []struct {
		story    string
		evidence Evidence
		invite   releve.Invite
		want     bool
		reason   releve.OverflowReason
	}{
		{"a Diversion from the number", EvidenceDiversion, releve.Invite{To: "8000", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"a Diversion from the user", EvidenceDiversion, releve.Invite{Target: "standby", Diversion: []releve.Diversion{{User: "reception"}}}, true, ""},
		{"a Diversion by somebody else", EvidenceDiversion, releve.Invite{To: "8000", Target: "standby", Diversion: other}, false, ""},
		{"two Diversions, the second the reception's", EvidenceDiversion,
			releve.Invite{Target: "standby", Diversion: append(other[:1:1], reception...)}, true, releve.ReasonBusy},
		{"no Diversion", EvidenceDiversion, direct, false, ""},
		{"a History-Info entry", EvidenceHistory, releve.Invite{Target: "standby", History: reception}, true, releve.ReasonBusy},
		{"a Diversion where History-Info counts", EvidenceHistory, releve.Invite{Target: "standby", Diversion: reception}, false, ""},
		{"To is what was dialled", EvidenceTo, releve.Invite{To: "8000", Target: "standby"}, true, ""},
		{"To, and a reason in a Diversion", EvidenceTo, releve.Invite{To: "8000", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"To is the standby", EvidenceTo, direct, false, ""},
		{"To is empty", EvidenceTo, releve.Invite{Target: "standby"}, false, ""},
		{"the Request-URI is what was dialled", EvidenceRequestURI, releve.Invite{To: "8000", Target: "8000"}, true, ""},
		{"the Request-URI is the standby", EvidenceRequestURI, releve.Invite{To: "8000", Target: "standby"}, false, ""},
		{"any of them, with auto: a Diversion", EvidenceAuto, releve.Invite{To: "standby", Target: "standby", Diversion: reception}, true, releve.ReasonBusy},
		{"any of them, with auto: To", EvidenceAuto, releve.Invite{To: "8000", Target: "standby"}, true, ""},
		{"none of them, with auto", EvidenceAuto, direct, false, ""},
		{"no evidence to be had", EvidenceNone, direct, true, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			p := profile
			p.Evidence = row.evidence
			if o := p.offer(row.invite); o.Overflowed != row.want || o.Reason != row.reason || o.Binding != Standby {
				t.Errorf("overflowed %v for %q on %s", o.Overflowed, o.Reason, o.Binding)
			}
			row.invite.Target = "reception"
			if o := p.offer(row.invite); o.Overflowed || o.Binding != Reception {
				t.Error("a call to the reception counts as overflowed")
			}
		})
	}
}

func TestRequestURINeedsTwoNames(t *testing.T) {
	p := profile
	p.Evidence = EvidenceRequestURI
	if err := p.Check(); err != nil {
		t.Errorf("with two names: %v", err)
	}
	p.ReceptionUser = p.ReceptionNumber
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "choose other evidence") {
		t.Errorf("with one name: %v", err)
	}
}
