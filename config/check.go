package config

import (
	"crypto/tls"
	"maps"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/rules/pbx"
)

// check reports what cannot be right. Each function is one table of the file;
// what concerns several stands at the end.
func (r *reader) check(c *Config) {
	r.checkSite(c.Site)
	if !c.Mute() {
		r.checkPBX(c.PBX, c.oneVoice())
		r.checkSIP(c.SIP, c.oneVoice())
		r.checkAttendant(c.Attendant)
	}
	r.checkLinks(c)
	r.checkTakeover(c.Takeover)
	r.clock("mirror.verify", c.Mirror.Verify)
	r.rate("mirror.copy_rate", c.Mirror.CopyRate)
	r.size("mirror.kept_log", c.Mirror.KeptLog)
	r.clock("copy.at", c.Copy.At)
	r.duration("copy.oldest", c.Copy.Oldest, time.Hour, 60*24*time.Hour)
	r.between("records.keep_days", c.Records.KeepDays, 7, 3660)
	r.checkWitness(c.Site, c.Witness)
	r.checkDrill(c.Drill)
	r.checkMail(c.Mail)
	r.checkSyslog(c.Syslog)
	r.checkWebhook(c.Webhook)
	r.checkSNMP(c.SNMP)
	if !c.Mute() {
		r.checkLines(c.Lines, c.SIP.Channels)
	}
	r.checkCall(c.Call, c.Attendant)
	r.checkCollisions(c)
	r.checkCertificates(c)
	r.checkSecrets()
}

// secrets are the keys of what is one, beside those of passwords.
var secrets = []string{"webhook.secret", "snmp.community", "lines.community", "mail.client_secret", "mail.refresh_token"}

// checkSecrets: whoever can read a file with a password in it can register as the
// reception. One mistake tells of the whole file.
func (r *reader) checkSecrets() {
	info, err := os.Stat(r.file)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return
	}
	inFile := func(x, y string) int { return r.lines[x] - r.lines[y] }
	for _, key := range slices.SortedFunc(maps.Keys(r.lines), inFile) {
		if strings.HasSuffix(key, "_password") || slices.Contains(secrets, key) {
			r.wrong(key, "secret.open", "file", r.file)
			return
		}
	}
}

func (r *reader) checkSite(s Site) {
	r.required("site.id", s.ID)
	r.required("site.name", s.Name)
	r.required("site.data", s.Data)
	r.oneOf("site.seat", string(s.Seat), "main", "secondary")
	r.oneOf("site.language", string(s.Language), "fr", "en")
	r.oneOf("site.level", string(s.Level),
		string(releve.HighAvailability), string(releve.Backup), string(releve.Mirroring), string(releve.Base))
	r.built("site.arbiter", string(s.Arbiter), []string{"etcd"}, "pair", "witness")
	r.checkData(s.Data)
}

// maxData is what the path of PostgreSQL's socket leaves to the directory above
// it, of the 107 bytes that the system allows (unix(7)).
const maxData = 107 - len("/postgres/run/.s.PGSQL.65535.lock")

func (r *reader) checkData(dir string) {
	if info, err := os.Stat(dir); dir != "" && err == nil && !info.IsDir() {
		r.wrong("site.data", "data.no-directory", "path", dir)
	}
	if len(dir) > maxData {
		r.wrong("site.data", "data.long", "length", strconv.Itoa(len(dir)), "most", strconv.Itoa(maxData))
	}
}

// checkPBX checks the PBX and its users: the standby's only where one server answers
// for the other.
func (r *reader) checkPBX(p PBX, oneVoice bool) {
	r.oneOf("pbx.type", p.Type, pbx.Types()...)
	r.pbxAddress("pbx.address", p.Address)
	r.required("pbx.domain", p.Domain)
	r.required("pbx.reception_number", p.ReceptionNumber)
	r.required("pbx.reception_user", p.ReceptionUser)
	r.required("pbx.reception_password", p.ReceptionPassword)
	if !oneVoice {
		r.required("pbx.standby_user", p.StandbyUser)
		r.required("pbx.standby_password", p.StandbyPassword)
	}
	if p.ReceptionUser != "" && p.ReceptionUser == p.StandbyUser {
		r.wrong("pbx.standby_user", "users.same", "user", p.StandbyUser)
	}
	r.duration("pbx.expires", p.Expires, 5*time.Second, time.Hour)
	r.oneOf("pbx.overflow_evidence", string(p.Evidence), string(releve.EvidenceAuto), string(releve.EvidenceTo), string(releve.EvidenceDiversion),
		string(releve.EvidenceHistory), string(releve.EvidenceRequestURI), string(releve.EvidenceNone))
	r.countryCode("pbx.country_code", p.CountryCode)
	r.networks("pbx.sources", "source", true)
	r.networks("pbx.networks", "network", false)
	r.code("pbx.refusal_code", p.RefusalCode)
	r.code("pbx.busy_code", p.BusyCode)
	r.oneOf("pbx.transfer", string(p.Transfer), string(pbx.Auto), string(pbx.Refer), string(pbx.Bridge))
	r.checkWire(p)
}

