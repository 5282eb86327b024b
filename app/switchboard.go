package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/agent"
	"releve/attendant"
	"releve/calls"
	"releve/peer"
	"releve/phone"
	"releve/view"
)

// telephony is the side of a server that callers reach: the switchboard, or nothing on
// a server that is mute.
type telephony interface {
	ports() (agent.Telephone, agent.Voice)
	serve() // begins to hear what comes
	run(clips clips, begin func(func(context.Context)))
	leave(ctx context.Context) // lets callers go
	known() []view.Call
}

// switchboard joins the telephone, the calls on it and the lines to the PBX.
type switchboard struct {
	*App
	phone     *phone.Phone
	telephone *telephone
	calls     *calls.Calls
	lessons   *lessons
	incoming  chan *phone.Incoming
	asking    chan struct{} // held by the question over SIP that is being answered
}

// incomingQueue holds calls that nobody has taken up yet.
const incomingQueue = 1024

// openTelephony opens the sockets of SIP. The agent is made after it, and so nothing is
// read from them before serve.
func (a *App) openTelephony() error {
	if a.config.Mute() {
		a.telephony = mute{}
		return nil
	}
	s := &switchboard{App: a, incoming: make(chan *phone.Incoming, incomingQueue), asking: make(chan struct{}, 1)}
	a.telephony = s
	if err := s.openPhone(); err != nil {
		return err
	}
	s.openLines()
	if err := s.makeCalls(); err != nil {
		return err
	}
	s.lessons = newLessons(s)
	return nil
}

func (s *switchboard) openPhone() (err error) {
	c := s.config
	s.phone, err = phone.New(phone.Options{
		Listen: address(c.SIP.Listen), PBX: address(c.PBX.Address), Domain: c.PBX.Domain,
		Sources: written(c.PBX.Sources), Networks: written(c.PBX.Networks), Other: address(c.SIP.Other).Addr(),
		RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast, Log: s.log,
		OnInvite: s.offered, OnCheck: s.checked, OnUnfit: s.unfit, User: s.ownUser(),
		Unacknowledged: max(1, c.SIP.Channels/8), OnPanic: s.panicked,
	})
	if err != nil {
		return missing(err)
	}
	s.closers = append(s.closers, func() { _ = s.phone.Close() })
	return nil
}

// panicked tells the operator of a fault of the program that ended one message or call (K9).
func (s *switchboard) panicked(what string) {
	s.explain("major", view.Say("event-message-broken", "cause", what))
}

// ownUser is the user that this server registers before anything else happens.
func (s *switchboard) ownUser() phone.Account {
	reception, standby := s.accounts()
	if s.config.Site.Seat == releve.Secondary && standby.User != "" {
		return standby
	}
	return reception
}

func (s *switchboard) accounts() (reception, standby phone.Account) {
	c, expires := s.config.PBX, s.config.PBX.Expires.Std()
	return phone.Account{User: c.ReceptionUser, Password: c.ReceptionPassword, Expires: expires},
		phone.Account{User: c.StandbyUser, Password: c.StandbyPassword, Expires: expires}
}

// unfit shows a call that the phone refused for what it offers or asks.
func (s *switchboard) unfit(u phone.Unfit) {
	s.calls.Unacceptable(u.Invite, &calls.Unacceptable{Code: u.Code, Why: u.Why}, u.Answered)
}

func (s *switchboard) openLines() {
	c := s.config
	reception, standby := s.accounts()
	mayRegister := func(own, any bool) bool { return s.agent.MayRegister(own, any) }
	mayStandBy := func(own, any bool) bool { return s.agent.MayStandBy(own, any) }
	s.telephone = &telephone{
		phone: s.phone, peer: s.peer, other: address(c.SIP.Other), number: c.PBX.ReceptionNumber,
		reception: newLine(s.phone, reception, mayRegister, s.explain, s.log),
		standby:   newLine(s.phone, standby, mayStandBy, s.explain, s.log),
	}
}

func (s *switchboard) makeCalls() error {
	c := s.config
	plan, err := attendant.ParsePlan(c.Attendant.Extensions...)
	if err != nil {
		return err
	}
	s.calls, err = calls.New(calls.Options{
		Seat: c.Site.Seat, Channels: c.SIP.Channels, Duty: s, Spool: s.spool, Run: s.spool.Run(), Began: time.Now(), Log: s.log,
		Profile: calls.Profile{
			Evidence: calls.Evidence(c.PBX.Evidence), ReceptionUser: phone.Bare(c.PBX.ReceptionUser), ReceptionNumber: phone.Bare(c.PBX.ReceptionNumber),
			CountryCode: c.PBX.CountryCode,
			StandbyUser: phone.Bare(c.PBX.StandbyUser), RefusalCode: c.PBX.RefusalCode, BusyCode: c.PBX.BusyCode,
		},
		Script: attendant.Script{
			Language: c.Attendant.Language, ExtensionDigits: c.Attendant.ExtensionDigits, Operator: c.Attendant.Operator,
			Plan: plan,
		},
		Secret: c.PBX.StandbyPassword,
		Broken: func(call releve.CallID, cause string) {
			s.explain("major", view.Say("event-call-broken", "call", string(call), "cause", cause))
		},
	})
	s.telephone.own = s.calls
	return err
}

