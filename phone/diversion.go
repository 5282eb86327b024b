package phone

import (
	"net/url"
	"strings"

	"releve"
	"releve/phone/sip"
)

// diversions reads Diversion values (RFC 5806): who sent the call on, and why.
func diversions(values []string) []releve.Diversion {
	var all []releve.Diversion
	for _, v := range values {
		a, err := sip.ParseAddress(v)
		if err != nil {
			continue // it is evidence at best: what cannot be read proves nothing
		}
		all = append(all, releve.Diversion{User: sip.User(a.URI), Reason: diversionReason(a.Params["reason"])})
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

// history reads the History-Info values (RFC 7044) that name a diversion. An entry
// that failed bears a Reason among its URI's headers; one that was diverted to bears
// a cause parameter (RFC 4458), and then it is the entry before it that diverted.
func history(values []string) []releve.Diversion {
	var all []releve.Diversion
	before := ""
	for _, v := range values {
		a, err := sip.ParseAddress(v)
		if err != nil {
			continue
		}
		user := sip.User(a.URI)
		if reason := a.URI.Headers.GetOr("Reason", a.URI.Headers.GetOr("reason", "")); reason != "" {
			all = append(all, releve.Diversion{User: user, Reason: causeReason(unescape(reason))})
		} else if cause := a.URI.UriParams.GetOr("cause", ""); cause != "" && before != "" {
			all = append(all, releve.Diversion{User: before, Reason: causeReason("SIP;cause=" + cause)})
		}
		before = user
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

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