// checkWire checks how the PBX is spoken to.
func (r *reader) checkWire(p PBX) {
	r.oneOf("pbx.transport", p.Transport, "udp", "tcp", "tls")
	r.oneOf("pbx.bad_certificate", p.BadCertificate, "refuse", "accept")
	r.oneOf("pbx.srtp", p.SRTP, "off", "offered", "required")
	files := []struct{ key, file string }{{"pbx.ca", p.CA}, {"pbx.tls_certificate", p.Certificate}, {"pbx.tls_key", p.Key}}
	if p.Transport == "udp" || p.Transport == "tcp" {
		for _, f := range files {
			if f.file != "" {
				r.wrong(f.key, "pbx.only-tls", "transport", p.Transport)
			}
		}
		return
	}
	if _, err := identity.Trusting(p.CA); err != nil {
		r.wrong("pbx.ca", "pbx.file", "cause", releve.Reason(err))
	}
	if p.Certificate == "" && p.Key == "" {
		return
	}
	if info, err := os.Stat(p.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
		r.wrong("pbx.tls_key", "key.open", "file", p.Key)
	}
	if !r.required("pbx.tls_certificate", p.Certificate) || !r.required("pbx.tls_key", p.Key) {
		return
	}
	if _, err := tls.LoadX509KeyPair(p.Certificate, p.Key); err != nil {
		r.wrong("pbx.tls_certificate", "pbx.pair", "cause", releve.Reason(err))
	}
}

func (r *reader) checkSIP(s SIP, oneVoice bool) {
	r.address("sip.listen", s.Listen)
	if !oneVoice {
		r.address("sip.other", s.Other)
	}
	r.between("sip.channels", s.Channels, 1, 1000)
	r.between("sip.rtp_first", s.RTPFirst, 1024, 65534)
	r.between("sip.rtp_last", s.RTPLast, 1025, 65535)
	// Each channel has a port for RTP and the next one for RTCP (RFC 3550 §11).
	if ports := s.RTPLast - s.RTPFirst + 1; ports < 2*s.Channels {
		r.wrong("sip.rtp_last", "rtp.small",
			"channels", strconv.Itoa(s.Channels), "needed", strconv.Itoa(2*s.Channels), "ports", strconv.Itoa(max(ports, 0)))
	}
}

func (r *reader) checkAttendant(a Attendant) {
	r.oneOf("attendant.language", string(a.Language), "fr", "en")
	r.between("attendant.extension_digits", a.ExtensionDigits, 1, 10)
	if strings.Trim(a.Operator, "0123456789*#") != "" { // "" means that the site has no operator
		r.wrong("attendant.operator", "operator", "value", a.Operator)
	}
	r.plan(a)
}

// checkLinks checks the addresses of the peer link, the database and the page.
func (r *reader) checkLinks(c *Config) {
	r.address("peer.listen", c.Peer.Listen)
	r.address("peer.other", c.Peer.Other)
	r.address("database.listen", c.Database.Listen)
	r.address("database.other", c.Database.Other)
	r.required("database.account", c.Database.Account)
	r.address("console.listen", c.Console.Listen)
	if c.Console.Other != "" { // the desks may not reach it
		r.address("console.other", c.Console.Other)
	}
	r.names("console.names")
}

func (r *reader) checkTakeover(t Takeover) {
	r.between("takeover.rounds", t.Rounds, 1, 20)
	r.duration("takeover.limit", t.Limit, 50*time.Millisecond, 5*time.Second)
	r.duration("takeover.pause", t.Pause, 0, 5*time.Second)
	r.duration("takeover.watch", t.Watch, 100*time.Millisecond, time.Minute)
}

