package phone

import (
	"fmt"
	"strings"
	"testing"

	"releve"
	"releve/adapters/phone/sip"
)

// Whom an address names, in each form that a PBX may write.
func TestWhomAnAddressNames(t *testing.T) {
	for value, want := range map[string]string{
		`<tel:+33199000123>`:                            "+33199000123",
		`tel:9`:                                         "9",
		`<tel:9;phone-context=hospital.example>`:        "9",
		`<TEL:+33-1-99.00(01)23>`:                       "+33199000123",
		`<sip:+33199000123@pbx.example;user=phone>`:     "+33199000123",
		`<SIPS:9@pbx.example:5061;transport=tls>`:       "9",
		`sip:9@pbx.example;tag=1`:                       "9",
		`sip:9;phone-context=a.example@pbx;user=phone`:  "9",
		`<sip:9;phone-context=a.example@pbx>`:           "9",
		`<sip:9%39@pbx?Reason=SIP%3Bcause%3D486>;x=1`:   "99",
		`<sip:%2B33199000123@pbx>`:                      "+33199000123",
		`<sip:9:secret@pbx>`:                            "9",
		`"Réception; <sip:8@x>, \"9\"" <sip:9@pbx>;a=b`: "9",
		`Bob <sip:bob.smith@pbx>`:                       "bob.smith",
		`<sip:0612#45@pbx>`:                             "0612#45",
		`<sip:pbx.example>`:                             "",
		`<urn:service:sos>`:                             "",
		``:                                              "",
		`<`:                                             "",
		`"`:                                             "",
	} {
		if got := readWhom(value).user; got != want {
			t.Errorf("%s names %q, not %q", value, got, want)
		}
	}
}

// Whom the Request-URI names is read as whom a header names: a PBX writes the number that was
// dialled there in every form.
func TestWhomTheRequestURINames(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:standby@192.0.2.1:5060":                         "standby",
		"sip:+33-1-99-00-01-23@pbx.example":                  "+33199000123",
		"sip:9;phone-context=hospital.example@pbx.example":   "9",
		"tel:+33-1-99-00-01-23;phone-context=hospital":       "+33199000123",
		"sip:standby@192.0.2.1;transport=udp;line=8a61":      "standby",
		"sip:%2B33199000123@192.0.2.1;user=phone;ob?x=a%40b": "+33199000123",
	} {
		target, err := sip.ParseURI(uri)
		if err != nil {
			t.Errorf("%s is not read: %v", uri, err)
			continue
		}
		req, err := sip.NewRequest("INVITE", target, "<sip:1@pbx.example>", "t", "<sip:2@pbx.example>", "", "c", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := readInvite(req).Target; got != want {
			t.Errorf("%s names %q, not %q", uri, got, want)
		}
	}
}

func TestWhatHistoryInfoTells(t *testing.T) {
	const own = "<sip:standby@pbx.example>;index=1.1"
	for story, c := range map[string]struct {
		values []string
		want   []releve.Diversion
	}{
		"nothing but the target":    {[]string{own}, nil},
		"an entry before, no cause": {[]string{"<sip:9@pbx.example>;index=1", own + ";mp=1"}, []releve.Diversion{{User: "9"}}},
		"a cause in the next": {[]string{"<sip:9@pbx>;index=1", "<sip:standby@pbx;cause=408>;index=1.1"},
			[]releve.Diversion{{User: "9", Reason: releve.ReasonNoAnswer}}},
		"a reason in its own": {[]string{"<sip:9@pbx?Privacy=history&REASON=Q.850%3Bcause%3D17>", own},
			[]releve.Diversion{{User: "9", Reason: releve.ReasonBusy}}},
		"a reason in the last": {[]string{"<sip:9@pbx?Reason=SIP%3Bcause%3D408>;index=1"},
			[]releve.Diversion{{User: "9", Reason: releve.ReasonNoAnswer}}},
		"a reason that says nothing": {[]string{"<tel:+3319;x=y?Reason=preemption>", own}, []releve.Diversion{{User: "+3319"}}},
		"two before": {[]string{"<sip:1003@pbx>", "<sip:9@pbx>", own},
			[]releve.Diversion{{User: "1003"}, {User: "9"}}},
	} {
		if got := history(c.values); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, not %v", story, got, c.want)
		}
	}
}

// What is read of an address holds no part of its frame.
func FuzzWhom(f *testing.F) {
	for _, value := range []string{"<tel:+33199000123>",
		`"a;tag=x" <sip:9;p=q@h;user=phone?Reason=SIP%3Bcause%3D486>;reason=no-answer`, "sip:9;x@h", "<sip:@>", `"\`, "a:b@c:d"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		w := readWhom(value)
		if w.user != "" && !strings.Contains(strings.ToLower(value), "sip") && !strings.Contains(strings.ToLower(value), "tel") {
			t.Errorf("%q names %q", value, w.user)
		}
		if plain := w.user; !strings.Contains(value, "%") && strings.ContainsAny(plain, ";<>:") {
			t.Errorf("%q names %q", value, plain)
		}
		_ = history([]string{value, value})
		_ = diversions([]string{value})
	})
}
