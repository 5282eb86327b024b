package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/adapters/survey/talk"
	"releve/config/site"
	rules "releve/rules/study"
	paper "releve/screen/study"
	"releve/screen/words"
	"releve/server/study"
)

// surveyed is what one end of a study is told.
type surveyed struct {
	own, other string
	port       uint16
	data       string
	code       string // file with it
}

func (e *surveyed) add(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&e.own, "own", "", "")
	f.StringVar(&e.other, "peer", "", "")
	f.Uint16Var(&e.port, "port", 7445, "")
	f.StringVar(&e.data, "data", "data", "")
	f.StringVar(&e.code, "code-file", "", "")
}

// addresses reads both, the other's only where there is one.
func (s *settings) addresses(e surveyed) (own, other netip.Addr, err error) {
	for _, typed := range []struct {
		flag, value string
		into        *netip.Addr
	}{{"--own", e.own, &own}, {"--peer", e.other, &other}} {
		if typed.flag == "--peer" && typed.value == "" {
			continue
		}
		if *typed.into, err = netip.ParseAddr(typed.value); err != nil {
			return own, other, s.complaint(codeUsage, "address-bad", "flag", typed.flag, "value", typed.value, "form", s.say("form-address"))
		}
	}
	if own == other {
		return own, other, s.complaint(codeUsage, "study-same", "address", e.own)
	}
	if l, err := net.ListenUDP("udp", &net.UDPAddr{IP: own.AsSlice()}); err == nil {
		return own, other, l.Close()
	}
	return own, other, s.complaint(codeMissing, "study-not-own", "address", e.own)
}

// newStudy is the end that leads, on the main server.
func newStudy(s *settings) *cobra.Command {
	var e surveyed
	d := site.Defaults()
	q := releve.StudyQuestion{
		Channels: d.Channels, Telephony: releve.TelephonySIP, SIPPort: d.Main.SIPPort, RTPFirst: d.Main.RTPFirst, RTPLast: d.Main.RTPLast,
		PeerPort: d.Main.PeerPort, DatabasePort: d.Main.DatabasePort, ConsolePort: d.Main.ConsolePort,
	}
	var kept saved
	var secrets releve.StudySecrets
	reception := password{flag: "--reception-password", into: &secrets.Reception}
	standby := password{flag: "--standby-password", into: &secrets.Standby}
	c := &cobra.Command{
		Use: "study", Args: s.noArgs,
		Example: "  releve study answer --own 192.0.2.22 --peer 192.0.2.21      # on the secondary, first: it shows a code\n" +
			"  releve study --own 192.0.2.21 --peer 192.0.2.22 --pbx 192.0.2.10 --establishment \"Hôpital Saint-Luc\" \\\n" +
			"      --integrator \"Télécom Sud\" --ntp 192.0.2.1 --mail mail.example:25 --save study.json --page study.html",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.question(&q, e); err != nil {
				return err
			}
			if q.ReceptionNumber != "" { // else no call is made
				if err := s.take(c, reception, standby); err != nil {
					return err
				}
			}
			made, err := s.study(c, q, secrets, e)
			if err != nil {
				return err
			}
			return s.showStudy(c, made, kept)
		},
	}
	e.add(c)
	f := c.Flags()
	f.StringVar(&q.PBX, "pbx", "", "")
	f.StringVar(&q.Domain, "domain", "", "")
	f.StringVar(&q.ReceptionNumber, "reception-number", "", "")
	f.StringVar(&q.ReceptionUser, "reception-user", d.ReceptionUser, "")
	f.StringVar(&reception.file, "reception-password-file", "", "")
	f.StringVar(&q.StandbyUser, "standby-user", d.StandbyUser, "")
	f.StringVar(&standby.file, "standby-password-file", "", "")
	f.StringVar(&q.Establishment, "establishment", "", "")
	f.StringVar(&q.Integrator, "integrator", "", "")
	f.IntVar(&q.Channels, "channels", q.Channels, "")
	f.StringVar(&q.Telephony, "telephony", q.Telephony, "")
	f.StringVar(&q.NTP, "ntp", "", "")
	f.StringVar(&q.Mail, "mail", "", "")
	f.StringVar(&q.SNMP, "snmp", "", "")
	f.StringVar(&q.Witness, "witness", "", "")
	f.Uint16Var(&q.SIPPort, "sip-port", q.SIPPort, "")
	f.Uint16Var(&q.PeerPort, "peer-port", q.PeerPort, "")
	f.Uint16Var(&q.DatabasePort, "database-port", q.DatabasePort, "")
	f.Uint16Var(&q.ConsolePort, "console-port", q.ConsolePort, "")
	f.IntVar(&q.RTPFirst, "rtp-first", q.RTPFirst, "")
	f.IntVar(&q.RTPLast, "rtp-last", q.RTPLast, "")
	kept.add(c)
	c.AddCommand(newStudyAnswer(s), newStudyShow(s), newStudySign(s), newStudyAdopt(s), newStudyReplay(s))
	return c
}

