package mail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"releve"
	"releve/rules/alarm"
)

// answerLimit is how long the relay may take until it is ready for a letter; the context bounds the whole.
const answerLimit = time.Minute

// talk connects, shows who this is, has something done and leaves. The end of ctx ends it at any point.
func (s Sender) talk(ctx context.Context, do func(*smtp.Client) error) (again bool, err error) {
	ctx, end := context.WithCancel(ctx)
	defer end() // closes the connection: the library leaves it open where something went wrong
	trust, err := s.trust()
	if err != nil {
		return true, &releve.Fault{Cause: err, Why: releve.Say("mail-ca", "file", s.CA, "why", releve.Reason(err))}
	}
	kept := false // a token from before
	if s.Tokens != nil {
		kept = s.Tokens.holds()
		if s.Password, again, err = s.Tokens.get(ctx); err != nil {
			return again, err
		}
	}
	client, err := gomail.NewClient(s.Host, s.options(ctx, trust)...)
	if err != nil {
		return false, s.fault(err, "mail-options")
	}
	c, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		again, err = s.failure(err)
		if s.Tokens != nil && !again {
			s.Tokens.forget()
			again = kept // it may have been revoked since
		}
		return again, err
	}
	if err := do(c); err != nil {
		again, why := s.failure(err)
		if _, taken := errors.AsType[Partly](err); taken {
			why = Partly{why}
		}
		return again, why
	}
	_ = c.Quit() // it was taken, whatever becomes of the farewell
	return false, nil
}

func (s Sender) options(life context.Context, trust *tls.Config) []gomail.Option {
	all := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(answerLimit), gomail.WithTLSConfig(trust), gomail.WithDialContextFunc(s.dial(life, trust)),
	}
	switch s.Security {
	case TLS:
		all = append(all, gomail.WithTLSPolicy(gomail.TLSOpportunistic)) // it is there before the first word: see dial
	case StartTLS:
		all = append(all, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		all = append(all, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.User != "" {
		way := gomail.SMTPAuthAutoDiscover
		if s.Tokens != nil {
			way = gomail.SMTPAuthXOAUTH2
		}
		all = append(all, gomail.WithUsername(s.User), gomail.WithPassword(s.Password), gomail.WithSMTPAuth(way))
	}
	return all
}

// dial makes connections that end with life.
func (s Sender) dial(life context.Context, trust *tls.Config) gomail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(life, func() { _ = conn.Close() })
		if s.Security != TLS {
			return conn, nil
		}
		closed := tls.Client(conn, trust)
		return closed, closed.HandshakeContext(ctx)
	}
}

// address tells the relay from whom and to whom. refused is the first that it does not take, where it takes
// another; err that nothing can be sent.
func (s Sender) address(c *smtp.Client) (refused, err error) {
	if err := c.Mail(angled(s.From)); err != nil {
		return nil, err
	}
	taken := false
	for _, to := range s.To {
		err := c.Rcpt(angled(to))
		taken = taken || err == nil
		refused = cmp.Or(refused, err)
	}
	if !taken {
		return nil, refused
	}
	return refused, nil
}

// angled is an address as SMTP writes it.
func angled(address string) string {
	if parsed, err := mail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	return "<" + address + ">"
}

// write sends the letter's text, and returns when the relay has taken it.
func (s Sender) write(c *smtp.Client, l alarm.Letter) error {
	message, err := s.message(l)
	if err != nil {
		return err
	}
	out, err := c.Data()
	if err != nil {
		return err
	}
	_, err = message.WriteTo(out)
	return errors.Join(err, out.Close())
}

// message is a letter as a mail. A relay, or a reader, that has it twice can tell.
func (s Sender) message(l alarm.Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	if err := errors.Join(m.From(s.From), m.To(s.To...)); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(strings.Trim(angled(s.From), "<>"), "@")
	name := sha256.Sum256([]byte(l.ID))
	m.SetMessageIDWithValue(hex.EncodeToString(name[:12]) + "@" + domain)
	m.SetDateWithValue(l.At)
	m.Subject(l.Subject)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence answers it
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	return m, nil
}

// failure: what a relay refuses for good is not tried again; all else may be another time, and a relay that
// cannot be reached is (RFC 5321, 4.2.1).
func (s Sender) failure(err error) (again bool, why error) {
	said, answered := errors.AsType[*textproto.Error](err)
	switch {
	case !answered:
		return true, s.fault(err, "mail-unreached")
	case said.Code < 500:
		return true, s.fault(said, "mail-later")
	case said.Code == 535 || said.Code == 534 || said.Code == 530: // RFC 4954, 6
		return false, s.fault(said, "mail-password")
	}
	return false, s.fault(said, "mail-refused")
}

func (s Sender) fault(err error, code string) *releve.Fault {
	at := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	return &releve.Fault{Cause: err, Why: releve.Say(code, "server", at, "why", releve.Reason(err))}
}