// checkDrill: drills too often would be calls and copies for nothing, and the calls by which an
// overflow is shown are made once a day.
func (r *reader) checkDrill(d Drill) {
	const day, year = 24 * time.Hour, 366 * 24 * time.Hour
	if d.Every != 0 {
		r.duration("drill.every", d.Every, day, year)
	}
	if d.Overdue != 0 {
		r.duration("drill.overdue", d.Overdue, max(day, d.Every.Std()), 2*year)
	}
	if _, _, ok := d.Hours.Span(); !ok {
		r.wrong("drill.hours", "hours", "value", string(d.Hours))
	}
	r.duration("drill.overflow", d.Overflow, 2*day, year)
}

// checkMail checks how alarms are sent, where they are.
func (r *reader) checkMail(m Mail) {
	r.oneOf("mail.security", m.Security, "none", "starttls", "tls")
	r.oneOf("mail.least", string(m.Least), string(releve.Warning), string(releve.Major), string(releve.Critical))
	if m.Server == "" {
		return
	}
	if _, _, ok := m.Relay(); !ok {
		r.wrong("mail.server", "mail.server", "value", m.Server)
	}
	if r.required("mail.from", m.From) {
		r.mailbox("mail.from", m.From)
	}
	if len(m.To) == 0 {
		r.required("mail.to", "")
	}
	r.each("mail.to", func(value string) (code string, pairs []string) {
		if _, err := mail.ParseAddress(value); err != nil {
			return "mailbox", []string{"value", value}
		}
		return "", nil
	})
	if m.Token != "" {
		r.checkToken(m)
	} else if m.User != "" {
		r.required("mail.user_password", m.Password)
	}
}

// checkToken checks whom the relay is shown a token of: it goes over TLS, to the endpoint and to the relay.
func (r *reader) checkToken(m Mail) {
	at, err := url.Parse(m.Token)
	if err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		r.wrong("mail.token_url", "mail.token_url")
	}
	r.required("mail.user", m.User)
	r.required("mail.client_id", m.Client)
	if m.Refresh == "" {
		r.required("mail.client_secret", m.Secret)
	}
	if m.Security == "none" {
		r.wrong("mail.security", "mail.token.open")
	}
}

// checkSyslog checks how a log server is told of them.
func (r *reader) checkSyslog(s Syslog) {
	r.oneOf("syslog.transport", s.Transport, "udp", "tcp", "tls")
	r.oneOf("syslog.facility", s.Facility, "daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")
	r.oneOf("syslog.least", string(s.Least), string(releve.Warning), string(releve.Major), string(releve.Critical))
	if s.Server != "" && !hostPort(s.Server) {
		r.wrong("syslog.server", "log.server", "value", s.Server)
	}
}

// hostPort says that a text is a name or an address with a port.
func hostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, wrong := strconv.ParseUint(port, 10, 16)
	return err == nil && wrong == nil && n != 0 && host != "" && !strings.ContainsAny(host, " /@")
}

// checkWebhook checks how a program is. What is wrong with its address is told without it: it may be a secret.
func (r *reader) checkWebhook(w Webhook) {
	r.oneOf("webhook.least", string(w.Least), string(releve.Warning), string(releve.Major), string(releve.Critical))
	to, err := url.Parse(w.URL)
	if w.URL != "" && (err != nil || to.Scheme != "https" || to.Host == "" || to.User != nil) {
		r.wrong("webhook.url", "webhook.url")
	}
}

// checkCall checks who is called about them: numbers of the plan, and nobody else (SPEC K7).
func (r *reader) checkCall(c Call, a Attendant) {
	r.oneOf("call.least", string(c.Least), string(releve.Warning), string(releve.Major), string(releve.Critical))
	script, err := a.Script()
	r.each("call.people", func(value string) (code string, pairs []string) {
		number, _, ok := c.Person(value)
		switch {
		case !ok:
			return "call.person", []string{"value", value}
		case err == nil && !script.Plan.Holds(number):
			return "call.plan", []string{"number", number}
		}
		return "", nil
	})
}

// passwordLeast is how many octets a password of SNMP has (RFC 3414, 11.2).
const passwordLeast = 8

// checkSNMP checks how a network management station is.
func (r *reader) checkSNMP(s SNMP) {
	r.oneOf("snmp.version", s.Version, "3", "2c")
	r.oneOf("snmp.least", string(s.Least), string(releve.Warning), string(releve.Major), string(releve.Critical))
	if s.Server == "" {
		return
	}
	if !hostPort(s.Server) {
		r.wrong("snmp.server", "snmp.server", "value", s.Server)
	}
	if s.Version == "2c" {
		r.required("snmp.community", s.Community)
		return
	}
	r.required("snmp.user", s.User)
	for key, password := range map[string]string{"snmp.user_password": s.Password, "snmp.privacy_password": s.Privacy} {
		if r.required(key, password) && len(password) < passwordLeast {
			r.wrong(key, "password.short", "least", strconv.Itoa(passwordLeast))
		}
	}
}

