// Package mail sends alarms to people over SMTP (RFC 5321), by a relay of the establishment: plain, with
// STARTTLS or over TLS, with a password, a token or without. It sends once and says whether to try again is of any
// use; when, and what is sent, others decide.
package mail

import (
	"context"
	"crypto/tls"

	"github.com/wneessen/go-mail/smtp"

	"releve/doors/identity"
	"releve/rules/alarm"
)

// Security is how the way to the relay is closed to others.
type Security string

// The ways. A relay that does not offer what was asked for gets nothing.
const (
	Plain    Security = "none"
	StartTLS Security = "starttls"
	TLS      Security = "tls"
)

// Options say how the relay is reached, and as whom.
type Options struct {
	Host     string
	Port     int
	Security Security
	CA       string // a file with the certificates that sign the relay's; "": the machine's
	User     string // "": without a password
	Password string
	Tokens   *Tokens // instead of the password
	From     string
	To       []string
}

// Sender sends by one relay.
type Sender struct{ Options }

// trust is whom the relay has to prove itself to.
func (s Sender) trust() (*tls.Config, error) {
	c, err := identity.Trusting(s.CA)
	if err != nil {
		return nil, err
	}
	c.ServerName = s.Host
	return c, nil
}

// Name is mail's.
func (s Sender) Name() string { return string(alarm.Mail) }

// Notify gives a letter to the relay. Where the relay refuses some of those to whom it goes it is given to
// the others, and the error is a [Partly]. Each error is a [releve.Fault].
func (s Sender) Notify(ctx context.Context, l alarm.Letter) (again bool, err error) {
	return s.talk(ctx, func(c *smtp.Client) error {
		refused, err := s.address(c)
		if err != nil {
			return err
		}
		if err := s.write(c, l); err != nil {
			return err
		}
		return partly(refused)
	})
}

// Probe goes as far as the relay's word on whether it would take a letter to each of them.
func (s Sender) Probe(ctx context.Context) (again bool, err error) {
	return s.talk(ctx, func(c *smtp.Client) error {
		refused, err := s.address(c)
		_ = c.Reset() // nothing was sent, and the connection ends
		if err != nil {
			return err
		}
		return partly(refused)
	})
}

// Partly is an error of a letter that was taken, though not for everybody.
type Partly struct{ error }

// Taken says that it was.
func (Partly) Taken() bool { return true }

// Unwrap is the first that was refused.
func (p Partly) Unwrap() error { return p.error }

func partly(refused error) error {
	if refused == nil {
		return nil
	}
	return Partly{refused}
}
