// Package trial tries a PBX for a study, with the telephone that will serve there.
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

// trial is a server's place at the PBX.
type trial struct {
	own, pbx netip.AddrPort
	q        releve.StudyQuestion
	seat     releve.Seat
}

// Measure tries the PBX of a question from where this server will be.
func Measure(ctx context.Context, own netip.Addr, q releve.StudyQuestion, seat releve.Seat) []releve.Measurement {
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
	t := trial{netip.AddrPortFrom(own, q.SIPPort), netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), q, seat}
	return append([]releve.Measurement{t.answers(ctx)}, t.untried()...)
}

// untried are the prerequisites of the PBX that are not measured.
func (t trial) untried() (all []releve.Measurement) {
	for _, item := range study.OfPBX(t.q, t.seat) {
		all = append(all, releve.Measurement{
			Check: item.Check, Seat: item.Seat, About: item.About, State: releve.Unmeasured, Why: releve.Say("study-pbx-untried"),
		})
	}
	return all
}

// silence is how long a PBX may take to say that it is there. Ours is asked again each 500 ms
// while it serves, and counted out after a few of them.
const silence = 4 * time.Second

// questions is how often it is asked: the first finds the way.
const questions = 5

// open takes the server's SIP port: a PBX sees the one that it will see.
func (t trial) open() (*phone.Phone, error) {
	return phone.New(phone.Options{
		Listen: t.own, PBX: t.pbx, Domain: cmp.Or(t.q.Domain, t.pbx.Addr().String()), User: phone.Account{User: "releve"},
		RTPFirst: t.q.RTPFirst, RTPLast: t.q.RTPLast, Log: slog.New(slog.DiscardHandler),
	})
}

// answers measures whether the PBX answers this server at all, whatever it says.
func (t trial) answers(ctx context.Context) releve.Measurement {
	m := releve.Measurement{Check: "pbx-answers", Seat: t.seat, State: releve.Unmeasured}
	p, err := t.open()
	if err != nil {
		m.Why = releve.Say("study-unreadable", "what", t.own.String(), "cause", releve.Reason(err))
		return m
	}
	defer p.Close()
	p.Serve(phone.Handler{Invite: func(in *phone.Incoming) { _ = in.Refuse(480) }})
	quickest := silence
	for range questions {
		bounded, done := context.WithTimeout(ctx, silence)
		begin := time.Now()
		_, err := p.Options(bounded)
		done()
		if err != nil {
			m.State, m.Who, m.Why = releve.Broken, releve.PBXMaintainer, releve.Say("study-pbx-silent", "pbx", t.pbx.String(), "cause", releve.Reason(err))
			return m
		}
		quickest = min(quickest, time.Since(begin))
	}
	m.State, m.Value = releve.Measured, quickest.Seconds()
	return m
}