func (s *switchboard) ports() (agent.Telephone, agent.Voice) {
	return s.telephone, voice{s.calls, s.config}
}

// Stance and Verify hand the calls' questions on to the agent, which is made
// after them.
func (s *switchboard) Stance() calls.Stance { return duty{s.agent}.Stance() }

// Verify waits for a verdict.
func (s *switchboard) Verify(ctx context.Context, o calls.Offer) calls.Decision {
	return duty{s.agent}.Verify(ctx, o)
}

// offered hands a call of the phone on; take takes it up.
func (s *switchboard) offered(in *phone.Incoming) {
	select {
	case s.incoming <- in:
		<-in.Gone()
	default:
		_ = in.Refuse(s.config.PBX.BusyCode) // more calls at once than any PBX sends
	}
}

// askLimit bounds what one question over SIP may take, so that those behind it wait no
// longer: the asker gives a round up sooner.
const askLimit = time.Second

// checked answers the other server's question over SIP (H4), once it is known to be the
// other's. One is answered after the other: no flood of them makes more than one question
// to the PBX at a time, and each still gets an answer to what was asked after it (K1).
func (s *switchboard) checked(ctx context.Context, question string) (string, bool) {
	nonce, err := s.peer.OpenQuestion(question)
	if err != nil {
		s.log.Debug("a question over SIP is not the other server's", "err", err)
		return "", false
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	h := answers{seat: s.config.Site.Seat, agent: s.agent, spool: s.spool}
	answer := h.Check(ctx, peer.CheckQuestion{Nonce: nonce, Call: questionOf(nonce).Call})
	sealed, err := s.peer.SealAnswer(nonce, answer)
	if err != nil {
		s.log.Error("a check over SIP could not be answered", "err", err)
		return "", false
	}
	return sealed, answer.Well
}

func (s *switchboard) serve() { s.phone.Serve() }

func (s *switchboard) run(clips clips, begin func(func(context.Context))) {
	begin(func(ctx context.Context) {
		err := s.calls.Run(ctx)
		if left := s.calls.Snapshot(); err == nil && left.Busy+left.Deciding == 0 && left.RecordsLost == 0 {
			err = s.spool.Finished()
		}
		if err != nil {
			s.log.Error("records of calls were lost", "err", err)
		}
	})
	begin(s.telephone.reception.run)
	begin(s.telephone.standby.run)
	begin(s.notice)
	begin(s.lessons.run)
	begin(s.watchDoor)
	begin(func(ctx context.Context) { s.take(ctx, clips) })
}

// take begins a goroutine for each call.
func (s *switchboard) take(ctx context.Context, clips clips) {
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-s.incoming:
			talks.Go(func() { s.calls.Offer(ctx, incoming{in, clips, string(s.config.Attendant.Language) + "/transfer"}) })
		}
	}
}

func (s *switchboard) leave(ctx context.Context) {
	s.calls.Drop("this server is being stopped")
	_ = s.calls.Drained(ctx)
}

// saturatedAfter is how long all channels must be busy before it is said (H4).
const saturatedAfter = 2 * time.Second

// notice says what the calls show and no decision comes of.
func (s *switchboard) notice(ctx context.Context) {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	saturated, lost := false, int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		seen := s.calls.Snapshot()
		now := !seen.SaturatedSince.IsZero() && time.Since(seen.SaturatedSince) > saturatedAfter
		if now && !saturated {
			s.explain("warning", view.Say("event-saturated", "channels", fmt.Sprint(seen.Channels)))
		} else if saturated && seen.SaturatedSince.IsZero() {
			s.explain("cleared", view.Say("event-unsaturated"))
			saturated = false
		}
		saturated = saturated || now
		if seen.RecordsLost > lost {
			lost = seen.RecordsLost
			s.explain("major", view.Say("event-records-lost", "count", fmt.Sprint(lost)))
		}
	}
}

// known are the calls in progress and those that memory still has, newest first.
func (s *switchboard) known() []view.Call {
	return s.calls.Known()
}