func (r *reader) mailbox(key, value string) {
	if _, err := mail.ParseAddress(value); err != nil {
		r.wrong(key, "mailbox", "value", value)
	}
}

// checkWitness checks the way to the witness, which a site of the arbiter pair may
// have prepared.
func (r *reader) checkWitness(s Site, w Witness) {
	switch {
	case s.Arbiter == releve.Witness && (Config{Site: s}).oneVoice():
		r.wrong("site.arbiter", "witness.mirroring")
	case w.Address != "":
		r.address("witness.address", w.Address)
	case s.Arbiter == releve.Witness:
		r.wrong("site.arbiter", "witness")
	}
	if w.From != "" {
		r.host("witness.from", w.From)
	}
}

// checkCollisions finds two things that want the same port of one machine, and a
// server that was given its own address as the other's.
func (r *reader) checkCollisions(c *Config) {
	taken := map[string]string{}
	listens := []struct{ key, network, address string }{
		{"sip.listen", "udp", c.SIP.Listen}, {"sip.other", "udp", c.SIP.Other}, {"pbx.address", "udp", c.PBX.Address},
		{"peer.listen", "tcp", c.Peer.Listen}, {"peer.other", "tcp", c.Peer.Other},
		{"database.listen", "tcp", c.Database.Listen}, {"database.other", "tcp", c.Database.Other},
		{"console.listen", "tcp", c.Console.Listen}, {"console.other", "tcp", c.Console.Other},
		{"witness.address", "tcp", c.Witness.Address},
	}
	if c.PBX.Transport != "udp" { // both: the other server asks by datagrams
		for _, l := range listens[:2] {
			l.network = "tcp"
			listens = append(listens, l)
		}
	}
	for _, l := range listens {
		place := l.network + " " + l.address
		if first, ok := taken[place]; ok && l.address != "" {
			r.wrong(l.key, "collision", "address", l.address, "with", first)
			continue
		}
		taken[place] = l.key
	}
	sip, err := netip.ParseAddrPort(c.SIP.Listen)
	if port := int(sip.Port()); err == nil && c.SIP.RTPFirst <= port && port <= c.SIP.RTPLast {
		r.wrong("sip.listen", "collision.rtp", "port", strconv.Itoa(port))
	}
}

// credentials are the files by which a program of the site is known, and the table
// that names them.
type credentials struct{ table, ca, certificate, key string }

// checkCertificates looks at the files as the link itself will.
func (r *reader) checkCertificates(c *Config) {
	p, id := c.Peer, identity.Identity{Site: c.Site.ID, Seat: c.Site.Seat}
	authorities := r.checkCredentials(credentials{"peer", p.CA, p.Certificate, p.Key}, id)
	r.required("peer.other_certificate", p.OtherCertificate)
	id.Seat = id.Seat.Other()
	r.checkCertificate("peer.other_certificate", p.OtherCertificate, authorities, id)
	r.checkWhole("peer.certificate", p.Files())
}

func (r *reader) checkCredentials(c credentials, id identity.Identity) identity.Authorities {
	ca, certificate, key := c.table+".ca", c.table+".certificate", c.table+".key"
	r.required(ca, c.ca)
	r.required(certificate, c.certificate)
	r.required(key, c.key)
	if info, err := os.Stat(c.key); c.key != "" && err == nil && info.Mode().Perm()&0o077 != 0 {
		r.wrong(key, "key.open", "file", c.key)
	}
	authorities, err := identity.LoadAuthorities(c.ca)
	r.fault(ca, err)
	r.fault(key, identity.CheckPair(c.certificate, c.key))
	r.checkCertificate(certificate, c.certificate, authorities, id)
	return authorities
}

// checkWhole: files that are each right may still be those of different keys.
func (r *reader) checkWhole(key string, files identity.Files) {
	table, _, _ := strings.Cut(key, ".")
	for _, named := range []string{"ca", "certificate", "key", "other_certificate"} {
		if r.said[table+"."+named] {
			return
		}
	}
	_, err := identity.Load(files)
	r.fault(key, err)
}
