// Package config is a server's configuration: one TOML file, read whole, every
// mistake reported at once with its line.
package config

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/rules/alarm"
	"releve/rules/pbx"
)

// Config is one server's file.
type Config struct {
	Site      Site      `toml:"site"`
	PBX       PBX       `toml:"pbx"`
	SIP       SIP       `toml:"sip"`
	Attendant Attendant `toml:"attendant"`
	Peer      Peer      `toml:"peer"`
	Database  Database  `toml:"database"`
	Console   Console   `toml:"console"`
	Takeover  Takeover  `toml:"takeover"`
	Mirror    Mirror    `toml:"mirror"`
	Copy      Copy      `toml:"copy"`
	Records   Records   `toml:"records"`
	Witness   Witness   `toml:"witness"`
	Drill     Drill     `toml:"drill"`
	Mail      Mail      `toml:"mail"`
	Syslog    Syslog    `toml:"syslog"`
	Webhook   Webhook   `toml:"webhook"`
	SNMP      SNMP      `toml:"snmp"`
	Lines     Lines     `toml:"lines"`
	Call      Call      `toml:"call"`
}

// Site says which site and which seat this server is.
type Site struct {
	ID       string          `toml:"id"` // drawn by `releve init`, the same on both servers
	Name     string          `toml:"name"`
	Seat     releve.Seat     `toml:"seat"`
	Level    releve.Level    `toml:"level"`
	Arbiter  releve.Arbiter  `toml:"arbiter"`
	Language releve.Language `toml:"language"` // of sentences that nobody asked a language for
	Data     string          `toml:"data"`     // directory of everything this server keeps
}

// PBX is the establishment's switch and its profile.
type PBX struct {
	Type              string          `toml:"type"`    // of which `releve pbx guide` tells
	Address           string          `toml:"address"` // host:port
	Domain            string          `toml:"domain"`  // of the SIP users
	ReceptionNumber   string          `toml:"reception_number"`
	ReceptionUser     string          `toml:"reception_user"`
	ReceptionPassword string          `toml:"reception_password"`
	StandbyUser       string          `toml:"standby_user"`
	StandbyPassword   string          `toml:"standby_password"`
	Expires           Duration        `toml:"expires"`           // of a binding
	Evidence          releve.Evidence `toml:"overflow_evidence"` // how an overflowed call is told (H7)
	RefusalCode       int             `toml:"refusal_code"`
	BusyCode          int             `toml:"busy_code"` // all channels busy
	Transfer          pbx.Handover    `toml:"transfer"`  // how callers are put through (SPEC C3)

	Transport string `toml:"transport"` // udp, tcp, tls
	// CA is who signs the PBX's certificate, over TLS; "": those whom the machine believes. Certificate and Key are this
	// server's own, optional. BadCertificate is what becomes of calls where the PBX's proves nothing: refuse, accept.
	CA             string `toml:"ca"`
	Certificate    string `toml:"tls_certificate"`
	Key            string `toml:"tls_key"`
	BadCertificate string `toml:"bad_certificate"`
	SRTP           string `toml:"srtp"` // whether sound is encrypted (RFC 4568): off, offered, required

	// CountryCode is of the published number in its international form, such as 33; ""
	// compares the ends of such numbers.
	CountryCode string `toml:"country_code"`
	// Sources are addresses, prefixes and names from which SIP is taken beside Address
	// (SPEC K1).
	Sources []string `toml:"sources"`
	// Networks are the addresses and prefixes to which sound may go (SPEC K4); none: those
	// of the PBX.
	Networks []string `toml:"networks"`
}

// SIP is this server's telephone link and its media.
type SIP struct {
	Listen   string `toml:"listen"` // host:port of this server, UDP, and TCP where the PBX speaks by connections; never a wildcard
	Other    string `toml:"other"`  // host:port of the other server's SIP
	RTPFirst int    `toml:"rtp_first"`
	RTPLast  int    `toml:"rtp_last"`
	Channels int    `toml:"channels"`
}

// Attendant is what callers hear.
type Attendant struct {
	Language        releve.Language `toml:"language"`
	ExtensionDigits int             `toml:"extension_digits"` // how many digits an extension has
	Operator        string          `toml:"operator"`

	// Extensions is the number plan: what callers may be put through to, and nothing
	// else (SPEC K7).
	Extensions []string `toml:"extensions"`
}

// Peer is the link to the other server.
type Peer struct {
	Listen      string `toml:"listen"`
	Other       string `toml:"other"`
	CA          string `toml:"ca"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`

	// The other server's certificate: messages that it signed reach us by other
	// roads too, when this link is cut.
	OtherCertificate string `toml:"other_certificate"`
}

// Files are those by which this server and the other know each other.
func (p Peer) Files() identity.Files {
	return identity.Files{Authority: p.CA, Certificate: p.Certificate, Key: p.Key, Other: p.OtherCertificate}
}

