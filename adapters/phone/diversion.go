package phone

import (
	"strings"

	"releve"
)

// diversions reads Diversion values (RFC 5806): who sent the call on, and why.
func diversions(values []string) []releve.Diversion {
	var all []releve.Diversion
	for _, v := range values {
		w := readWhom(v)
		all = append(all, releve.Diversion{User: w.user, Reason: diversionReason(w.around["reason"])})
	}
	return all
}

// diversionReason maps the reasons of RFC 5806 §4 to those that matter.
func diversionReason(text string) releve.OverflowReason {
	switch strings.ToLower(text) {
	case "user-busy":
		return releve.ReasonBusy
	case "no-answer":
		return releve.ReasonNoAnswer
	case "unavailable", "out-of-service":
		return releve.ReasonUnavailable
	}
	return releve.ReasonUnknown
}

// history reads the History-Info values (RFC 7044) that sent the call on: each that
// another follows. An entry that failed bears a Reason among its URI's headers; the one
// after it may bear a cause parameter (RFC 4458) in its place, or nothing says why.
func history(values []string) []releve.Diversion {
	var all []releve.Diversion
	for i, v := range values {
		w := readWhom(v)
		d := releve.Diversion{User: w.user, Reason: causeReason(w.headers["reason"])}
		if i+1 < len(values) {
			if next := readWhom(values[i+1]); d.Reason == releve.ReasonUnknown && next.params["cause"] != "" {
				d.Reason = causeReason("SIP;cause=" + next.params["cause"])
			}
		} else if w.headers["reason"] == "" {
			break // the last is where the call was sent to
		}
		all = append(all, d)
	}
	return all
}

// causeReason maps a Reason value (RFC 3326), "SIP;cause=486" or "Q.850;cause=17".
func causeReason(reason string) releve.OverflowReason {
	protocol, params, _ := strings.Cut(reason, ";")
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(strings.TrimSpace(name), "cause") {
			return causes[strings.ToUpper(strings.TrimSpace(protocol))+" "+strings.TrimSpace(value)]
		}
	}
	return releve.ReasonUnknown
}

// causes are the SIP codes and the Q.850 causes that name a reason.
var causes = map[string]releve.OverflowReason{
	"SIP 486": releve.ReasonBusy, "SIP 600": releve.ReasonBusy,
	"SIP 408": releve.ReasonNoAnswer, "SIP 487": releve.ReasonNoAnswer,
	"SIP 404": releve.ReasonUnavailable, "SIP 480": releve.ReasonUnavailable,
	"SIP 500": releve.ReasonUnavailable, "SIP 503": releve.ReasonUnavailable,
	"Q.850 17": releve.ReasonBusy,
	"Q.850 18": releve.ReasonNoAnswer, "Q.850 19": releve.ReasonNoAnswer,
	"Q.850 20": releve.ReasonUnavailable, "Q.850 27": releve.ReasonUnavailable, "Q.850 41": releve.ReasonUnavailable,
}
