// Package trial tries a PBX for a study, with the telephone that will serve there: real
// registrations and real calls (SPEC E3).
//
// It touches nobody's binding: a user that the PBX shows registered elsewhere is left alone, and
// then nothing is tried. What it registers it takes away again.
package trial

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/rules/study"
)

// trial is a server's place at the PBX, and what it found there.
type trial struct {
	own, pbx           netip.AddrPort
	q                  releve.StudyQuestion
	seat               releve.Seat
	reception, standby phone.Account
	found              map[study.Item]releve.Measurement
}

// Measure tries the PBX of a question from where this server will be. The secondary registers its
// user; the rest belongs to the PBX, and the main tries it.
func Measure(
	ctx context.Context, own netip.Addr, q releve.StudyQuestion, secrets releve.StudySecrets, seat releve.Seat,
) []releve.Measurement {
	m := releve.Measurement{Check: "pbx-answers", Seat: seat, State: releve.Unmeasured}
	if q.PBX == "" {
		m.Why = releve.Say("study-no-pbx")
		return []releve.Measurement{m}
	}
	found, err := net.ResolveUDPAddr("udp", q.PBX)
	if err != nil {
		m.State, m.Why = releve.Broken, releve.Say("study-service-unreachable", "server", q.PBX, "cause", releve.Reason(err))
		return []releve.Measurement{m}
	}
	at := found.AddrPort()
	t := &trial{
		own: netip.AddrPortFrom(own, q.SIPPort), pbx: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), q: q, seat: seat,
		reception: phone.Account{User: q.ReceptionUser, Password: secrets.Reception, Expires: enough},
		standby:   phone.Account{User: q.StandbyUser, Password: secrets.Standby, Expires: enough},
		found:     map[study.Item]releve.Measurement{},
	}
	m = t.answers(ctx)
	return append([]releve.Measurement{m}, t.users(ctx, m)...)
}

// users tries what needs the two users, once the PBX answers at all.
func (t *trial) users(ctx context.Context, answers releve.Measurement) (all []releve.Measurement) {
	var why releve.Sentence
	switch {
	case answers.State != releve.Measured:
		why = releve.Say("study-pbx-silence-first")
	case t.q.ReceptionNumber == "" || t.reception.Password == "" || t.standby.Password == "":
		why = releve.Say("study-no-users")
	case t.seat == releve.Secondary:
		t.register(ctx)
	default:
		if why = t.calls(ctx); why.Code == "" {
			why = releve.Say("study-pbx-not-seen")
		}
	}
	for _, item := range study.OfPBX(t.q, t.seat) {
		m, tried := t.found[item]
		if !tried {
			m = releve.Measurement{State: releve.Unmeasured, Why: why}
		}
		m.Check, m.Seat, m.About = item.Check, item.Seat, item.About
		all = append(all, m)
	}
	return all
}

// The three ways in which a check ends.
func (t *trial) has(check, about string, value float64, text string) {
	t.found[study.Item{Check: check, Seat: t.seat, About: about}] = releve.Measurement{State: releve.Measured, Value: value, Text: text}
}

func (t *trial) leaves(check string, why releve.Sentence) {
	t.found[study.Item{Check: check, Seat: t.seat}] = releve.Measurement{State: releve.Unmeasured, Why: why}
}

func (t *trial) lacks(check, about string, why releve.Sentence) {
	t.found[study.Item{Check: check, Seat: t.seat, About: about}] = releve.Measurement{State: releve.Broken, Why: why}
}

// open takes a port. as is the user as whom the PBX is asked: a question of nobody looks like an
// attack to many, and a challenge without an answer does to all.
func (t *trial) open(port netip.AddrPort, as phone.Account, h phone.Handler) (*phone.Phone, error) {
	p, err := phone.New(phone.Options{
		Listen: port, PBX: t.pbx, Domain: cmp.Or(t.q.Domain, t.pbx.Addr().String()), User: as,
		RTPFirst: t.q.RTPFirst, RTPLast: t.q.RTPLast, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		p.Serve(h)
	}
	return p, err
}

const (
	// silence is how long a PBX may take to say that it is there. Ours is asked again each 500 ms
	// while it serves, and counted out after a few of them.
	silence = 4 * time.Second
	// questions is how often it is asked: the first finds the way.
	questions = 5
	// shortest is the binding that is asked for to see what is granted; a PBX that wants a longer one
	// says so (423). enough outlasts the calls.
	shortest = 10 * time.Second
	enough   = 3 * time.Minute
)

// asker is the user as whom the PBX is asked.
func (t *trial) asker() phone.Account {
	if t.standby.User == "" {
		return phone.Account{User: "releve"}
	}
	return t.standby
}

// refuse is what a telephone does whom nobody is to call.
func refuse(in *phone.Incoming) { _ = in.Refuse(480) }

// answers measures whether the PBX answers this server at all, whatever it says.
func (t *trial) answers(ctx context.Context) releve.Measurement {
	m := releve.Measurement{Check: "pbx-answers", Seat: t.seat, State: releve.Unmeasured}
	p, err := t.open(t.own, t.asker(), phone.Handler{Invite: refuse})
	if err != nil {
		m.Why = releve.Say("study-unreadable", "what", t.own.String(), "cause", releve.Reason(err))
		return m
	}
	defer p.Close()
	quickest := silence
	for range questions {
		bounded, done := context.WithTimeout(ctx, silence)
		begin := time.Now()
		_, challenged, err := p.Ask(bounded)
		done()
		if err != nil {
			m.State, m.Why = releve.Broken, releve.Say("study-pbx-silent", "pbx", t.pbx.String(), "cause", releve.Reason(err))
			return m
		}
		quickest = min(quickest, time.Since(begin))
		if challenged && t.asker().Password == "" {
			break
		}
	}
	m.State, m.Value = releve.Measured, quickest.Seconds()
	return m
}

// register is the secondary's share: its own user, bound and let go.
func (t *trial) register(ctx context.Context) {
	p, err := t.open(t.own, t.asker(), phone.Handler{Invite: refuse})
	if err != nil {
		return
	}
	defer p.Close()
	if t.bind(ctx, p, t.standby) {
		_ = p.Unregister(ctx, t.standby)
	}
}

// bind registers a user for this server, and says what came of it.
func (t *trial) bind(ctx context.Context, p *phone.Phone, a phone.Account) bool {
	bounded, done := context.WithTimeout(ctx, silence)
	defer done()
	_, err := p.Register(bounded, a)
	if err != nil {
		t.lacks("pbx-register", "", releve.Say("study-pbx-register", "user", a.User, "cause", releve.Reason(err)))
		return false
	}
	t.has("pbx-register", "", 0, "")
	return true
}