// Database is the PostgreSQL that this server runs, or follows with.
type Database struct {
	Listen   string `toml:"listen"`   // host:port for the other server's mirror
	Other    string `toml:"other"`    // host:port of the other server's PostgreSQL
	Binaries string `toml:"binaries"` // directory of initdb and postgres; "" searches
	Account  string `toml:"account"`  // unix account for PostgreSQL when started as root
}

// Console is where the page is served.
type Console struct {
	Listen string   `toml:"listen"`
	Other  string   `toml:"other"` // host:port of the other server's page; optional
	Names  []string `toml:"names"` // by which readers call it, beside its addresses
}

// Takeover holds the settings of a verification (SPEC H3).
type Takeover struct {
	Rounds int      `toml:"rounds"` // N
	Limit  Duration `toml:"limit"`  // of one round
	Pause  Duration `toml:"pause"`  // between two
	Watch  Duration `toml:"watch"`  // period of the standby's own rounds
	// OwnCalls lets the standby call the reception itself when its watch fails and
	// nobody calls (SPEC H8).
	OwnCalls bool `toml:"own_calls"`
}

// Mirror is the copy of the database.
type Mirror struct {
	Verify   Clock `toml:"verify"`    // when it is compared whole, each night (SPEC M7)
	CopyRate Rate  `toml:"copy_rate"` // at most, of a copy that is made anew, so that calls do not suffer (SPEC M4)
	KeptLog  Size  `toml:"kept_log"`  // at most, for a copy that is away (SPEC M4)
}

// Drill is when a site tries its takeover, and how old what it rests on may be (SPEC H13).
type Drill struct {
	Every    Duration `toml:"every"`    // by itself, when the last good one is so old; "0s": by hand alone
	Hours    Hours    `toml:"hours"`    // in which it is made by itself
	Overdue  Duration `toml:"overdue"`  // a good one that is older is an alarm; "0s": never
	Overflow Duration `toml:"overflow"` // how long it counts that the PBX brought a call to the standby
}

// Copy is that of level backup (SPEC B1).
type Copy struct {
	At     Clock    `toml:"at"`     // when it is made anew, each day
	Oldest Duration `toml:"oldest"` // it may be, before that is an alarm
}

// Records are those of calls (SPEC C8).
type Records struct {
	KeepDays int `toml:"keep_days"` // they are deleted after that
}

// Kept is for how long.
func (r Records) Kept() time.Duration { return time.Duration(r.KeepDays) * 24 * time.Hour }

// Mail is how alarms are sent by mail (SPEC A3).
type Mail struct {
	Server   string          `toml:"server"`   // host:port of the relay; "": nothing is sent
	Security string          `toml:"security"` // none, starttls, tls
	CA       string          `toml:"ca"`       // who signs the relay's certificate; "": those whom the machine believes
	From     string          `toml:"from"`
	To       []string        `toml:"to"`
	Least    releve.Severity `toml:"least"` // what is less grave stays on the screens
	User     string          `toml:"user"`  // "": the relay asks for no password
	Password string          `toml:"user_password"`
	Token    string          `toml:"token_url"` // who gives tokens instead of a password (XOAUTH2); "": nobody
	Client   string          `toml:"client_id"`
	Secret   string          `toml:"client_secret"`
	Scope    string          `toml:"scope"`
	Refresh  string          `toml:"refresh_token"` // that a person obtained; "": the client's own word
	Page     string          `toml:"page"`          // where readers find the site's page; "": of this server's console
}

// Relay is the server with its port: 465 over TLS, 587 with STARTTLS and 25 without, where none is said.
func (m Mail) Relay() (host string, port int, ok bool) {
	host, said, err := net.SplitHostPort(m.Server)
	if err != nil {
		host, said = m.Server, map[string]string{"tls": "465", "starttls": "587"}[m.Security]
		said = cmp.Or(said, "25")
	}
	n, err := strconv.ParseUint(said, 10, 16)
	return host, int(n), err == nil && n > 0 && host != "" && !strings.ContainsAny(host, " /@")
}

// Syslog is how a log server is told of alarms (SPEC A3).
type Syslog struct {
	Server    string          `toml:"server"`    // host:port; "": none is told
	Transport string          `toml:"transport"` // udp, tcp, tls
	CA        string          `toml:"ca"`        // who signs the server's certificate; "": those whom the machine believes
	Facility  string          `toml:"facility"`  // daemon, local0 … local7
	Least     releve.Severity `toml:"least"`     // what is less grave is not told
}

// Webhook is how a program is told of alarms (SPEC A3).
type Webhook struct {
	URL    string          `toml:"url"`    // https://…; "": none is told
	CA     string          `toml:"ca"`     // who signs its certificate; "": those whom the machine believes
	Secret string          `toml:"secret"` // that signs what is posted; "": it is not signed
	Least  releve.Severity `toml:"least"`  // what is less grave is not told
}