// saved are the files that a study is kept in, "" for none.
type saved struct{ file, page string }

func (k *saved) add(c *cobra.Command) {
	c.Flags().StringVar(&k.file, "save", "", "")
	c.Flags().StringVar(&k.page, "page", "", "")
}

// question completes what is asked, and refuses what makes no sense.
func (s *settings) question(q *releve.StudyQuestion, e surveyed) error {
	q.Main, q.Secondary = e.own, e.other
	if err := s.oneOf("--telephony", q.Telephony, releve.TelephonySIP, releve.TelephonyAnalogue); err != nil {
		return err
	}
	if q.Channels < 1 || q.RTPFirst < 1 || q.RTPLast > 65535 || q.RTPFirst > q.RTPLast {
		return s.complaint(codeUsage, "study-numbers")
	}
	for flag, place := range map[string]*string{"--pbx": &q.PBX, "--mail": &q.Mail, "--snmp": &q.SNMP, "--witness": &q.Witness} {
		if err := s.hostPort(flag, place); err != nil {
			return err
		}
	}
	return nil
}

// usual are the ports that nobody needs to type.
var usual = map[string]string{"--pbx": "5060", "--mail": "25", "--snmp": "162", "--witness": "7444"}

// hostPort reads a host with or without its port.
func (s *settings) hostPort(flag string, place *string) error {
	if *place == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(*place)
	if err != nil {
		host, port = *place, usual[flag]
		*place = net.JoinHostPort(host, port)
	}
	if _, err := net.LookupPort("udp", port); err != nil || host == "" {
		return s.complaint(codeUsage, "address-bad", "flag", flag, "value", *place, "form", s.say("form-address-port"))
	}
	return nil
}

// study leads one.
func (s *settings) study(c *cobra.Command, q releve.StudyQuestion, secrets releve.StudySecrets, e surveyed) (made releve.Study, err error) {
	own, other, err := s.addresses(e)
	if err != nil {
		return made, err
	}
	if q.Main = own.Unmap().String(); other.IsValid() { // as a site writes them, that is compared with them
		q.Secondary = other.Unmap().String()
	}
	hands := instruments(own, other, e.data)
	defer hands.Close()
	l := study.Lead{
		Question: q, Secrets: secrets, Ends: map[releve.Seat]study.End{releve.Main: hands}, Tell: func(p study.Progress) { s.studyStep(c, p) },
	}
	if other.IsValid() {
		conn, err := s.join(c, own, other, e)
		if err != nil {
			return made, err
		}
		defer conn.Close()
		defer context.AfterFunc(c.Context(), func() { _ = conn.Close() })()
		l.Ends[releve.Secondary] = study.Far{Wire: conn}
	}
	at := time.Now()
	taken, err := l.Run(c.Context())
	if c.Context().Err() != nil {
		return made, c.Context().Err()
	}
	if err != nil {
		fmt.Fprintln(c.ErrOrStderr(), s.say("study-end-lost", "why", s.detail(err)))
	}
	made = releve.Study{Format: releve.StudyFormat, Version: readVersion().Version, At: at, Question: q}
	made.Findings, made.Levels = rules.Judge(q, taken)
	return made, nil
}

// joinLimit is how long the other end may take to be started.
const joinLimit = time.Minute

func (s *settings) join(c *cobra.Command, own, other netip.Addr, e surveyed) (*talk.Conn, error) {
	code, err := s.studyCode(c, e.code)
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(other, e.port)
	fmt.Fprintln(c.ErrOrStderr(), s.say("study-joining", "address", at.String()))
	ctx, done := context.WithTimeout(c.Context(), joinLimit)
	defer done()
	conn, err := talk.Dial(ctx, own, at, code)
	switch {
	case c.Context().Err() != nil:
		return nil, c.Context().Err()
	case err != nil:
		return nil, s.complaint(codeUnreachable, "study-unreachable", "address", at.String(), "own", own.String(), "why", s.detail(err))
	}
	return conn, nil
}

// studyCode is the code that the other end shows, typed or from a file.
func (s *settings) studyCode(c *cobra.Command, file string) (string, error) {
	var typed string
	if err := s.take(c, password{flag: "--code", file: file, into: &typed}); err != nil {
		return "", err
	}
	code, ok := talk.Bare(typed)
	if !ok {
		return "", s.complaint(codeUsage, "study-code-bad")
	}
	return code, nil
}

func (s *settings) studyStep(c *cobra.Command, p study.Progress) {
	fmt.Fprintf(c.ErrOrStderr(), "%d/%d  %s\n", p.Step, p.Of, words.Say(s.lang(), p.What))
}

// showStudy keeps a study where it was asked to be, and shows it.
func (s *settings) showStudy(c *cobra.Command, made releve.Study, kept saved) error {
	if err := s.keepStudy(made, kept); err != nil {
		return err
	}
	width, _ := terminal(c)
	return shown(s, c, made, nil, func(st releve.Study) string { return paper.Text(st, s.lang(), width) })
}
