package calls

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"releve/rules/takeover"

	"releve"
)

// Profile is what calls must know of a PBX.
type Profile struct {
	Evidence        releve.Evidence
	ReceptionUser   string // SIP user of the server on duty
	ReceptionNumber string // the published number
	CountryCode     string // of that number; "": any
	StandbyUser     string // SIP user that the PBX overflows to
	RefusalCode     int    // gives an overflowed call back to the PBX
	BusyCode        int    // all channels busy

	// Gateways are those of analogue lines: whoever calls by one of them has dialled the reception, and no header says more.
	Gateways []netip.Addr
}

// Check names every mistake of a profile.
func (p Profile) Check() error {
	var wrong []error
	switch p.Evidence {
	case releve.EvidenceAuto, releve.EvidenceDiversion, releve.EvidenceHistory, releve.EvidenceTo, releve.EvidenceNone:
	case releve.EvidenceRequestURI:
		if p.ReceptionNumber == p.ReceptionUser {
			wrong = append(wrong, errors.New("overflow_evidence request-uri cannot tell an overflow from a direct call "+
				"where reception_number and reception_user are the same: give the user another name, or choose other evidence"))
		}
	default:
		wrong = append(wrong, fmt.Errorf("overflow_evidence %q is unknown: "+
			"choose auto, diversion, history-info, to, request-uri or none", p.Evidence))
	}
	return errors.Join(append(wrong, refusal("refusal_code", p.RefusalCode), refusal("busy_code", p.BusyCode))...)
}

func refusal(name string, code int) error {
	if code < 400 || code > 699 {
		return fmt.Errorf("%s %d is no refusal: choose 486 or 480", name, code)
	}
	return nil
}

// Binding is which of a server's registrations a call came through.
type Binding string

// The bindings of a site.
const (
	Reception Binding = "reception" // callers of the published number
	Standby   Binding = "standby"   // the target of the overflow
)

// Offer is a call as this server judges it.
type Offer struct {
	Invite     releve.Invite
	Binding    Binding
	Overflowed bool
	Reason     releve.OverflowReason // of the overflow, where the PBX gave it (SPEC H5)
	Own        bool                  // this server made it, and the PBX gave it back (SPEC H8)
	Line       bool                  // it rings on an analogue line: it cannot be refused, and only not answered (SPEC T2)
}

// offer judges an INVITE. A call through the reception binding did not overflow,
// whatever was diverted before it came to the reception. Nor did one that a PBX sends to
// the server on duty by the published number itself.
func (p Profile) offer(in releve.Invite, s takeover.StanceKind) Offer {
	o := Offer{Invite: in, Binding: Standby, Line: slices.Contains(p.Gateways, in.Source)}
	if o.Line {
		return o.onLine(s)
	}
	if in.Target == p.ReceptionUser || s == takeover.OnDuty && p.published(in.Target) {
		o.Binding = Reception
		return o
	}
	o.Overflowed = p.overflowed(in)
	if o.Overflowed {
		o.Reason = p.reason(in)
	}
	return o
}

// onLine: a call on a line of the server on duty is one to the reception. On one of the other server the PABX rings when nobody
// answered there, and has no header to say so.
func (o Offer) onLine(s takeover.StanceKind) Offer {
	if s == takeover.OnDuty {
		o.Binding = Reception
		return o
	}
	o.Overflowed = true
	return o
}

// telling are the kinds of evidence that a call can bear, the most telling first.
var telling = []releve.Evidence{releve.EvidenceDiversion, releve.EvidenceHistory, releve.EvidenceTo, releve.EvidenceRequestURI}

func (p Profile) overflowed(in releve.Invite) bool {
	if p.Evidence == releve.EvidenceAuto {
		return slices.ContainsFunc(telling, func(e releve.Evidence) bool { return p.shows(e, in) })
	}
	return p.shows(p.Evidence, in)
}

// shows says whether a call bears one kind of evidence.
func (p Profile) shows(e releve.Evidence, in releve.Invite) bool {
	switch e {
	case releve.EvidenceDiversion:
		return slices.ContainsFunc(in.Diversion, p.fromReception)
	case releve.EvidenceHistory:
		return slices.ContainsFunc(in.History, p.fromReception)
	case releve.EvidenceTo:
		return in.To != "" && in.To != p.StandbyUser
	case releve.EvidenceRequestURI:
		return p.published(in.Target) && p.ReceptionNumber != p.ReceptionUser
	}
	return true
}

// reason takes what the PBX said of leaving the reception, in either header,
// whichever of them the profile counts as evidence.
func (p Profile) reason(in releve.Invite) releve.OverflowReason {
	for _, d := range slices.Concat(in.Diversion, in.History) {
		if p.fromReception(d) && d.Reason != releve.ReasonUnknown {
			return d.Reason
		}
	}
	return releve.ReasonUnknown
}

func (p Profile) fromReception(d releve.Diversion) bool {
	return d.User != "" && (d.User == p.ReceptionUser || p.published(d.User))
}

// published says whether a number is the published one in another form: with a country
// code, or with the zero that a country dials in front.
func (p Profile) published(number string) bool {
	return sameNumber(number, p.ReceptionNumber, p.CountryCode)
}

// leastDigits is how many digits a number must have for its end to be compared: the end of
// a foreign number may be any extension.
const leastDigits = 6

// sameNumber compares two numbers, of which either may be international. Without a country
// code, any of one to three digits may stand in front (ITU-T E.164 §6).
func sameNumber(a, b, country string) bool {
	if a == b {
		return a != ""
	}
	a, b = significant(a), significant(b)
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(b) < leastDigits || !strings.HasSuffix(a, b) {
		return false
	}
	front := a[:len(a)-len(b)]
	return front == "" || front == country || country == "" && len(front) <= 3
}

// significant are the digits of a number without a plus and without the zeros in front, by
// which one dials out of a house, a region or a country; "" when it is none.
func significant(number string) string {
	number = strings.TrimLeft(strings.TrimPrefix(number, "+"), "0")
	if strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}

// seen is the evidence that an overflow bears, the most telling of it.
func (p Profile) seen(in releve.Invite) releve.Evidence {
	return append(p.shown(in), releve.EvidenceNone)[0]
}

// shown is all the evidence that an overflow bears, the most telling first.
func (p Profile) shown(in releve.Invite) (all []releve.Evidence) {
	for _, e := range telling {
		if p.shows(e, in) {
			all = append(all, e)
		}
	}
	return all
}
