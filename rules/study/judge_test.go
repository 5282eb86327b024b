package study_test

import (
	"slices"
	"testing"
	"time"

	"releve"
	"releve/rules/study"
)

var question = releve.StudyQuestion{
	Main: "192.0.2.21", Secondary: "192.0.2.22", Channels: 30, Telephony: releve.TelephonySIP, PBX: "pbx.example:5060",
	SIPPort: 5060, PeerPort: 7443, DatabasePort: 5442, ConsolePort: 8080, RTPFirst: 10000, RTPLast: 10999, NTP: "192.0.2.1",
}

// good are measurements of a site on which nothing is missing.
func good(q releve.StudyQuestion) (all []releve.Measurement) {
	unmeasured, _ := study.Judge(q, nil)
	for _, f := range unmeasured {
		m := f.Measurement
		m.State, m.Value, m.Why, m.Who = releve.Measured, f.Good, releve.Sentence{}, ""
		switch m.Check {
		case "system":
			m.Text = "debian 12"
		case "virtual":
			m.Text = study.Bare
		case "mail":
			m.Text = study.StartTLS
		case "pbx-bindings":
			m.Text = study.ShowsAll
		case "pbx-origin":
			m.Text = string(releve.EvidenceTo)
		case "pbx-keys", "pbx-keys-info", "pbx-keys-tone":
			m.Text = study.KeysEvent
		}
		all = append(all, m)
	}
	return all
}

func verdicts(levels []releve.StudyLevel) map[releve.Level]releve.Feasibility {
	all := map[releve.Level]releve.Feasibility{}
	for _, l := range levels {
		all[l.Level] = l.Verdict
	}
	return all
}

func TestAGoodSiteCanHaveEachLevelAndNothingIsInvented(t *testing.T) {
	findings, levels := study.Judge(question, good(question))
	for _, f := range findings {
		if f.Verdict != releve.StudyOK || f.Who != "" || f.Why.Code != "" {
			t.Errorf("%s %s %s: %s %v", f.Check, f.Seat, f.About, f.Verdict, f.Why)
		}
	}
	for level, verdict := range verdicts(levels) {
		if verdict != releve.Feasible {
			t.Errorf("%s is %s", level, verdict)
		}
	}
	if best := study.Best(releve.Study{Levels: levels}); best != releve.HighAvailability {
		t.Errorf("the best level is %q", best)
	}
}

// Each prerequisite is taken away by itself: exactly the levels that need it are gone, and what
// was only not measured is never taken for there.
func TestEachPrerequisiteIsMissedWhereItIsNeeded(t *testing.T) {
	for i, gone := range good(question) {
		for state, want := range map[releve.MeasureState]releve.Feasibility{releve.Broken: releve.NotFeasible, releve.Unmeasured: releve.NotDecided} {
			taken := good(question)
			taken[i].State, taken[i].Why = state, releve.Say("why")
			findings, levels := study.Judge(question, taken)
			needed := findings[i].Levels
			for level, verdict := range verdicts(levels) {
				if (verdict == want) != slices.Contains(needed, level) || verdict != want && verdict != releve.Feasible {
					t.Errorf("without %s of %s (%s) %s is %s", gone.Check, gone.Seat, state, level, verdict)
				}
			}
			if f := findings[i]; f.Who == "" || f.Why.Code != "why" || len(needed) == 0 && f.Verdict == releve.StudyFailed {
				t.Errorf("%s of %s: %s, to be changed by %q", f.Check, f.Seat, f.Verdict, f.Who)
			}
		}
		findings, levels := study.Judge(question, slices.Delete(good(question), i, i+1))
		if f := findings[i]; f.Verdict != releve.StudyUnmeasured {
			t.Errorf("nobody measured %s of %s, and it is %s", gone.Check, gone.Seat, f.Verdict)
		}
		for level, verdict := range verdicts(levels) {
			if slices.Contains(findings[i].Levels, level) && verdict != releve.NotDecided {
				t.Errorf("nobody measured %s of %s, and %s is %s", gone.Check, gone.Seat, level, verdict)
			}
		}
	}
}

func TestValuesHaveTwoBounds(t *testing.T) {
	for _, c := range []struct {
		check string
		value float64
		want  releve.StudyVerdict
	}{
		{"disk-sync", 0.001, releve.StudyOK}, {"disk-sync", 0.05, releve.StudyPoor}, {"disk-sync", 0.2, releve.StudyFailed},
		{"processors", 2, releve.StudyOK}, {"processors", 1, releve.StudyPoor}, {"processors", 0, releve.StudyFailed},
		{"clock-other", -3600, releve.StudyFailed}, {"clock-other", -2, releve.StudyPoor}, {"clock-other", 0.1, releve.StudyOK},
		{"datagram", 1400, releve.StudyPoor}, {"datagram", 576, releve.StudyFailed}, {"loss", 1, releve.StudyPoor}, {"loss", 50, releve.StudyFailed},
	} {
		taken := good(question)
		i := slices.IndexFunc(taken, func(m releve.Measurement) bool { return m.Check == c.check && m.Seat == releve.Secondary })
		taken[i].Value = c.value
		findings, _ := study.Judge(question, taken)
		if f := findings[i]; f.Verdict != c.want || (f.Why.Code == "") != (c.want == releve.StudyOK) {
			t.Errorf("%s of %v is %s (%v), want %s", c.check, c.value, f.Verdict, f.Why, c.want)
		}
	}
}