// Call is who is called about alarms (SPEC A3).
type Call struct {
	People []string        `toml:"people"` // a number of the plan and a name, in the order in which they are called; none: nobody is
	Least  releve.Severity `toml:"least"`  // for what is less grave nobody is called
}

// Person is who stands in such a line: the number, and the name behind it.
func (Call) Person(line string) (number, name string, ok bool) {
	number, name, ok = strings.Cut(strings.TrimSpace(line), " ")
	name = strings.TrimSpace(name)
	return number, name, ok && name != "" && len(name) <= alarm.NameMost
}

// SNMP is how a network management station is told of alarms (SPEC A3).
type SNMP struct {
	Server    string          `toml:"server"`        // host:port, UDP; "": none is told
	Version   string          `toml:"version"`       // 3, 2c
	Inform    bool            `toml:"inform"`        // it answers; else it is sent traps, and nobody knows whether they came
	User      string          `toml:"user"`          // of version 3
	Password  string          `toml:"user_password"` // that proves who speaks (SHA-256)
	Privacy   string          `toml:"privacy_password"`
	Community string          `toml:"community"` // of version 2c
	Least     releve.Severity `toml:"least"`     // what is less grave is not told
}

// Lines are this server's analogue lines (SPEC T2).
type Lines struct {
	Plugged   []string `toml:"plugged"`   // where each goes and its number: "192.0.2.31/1 0140200001", "dahdi/3 0140200001"
	Community string   `toml:"community"` // by which gateways are asked for their ports (SNMP 2c); "": they are not
}

// Witness is the way to the register on a third machine (RULES R5). With the
// arbiter pair it may be there already, so that a site can move to it.
type Witness struct {
	Address string `toml:"address"` // host:port, TCP; "": there is none
	From    string `toml:"from"`    // this server's address towards it; "" lets the system choose
}

// Clock is a time of the day, on the machine's own clock: "03:30".
type Clock string

// SinceMidnight is the time as the hands of a clock show it; 0 when it is none.
func (c Clock) SinceMidnight() time.Duration {
	at, err := time.Parse("15:04", string(c))
	if err != nil {
		return 0
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

// Hours are some of each day, on the machine's own clock: "01:00-05:00", also over midnight.
type Hours string

// Span is when they begin and end, since midnight; ok: they are written as they are to be.
func (h Hours) Span() (begins, ends time.Duration, ok bool) {
	first, last, found := strings.Cut(string(h), "-")
	for _, text := range []string{first, last} {
		if _, err := time.Parse("15:04", text); err != nil {
			return 0, 0, false
		}
	}
	return Clock(first).SinceMidnight(), Clock(last).SinceMidnight(), found && first != last
}

// Rate is a number of bytes a second, written as "50MB" or "512kB", in the units
// of PostgreSQL: a kB has 1024 bytes (manual §19.1).
type Rate int64

// rateUnits are the units of a Rate, the largest first.
var rateUnits = []struct {
	name string
	size Rate
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}}

// ParseRate reads the form that String writes; "0" needs no unit.
func ParseRate(text string) (Rate, error) {
	if text == "0" {
		return 0, nil
	}
	if rate, ok := parseBytes(text); ok {
		return rate, nil
	}
	return 0, fmt.Errorf("%q is not a number of bytes a second: write one such as 50MB or 512kB", text)
}

func parseBytes(text string) (Rate, bool) {
	for _, unit := range rateUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
		if ok && err == nil {
			return Rate(n) * unit.size, true
		}
	}
	return 0, false
}

// Size is a number of bytes on a disk, written like a Rate; 0 is "auto", which follows the
// disk.
type Size int64

// autoSize is how a Size that follows the disk is written.
const autoSize = "auto"

// ParseSize reads the form that String writes.
func ParseSize(text string) (Size, error) {
	if text == autoSize {
		return 0, nil
	}
	if bytes, ok := parseBytes(text); ok && bytes > 0 {
		return Size(bytes), nil
	}
	return 0, fmt.Errorf("%q is neither auto nor a number of bytes: write one such as 4GB or 512MB", text)
}

// String is "auto", or the size in the largest unit that divides it.
func (s Size) String() string {
	if s == 0 {
		return autoSize
	}
	return Rate(s).String()
}

// String is the rate in the largest unit that divides it.
func (r Rate) String() string {
	for _, unit := range rateUnits {
		if r != 0 && r%unit.size == 0 {
			return strconv.FormatInt(int64(r/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(r), 10)
}

// Duration is a time.Duration written as "300ms" or "60s".
type Duration time.Duration

// UnmarshalText reads Go's duration form.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes the form that String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is Go's duration form without the zeros at its end: 1h, not 1h0m0s.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Std is d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }
