package app

import (
	"context"
	"path/filepath"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/register"
	"releve/config"
	"releve/rules/attendant"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/calls"
	"releve/server/order"
	"releve/server/overflow"
	"releve/server/wire"
)

// telephony is the side of a server that callers reach: the switchboard, or nothing on
// a server that is mute.
type telephony interface {
	ports() (agent.Telephone, agent.Voice)
	prove()              // once there is an agent
	serve(phone.Prompts) // begins to hear what comes
	run(begin func(func(context.Context)))
	leave(ctx context.Context) // lets callers go
	desk() order.Desk          // for the other server's orders
	CheckCalls(ctx context.Context, emit func(view.Procedure)) error
	Known() []releve.Call // the calls in progress and those that memory still has, newest first
}

// switchboard joins the telephone, the calls on it and the lines to the PBX.
type switchboard struct {
	*App
	phone     *phone.Phone
	calls     *calls.Calls
	telephone telephone
	tester    *overflow.Tester
}

// openTelephony opens the sockets of SIP. Nothing is read from them before serve.
func (a *App) openTelephony() error {
	if a.config.Mute() {
		a.telephony = mute{}
		return nil
	}
	s := &switchboard{App: a}
	a.telephony = s
	if err := s.openPhone(); err != nil {
		return err
	}
	if err := s.makeCalls(); err != nil {
		return err
	}
	s.makeTelephone()
	return nil
}

func (s *switchboard) openPhone() (err error) {
	c := s.config
	sources, _ := config.Networks(c.PBX.Sources)
	networks, _ := config.Networks(c.PBX.Networks)
	s.phone, err = phone.New(phone.Options{
		Listen: config.Address(c.SIP.Listen), PBX: config.Address(c.PBX.Address), Domain: c.PBX.Domain,
		Sources: sources, Networks: networks, Other: config.Address(c.SIP.Other).Addr(),
		RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast, Unacknowledged: max(1, c.SIP.Channels/8), User: s.ownUser(),
		Explain: s.front.Explain, Log: s.log,
	})
	if err != nil {
		return missing(err)
	}
	s.closers = append(s.closers, func() { _ = s.phone.Close() })
	return nil
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

func (s *switchboard) profile() calls.Profile {
	c := s.config.PBX
	return calls.Profile{
		Evidence: c.Evidence, ReceptionUser: phone.Bare(c.ReceptionUser), ReceptionNumber: phone.Bare(c.ReceptionNumber),
		CountryCode: c.CountryCode, StandbyUser: phone.Bare(c.StandbyUser), RefusalCode: c.RefusalCode, BusyCode: c.BusyCode,
	}
}

func (s *switchboard) makeCalls() error {
	c := s.config
	plan, err := attendant.ParsePlan(c.Attendant.Extensions...)
	if err != nil {
		return err
	}
	s.calls, err = calls.New(calls.Options{
		Seat: c.Site.Seat, Channels: c.SIP.Channels, Duty: duty{s.front}, Spool: s.spool, Run: s.spool.Run(), Began: time.Now(), Log: s.log,
		Profile: s.profile(),
		Script: attendant.Script{
			Language: c.Attendant.Language, ExtensionDigits: c.Attendant.ExtensionDigits, Operator: c.Attendant.Operator,
			Plan: plan,
		},
		Secret:  c.PBX.StandbyPassword,
		Explain: s.front.Explain,
	})
	return err
}

// telephone is the link to the PBX as the agent needs it, and the tester.
type telephone struct {
	*phone.Lines
	overflow.Caller
	wire.Past
}

func (s *switchboard) makeTelephone() {
	reception, standby := s.accounts()
	lines := phone.NewLines(s.phone,
		register.NewLine(s.phone, reception, s.front.MayRegister, s.front.Explain, s.log),
		register.NewLine(s.phone, standby, s.front.MayStandBy, s.front.Explain, s.log))
	s.telephone = telephone{
		Lines: lines,
		Caller: overflow.Caller{
			Line: lines, Calls: s.calls, Number: s.config.PBX.ReceptionNumber,
			Answerers: overflow.Answerers{Seat: s.config.Site.Seat, Link: s.peer, Own: s.calls.Snapshot},
		},
		Past: s.askPast,
	}
}

// askPast asks the other server over SIP (SPEC H8).
func (s *switchboard) askPast(ctx context.Context, q releve.CheckQuestion) (releve.CheckAnswer, error) {
	road := func(ctx context.Context, question string) (answer string, code int, err error) {
		return s.phone.CheckOther(ctx, config.Address(s.config.SIP.Other), question)
	}
	return s.peer.CheckPast(ctx, road, q)
}

func (s *switchboard) ports() (agent.Telephone, agent.Voice) { return s.telephone, s.calls }

// prove makes who tests the PBX by calls.
func (s *switchboard) prove() {
	s.tester = overflow.New(overflow.Options{
		Seat: s.config.Site.Seat, Level: s.config.Site.Level, Profile: s.profile(), OwnCalls: s.config.Takeover.OwnCalls,
		Night: s.config.Mirror.Verify.SinceMidnight(), File: filepath.Join(s.config.Site.Data, "overflow.json"),
		Telephone: s.telephone, Calls: s.calls, Site: s.agent, Link: s.peer, Explain: s.front.Explain, Log: s.log,
	})
}

func (s *switchboard) desk() order.Desk { return s.tester.Desk() }

func (s *switchboard) CheckCalls(ctx context.Context, emit func(view.Procedure)) error {
	return s.tester.CheckCalls(ctx, emit)
}

func (s *switchboard) Known() []releve.Call { return s.calls.Known() }

// duty is the agent as the calls need it.
type duty struct{ *agent.Front }

func (d duty) Verify(ctx context.Context, o calls.Offer) releve.Decision {
	return d.Front.Verify(ctx, o.Invite.Call, o.Reason, o.Own)
}

// serve has what comes by SIP heard: calls, and the other server's question (H4).
func (s *switchboard) serve(prompts phone.Prompts) {
	hold := string(s.config.Attendant.Language) + "/transfer"
	s.phone.Serve(phone.Handler{
		Invite: func(in *phone.Incoming) { s.calls.Offered(incoming{in, prompts, hold}) },
		Unfit: func(u phone.Unfit) {
			s.calls.Unacceptable(u.Invite, &calls.Unacceptable{Code: u.Code, Why: u.Why}, u.Answered)
		},
		Check: func(ctx context.Context, question string) (string, bool) {
			return s.peer.AnswerPast(ctx, question, wire.Answers{Seat: s.config.Site.Seat, Agent: s.agent}.Check)
		},
	})
}

func (s *switchboard) run(begin func(func(context.Context))) {
	_, names := config.Networks(s.config.PBX.Sources)
	begin(func(ctx context.Context) {
		if err := s.calls.Run(ctx); err != nil {
			s.log.Error("records of calls were lost", "err", err)
		}
	})
	begin(s.calls.Take)
	begin(s.calls.Watch)
	begin(s.telephone.Run)
	begin(s.tester.Run)
	begin(func(ctx context.Context) { s.phone.WatchDoor(ctx, names, s.front.Explain) })
}

func (s *switchboard) leave(ctx context.Context) {
	s.calls.Drop("this server is being stopped")
	_ = s.calls.Drained(ctx)
}
