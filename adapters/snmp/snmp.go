// Package snmp tells a network management station of alarms: notifications of SNMP, version 3 with authentication
// and privacy (RFC 3414, 3826 and 7860) or version 2c, in the words of RELEVE-MIB (docs/monitoring).
//
// An inform is answered by its receiver, and counts as told then. A trap is not: over UDP it was sent, and that is all.
package snmp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"releve"
	"releve/rules/alarm"
)

// Version is how a receiver is spoken to.
type Version string

// The versions. What version 2c says is read by anybody on the way.
const (
	V3  Version = "3"
	V2c Version = "2c"
)

const (
	// answerWithin is how long an answer is awaited, and asked for again as often as retries says.
	answerWithin = 3 * time.Second
	retries      = 2
	// probeWithin is how long a receiver may take to refuse us: one that believes us has no answer to a question.
	probeWithin = 2 * time.Second
)

// Options say where the receiver is, and who we are to it.
type Options struct {
	Server    string // host:port
	Version   Version
	Inform    bool
	Community string // of version 2c
	User      string // of version 3, with SHA-256 and AES-128
	Password  string
	Privacy   string
	SiteID    string
	Engine    *Engine
}

// Sender tells one receiver.
type Sender struct{ Options }

// Name is snmp's.
func (Sender) Name() string { return "snmp" }

// Remark says of traps that nobody answers them, and by which engine their user is known.
func (s Sender) Remark() *releve.Sentence {
	if s.Inform {
		return nil
	}
	code := "snmp-trap"
	if s.Version == V3 {
		code = "snmp-trap-engine"
	}
	said := releve.Say(code, "engine", s.Engine.String())
	return &said
}

// Notify tells of each alarm, a notification each. It fails with a [releve.Fault].
func (s Sender) Notify(ctx context.Context, l alarm.Letter) (again bool, err error) {
	return s.talk(ctx, answerWithin, func(to *gosnmp.GoSNMP) error {
		for _, n := range s.notifications(l) {
			answer, err := to.SendTrap(gosnmp.SnmpTrap{IsInform: s.Inform, Variables: n})
			if err == nil && answer.Error != gosnmp.NoError {
				err = refusal{answer.Error.String()}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Probe asks a receiver of informs something that it need not answer: it refuses whom it does not know, and says
// which engine it is. Of any other only the way there is tried.
func (s Sender) Probe(ctx context.Context) (again bool, err error) {
	return s.talk(ctx, probeWithin, func(to *gosnmp.GoSNMP) error {
		if s.Version != V3 || !s.Inform {
			return nil
		}
		to.Retries = 0
		_, err := to.Get([]string{sysUpTime})
		if usm, is := to.SecurityParameters.(*gosnmp.UsmSecurityParameters); is && usm.AuthoritativeEngineID != "" && silent(err) {
			return nil
		}
		return err
	})
}

// talk has something said, within a context's time, and reads what went wrong: a receiver that does not know us
// now will not by itself, all else may be right another time.
func (s Sender) talk(ctx context.Context, within time.Duration, say func(*gosnmp.GoSNMP) error) (again bool, err error) {
	to, err := s.session(ctx, within)
	if err == nil {
		err = to.Connect()
	}
	if err == nil {
		defer context.AfterFunc(ctx, func() { _ = to.Conn.Close() })()
		err = errors.Join(say(to), to.Close())
	}
	if err == nil {
		return false, nil
	}
	if fault, is := errors.AsType[*releve.Fault](err); is {
		return true, fault
	}
	code := "snmp-unreached"
	if refused(err) {
		code = "snmp-refused"
	}
	return code == "snmp-unreached", &releve.Fault{Cause: err, Why: releve.Say(code, "server", s.Server, "why", s.reason(err))}
}

// reason is why, as people read it.
func (s Sender) reason(err error) string {
	switch {
	case silent(err):
		return releve.Reason(releve.Known("no answer", "cause-snmp-silent"))
	case refused(err):
		return releve.Reason(releve.Explained(err, "the receiver does not know this user, or not by these passwords", "cause-snmp-unknown"))
	}
	return releve.Reason(err)
}

// silent says that nobody answered. The library has the last wait's end as one error or the other.
func silent(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return errors.Is(err, gosnmp.ErrMaxRetriesExceeded) || errors.Is(err, context.DeadlineExceeded) || is && timeout.Timeout()
}

// refusal is a notification that the receiver answered with an error.
type refusal struct{ status string }

func (r refusal) Error() string { return r.status }

// refused says that the receiver answered, and not with yes. A report that it does not know us is not authentic,
// for it could not be; the library throws it away with an error that it has no name for.
func refused(err error) bool {
	_, answered := errors.AsType[refusal](err)
	if answered || err.Error() == unauthentic {
		return true
	}
	for _, known := range []error{
		gosnmp.ErrUnknownUsername, gosnmp.ErrWrongDigest, gosnmp.ErrDecryption, gosnmp.ErrUnknownSecurityLevel,
		gosnmp.ErrUnknownSecurityModels, gosnmp.ErrUnknownPDUHandlers,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

const unauthentic = "incoming packet is not authentic, discarding"

// session is one talk with the receiver, not yet begun. Of an inform the receiver's engine keeps the time, and is
// asked for it; of a trap ours does.
func (s Sender) session(ctx context.Context, within time.Duration) (*gosnmp.GoSNMP, error) {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(cmp.Or(port, "162"), 10, 16)
	if err != nil {
		return nil, err
	}
	to := &gosnmp.GoSNMP{
		Target: host, Port: uint16(number), Transport: "udp", Context: ctx, Timeout: within, Retries: retries, MaxOids: gosnmp.MaxOids,
		Version: gosnmp.Version2c, Community: s.Community,
	}
	if s.Version == V2c {
		return to, nil
	}
	usm := &gosnmp.UsmSecurityParameters{
		UserName:               s.User,
		AuthenticationProtocol: gosnmp.SHA256, AuthenticationPassphrase: s.Password,
		PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: s.Privacy,
	}
	if !s.Inform {
		usm.AuthoritativeEngineID = s.Engine.id
		if usm.AuthoritativeEngineBoots, usm.AuthoritativeEngineTime, err = s.Engine.now(); err != nil {
			return nil, &releve.Fault{Cause: err, Why: releve.Say("snmp-engine", "file", s.Engine.file, "why", releve.Reason(err))}
		}
	}
	to.Version, to.SecurityModel, to.MsgFlags, to.SecurityParameters = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv, usm
	return to, nil
}
