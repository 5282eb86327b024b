package readiness_test

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/readiness"
	"releve/rules/version"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)

// well is a site whose secondary could take over.
func well() readiness.Facts {
	word := readiness.Word{
		Heard: now.Add(-5 * time.Second), Clock: now.Add(-5 * time.Second), Free: 2 << 30, Least: 1 << 30,
		Expires: now.AddDate(1, 0, 0),
	}
	return readiness.Facts{
		At: now, Standby: releve.Secondary, OnDuty: true, Vote: true,
		Data: releve.Tier{State: releve.TierWell}, Voice: releve.Tier{State: releve.TierWell}, Bound: true, User: "standby", InSync: true,
		Verified: now.Add(-24 * time.Hour), Overflow: now.Add(-24 * time.Hour), OverflowWithin: 72 * time.Hour,
		Version: version.Own(17), OwnerVersion: version.Own(17), Word: word, Owner: word, Licence: readiness.Licence{Known: true},
	}
}

func TestAWellSiteIsReady(t *testing.T) {
	v := readiness.Judge(well())
	if !v.Ready || len(v.Wrong()) > 0 || len(v.Reasons) != len(readiness.Abouts()) {
		t.Errorf("%+v", v)
	}
}

// Each reason alone makes it a no, with its sentence, and what only follows from it is not told.
func TestEachReasonTurnsItToNo(t *testing.T) {
	broken := map[string]struct {
		breaks func(*readiness.Facts)
		says   string
		state  readiness.State
	}{
		"link":      {func(f *readiness.Facts) { f.Silent = releve.Secondary }, "ready-link-broken", readiness.Broken},
		"duty":      {func(f *readiness.Facts) { f.OnDuty = false }, "ready-duty-broken", readiness.Broken},
		"procedure": {func(f *readiness.Facts) { f.Procedure = "return" }, "ready-procedure-pending", readiness.Pending},
		"copy": {func(f *readiness.Facts) {
			f.Data = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down")}
		}, "tier-data-down", readiness.Broken},
		"mirror":   {func(f *readiness.Facts) { f.InSync = false }, "ready-mirror-broken", readiness.Broken},
		"vote":     {func(f *readiness.Facts) { f.Vote = false }, "ready-vote-broken", readiness.Broken},
		"verified": {func(f *readiness.Facts) { f.Verified = now.Add(-31 * time.Hour) }, "ready-verified-broken", readiness.Broken},
		"voice": {func(f *readiness.Facts) {
			f.Voice = releve.Tier{State: releve.TierDown, Why: releve.Say("tier-pbx-silent")}
		}, "tier-pbx-silent", readiness.Broken},
		"telephone":   {func(f *readiness.Facts) { f.Bound = false }, "ready-telephone-broken", readiness.Broken},
		"overflow":    {func(f *readiness.Facts) { f.Overflow = now.Add(-73 * time.Hour) }, "ready-overflow-broken", readiness.Broken},
		"word":        {func(f *readiness.Facts) { f.Word.Heard = now.Add(-time.Minute) }, "ready-word-broken", readiness.Broken},
		"version":     {func(f *readiness.Facts) { f.Version = releve.Version{} }, "ready-version-broken", readiness.Broken},
		"prompts":     {func(f *readiness.Facts) { f.Word.Missing = []string{"fr/menu"} }, "ready-prompts-broken", readiness.Broken},
		"disk":        {func(f *readiness.Facts) { f.Word.Free = 1 }, "ready-disk-broken", readiness.Broken},
		"certificate": {func(f *readiness.Facts) { f.Word.Expires = now.AddDate(0, 0, 6) }, "ready-certificate-broken", readiness.Broken},
		"clock":       {func(f *readiness.Facts) { f.Word.Clock = f.Word.Clock.Add(-time.Hour) }, "ready-clock-broken", readiness.Broken},
		"licence":     {func(f *readiness.Facts) { f.Licence.Due = true }, "ready-licence-broken", readiness.Broken},
	}
	for _, about := range readiness.Abouts() {
		c, there := broken[about]
		if !there {
			t.Errorf("nothing breaks %s", about)
			continue
		}
		f := well()
		c.breaks(&f)
		v := readiness.Judge(f)
		wrong := v.Wrong()
		if v.Ready || len(wrong) != 1 || wrong[0].About != about || wrong[0].State != c.state || wrong[0].What.Code != c.says {
			t.Errorf("%s: ready %v, wrong %+v", about, v.Ready, wrong)
		}
	}
}

// Which versions may stand side by side is said by their own table.
func TestVersionsThatDoNotGoTogether(t *testing.T) {
	f := well()
	f.Version.PostgreSQL = 16
	if wrong := readiness.Judge(f).Wrong(); len(wrong) != 1 || wrong[0].About != "version" || wrong[0].What.Code != "version-postgresql" {
		t.Errorf("%+v", wrong)
	}
}

// What was never seen is not so, and says that it is awaited.
func TestWhatWasNeverSeenIsNotSo(t *testing.T) {
	for about, forget := range map[string]func(*readiness.Facts){
		"verified": func(f *readiness.Facts) { f.Verified = time.Time{} },
		"overflow": func(f *readiness.Facts) { f.Overflow = time.Time{} },
		"word":     func(f *readiness.Facts) { f.Owner = readiness.Word{} },
		"licence":  func(f *readiness.Facts) { f.Licence.Known = false },
	} {
		f := well()
		forget(&f)
		if wrong := readiness.Judge(f).Wrong(); len(wrong) != 1 || wrong[0].About != about || wrong[0].State != readiness.Pending {
			t.Errorf("%s: %+v", about, wrong)
		}
	}
	if v := readiness.Judge(readiness.Facts{At: now}); v.Ready {
		t.Error("of nothing, it is ready")
	}
}

// Both clocks are compared as they were, each when its word was said.
func TestAWordOfAMomentAgoIsNoClockThatIsBehind(t *testing.T) {
	f := well()
	f.Word.Heard, f.Word.Clock = now.Add(-30*time.Second), now.Add(-30*time.Second)
	if v := readiness.Judge(f); !v.Ready {
		t.Errorf("%+v", v.Wrong())
	}
}

// Rows that rest on one that does not hold are not looked at.
func TestWhatFollowsIsNotTold(t *testing.T) {
	f := well()
	f.Silent, f.InSync, f.Vote, f.Bound = releve.Main, false, false, false
	v := readiness.Judge(f)
	if len(v.Wrong()) != 1 {
		t.Errorf("%+v", v.Wrong())
	}
	if i := slices.IndexFunc(v.Reasons, func(r readiness.Reason) bool { return r.About == "certificate" }); v.Reasons[i].State != readiness.Unknown {
		t.Errorf("%+v", v.Reasons[i])
	}
}
