package pbx

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"releve"
)

// Site is what a page and its files are filled with: the values of one site.
type Site struct {
	PBX                            string // host:port
	Domain                         string
	Main, Secondary                string // their hosts
	MainSIP, SecondarySIP          string // their telephones, host:port
	RTPFirst, RTPLast              int    // ports for sound, of both
	Number                         string // the published one
	Reception, Standby             string // users
	ReceptionSecret, StandbySecret string // their passwords; "": a file says where they go
	Refusal, Busy                  int    // codes
	Expires                        time.Duration
	Verdict                        time.Duration // the most that the standby needs to answer or to refuse
	Extensions                     []string      // that callers may be put through to: "1000-1999", "0"
}

// Example is a site of addresses that are nobody's (RFC 5737), with the defaults of `releve init`.
func Example() Site {
	return Site{
		PBX: "192.0.2.10:5060", Domain: "192.0.2.10", Main: "192.0.2.21", Secondary: "192.0.2.22",
		MainSIP: "192.0.2.21:5060", SecondarySIP: "192.0.2.22:5060", RTPFirst: 10000, RTPLast: 10999,
		Number: "9", Reception: "reception", Standby: "standby", Refusal: 486, Busy: 486,
		Expires: time.Minute, Verdict: Verdict(3, 300*time.Millisecond, 100*time.Millisecond), Extensions: []string{"1000-1999"},
	}
}

// Verdict is the most that a standby needs for its word on an overflowed call: all its rounds (SPEC H3), and
// a second for the way there and back.
func Verdict(rounds int, limit, pause time.Duration) time.Duration {
	return time.Duration(rounds)*(limit+pause) + time.Second
}

const (
	// firstAnswer is how many seconds a PBX is to wait for a server that says nothing: one on duty answers
	// within milliseconds, and a caller hears nothing meanwhile.
	firstAnswer = 2
	// patienceLeast is how many it waits for the standby at least: nobody else answers then.
	patienceLeast = 10
)

// Patience is how many seconds the PBX is to wait for the standby.
func (s Site) Patience() int {
	return max(patienceLeast, 2*int((s.Verdict+time.Second-1)/time.Second))
}

func (s Site) expires() int { return int(s.Expires / time.Second) }

// values are what sentences and files name, in pairs of name and value.
func (s Site) values(name string) []string {
	n := strconv.Itoa
	return []string{
		"name", name, "pbx", s.PBX, "domain", s.Domain, "main", s.Main, "secondary", s.Secondary,
		"mainsip", s.MainSIP, "secondarysip", s.SecondarySIP, "rtp", fmt.Sprintf("%d–%d", s.RTPFirst, s.RTPLast),
		"number", s.Number, "reception", s.Reception, "standby", s.Standby, "refusal", n(s.Refusal), "busy", n(s.Busy),
		// A registrar is to let a dead server's binding stand no longer than twice what is asked for.
		"expires", n(s.expires()), "least", n(min(10, s.expires())), "most", n(2 * s.expires()),
		"first", n(firstAnswer), "patience", n(s.Patience()), "extensions", strings.Join(s.Extensions, ", "),
	}
}

// Say is a sentence of a page, which may name each value of the site.
func (s Site) Say(code, name string) releve.Sentence { return releve.Say(code, s.values(name)...) }