// An address without a name is no fault of a site that uses none; one whose name leads elsewhere is.
func TestAnAddressNeedsANameWhereNamesAreUsed(t *testing.T) {
	byAddress := question
	byAddress.PBX = "192.0.2.10:5060"
	mailing := byAddress
	mailing.Mail = "192.0.2.25:25"
	for _, c := range []struct {
		q     releve.StudyQuestion
		state releve.MeasureState
		text  string
		want  releve.StudyVerdict
	}{
		{byAddress, releve.Measured, study.Nameless, releve.StudyOK}, {question, releve.Measured, study.Nameless, releve.StudyPoor},
		{mailing, releve.Measured, study.Nameless, releve.StudyPoor}, {question, releve.Measured, "main.example", releve.StudyOK},
		{byAddress, releve.Broken, "", releve.StudyPoor},
	} {
		findings, _ := study.Judge(c.q, []releve.Measurement{{Check: study.NameBack, Seat: releve.Main, About: c.q.Main, State: c.state, Text: c.text}})
		i := slices.IndexFunc(findings, func(f releve.Finding) bool {
			return f.Check == study.NameBack && f.Seat == releve.Main && f.About == c.q.Main
		})
		if f := findings[i]; f.Verdict != c.want {
			t.Errorf("%s %q, with the PBX %s and mail %q: %s", c.state, c.text, c.q.PBX, c.q.Mail, f.Verdict)
		}
	}
}

// SPEC E2: the mirror may always be virtual; a server with telephony only on SIP.
func TestAServerWithAnalogueLinesIsNoVirtualMachine(t *testing.T) {
	for _, c := range []struct {
		telephony string
		seat      releve.Seat
		lost      []releve.Level
	}{
		{releve.TelephonySIP, releve.Main, nil},
		{releve.TelephonySIP, releve.Secondary, nil},
		{releve.TelephonyAnalogue, releve.Main, []releve.Level{releve.Base, releve.Mirroring, releve.Backup, releve.HighAvailability}},
		{releve.TelephonyAnalogue, releve.Secondary, []releve.Level{releve.Backup, releve.HighAvailability}},
	} {
		q := question
		q.Telephony = c.telephony
		taken := good(q)
		i := slices.IndexFunc(taken, func(m releve.Measurement) bool { return m.Check == "virtual" && m.Seat == c.seat })
		taken[i].Text = "kvm"
		_, levels := study.Judge(q, taken)
		for level, verdict := range verdicts(levels) {
			if (verdict == releve.NotFeasible) != slices.Contains(c.lost, level) {
				t.Errorf("%s, the %s virtual: %s is %s", c.telephony, c.seat, level, verdict)
			}
		}
	}
}

func TestWithOneServerOnlyTheBaseCanBeDecided(t *testing.T) {
	q := question
	q.Secondary = ""
	taken := slices.DeleteFunc(good(q), func(m releve.Measurement) bool { return m.Seat == releve.Secondary })
	taken = slices.DeleteFunc(taken, func(m releve.Measurement) bool {
		return slices.Contains([]string{"port-link", "latency", "loss"}, m.Check)
	})
	_, levels := study.Judge(q, taken)
	if got := verdicts(levels); got[releve.Base] != releve.Feasible || got[releve.Mirroring] != releve.NotDecided {
		t.Errorf("%v", got)
	}
}

func TestSilenceIsSettledByWhatTheOtherEndSaw(t *testing.T) {
	for _, c := range []struct {
		of   study.Outcome
		seen int
		want study.Outcome
	}{
		{study.Dropped, 0, study.Dropped}, {study.Dropped, 3, study.DroppedWay}, {study.Cut, 0, study.Foreign}, {study.Cut, 1, study.Cut},
		{study.Swallowed, 0, study.Foreign}, {study.Open, 1, study.Open}, {study.Rejected, 0, study.Rejected},
	} {
		if got := (study.Probe{Outcome: c.of}).Arrived(c.seen).Outcome; got != c.want {
			t.Errorf("%s with %d seen is %s", c.of, c.seen, got)
		}
	}
}

func TestThePortsTellOfTheirChecksAndOfTheWay(t *testing.T) {
	taken := study.Ports(question, releve.Secondary, []study.Probe{
		{Port: "tcp 7443", Outcome: study.Open}, {Port: "tcp 5442", Outcome: study.Dropped},
		{Port: "udp 5060", Outcome: study.Open, Sent: 100, Back: 97, Median: 3 * time.Millisecond, Octets: 1400},
	})
	got := map[string]releve.Measurement{}
	for _, m := range taken {
		got[m.Check] = m
	}
	if m := got["port-mirror"]; m.State != releve.Broken || m.Why.Code != "study-port-dropped" || m.About != "tcp 5442" {
		t.Errorf("%+v", m)
	}
	if got["port-link"].State != releve.Measured || got["loss"].Value != 3 || got["latency"].Value != 0.003 || got["datagram"].Value != 1400 {
		t.Errorf("%+v", got)
	}
}

func TestTwoStudiesTellWhatWasLostAndGained(t *testing.T) {
	study1 := func(broken string) releve.Study {
		taken := good(question)
		for i := range taken {
			if taken[i].Check == broken {
				taken[i].State = releve.Broken
			}
		}
		findings, levels := study.Judge(question, taken)
		return releve.Study{Question: question, Findings: findings, Levels: levels}
	}
	lost, gained := study.Compare(study1("disk-space"), study1("memory"))
	if len(lost) != 2 || lost[0].Now.Check != "memory" || len(gained) != 2 || gained[0].Now.Check != "disk-space" {
		t.Errorf("lost %v, gained %v", lost, gained)
	}
	if lost, gained := study.Compare(study1("port-sound"), study1("memory")); len(lost) != 2 || len(gained) != 0 {
		t.Errorf("advice counts: lost %v, gained %v", lost, gained)
	}
	if lost, gained := study.Compare(study1("memory"), study1("memory")); lost != nil || gained != nil {
		t.Errorf("the same twice: lost %v, gained %v", lost, gained)
	}
}
