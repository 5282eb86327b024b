package app

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync/atomic"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/register"
	"releve/app/outlets"
	"releve/app/voice"
	"releve/config"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/calls"
	"releve/server/order"
	"releve/server/overflow"
	"releve/server/succession"
	"releve/server/telephone"
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
	Desk() order.Desk          // for the other server's orders
	heir() *succession.Succession
	people() outlets.Telephone // by which people are called
	Seen() time.Time           // when a call last overflowed to the standby
	CheckCalls(ctx context.Context, emit func(view.Procedure)) error
	Known() []releve.Call // the calls in progress and those that memory still has, newest first
}

// switchboard joins the calls with the telephone on which they come. The telephone is open while
// the level of the site gives this server one.
type switchboard struct {
	*App
	*overflow.Tester // by calls through the PBX
	calls            *calls.Calls
	line             *telephone.Switch
	speaks           atomic.Pointer[phone.Phone] // the telephone that was opened last
	speech           phone.Speech                // on all calls
	succession       *succession.Succession
	called           phone.Handler // who is told of what comes
}

// openTelephony opens the sockets of SIP. Nothing is read from them before serve.
func (a *App) openTelephony() error {
	if a.config.Mute() && !a.config.CanRun(releve.HighAvailability) && !a.config.CanRun(releve.Backup) {
		a.telephony = mute{}
		return nil
	}
	s := &switchboard{App: a}
	a.telephony = s
	if err := s.makeCalls(); err != nil {
		return err
	}
	s.line = telephone.New(telephone.Parts{
		Open: s.open, Ask: s.askPBX, Mute: func() bool { m := s.front.Machine(); return m.Mute() }, Changed: s.front.Changed,
		Calls: s.calls.Present, Explain: s.front.Explain, Notice: s.front.Notice,
	})
	s.closers = append(s.closers, func() { _ = s.line.Close() })
	if a.config.Silent() {
		return nil
	}
	return s.line.Open()
}

// line is an open telephone: the socket, and the two users that are kept at the PBX.
type line struct {
	*phone.Lines
	overflow.Caller
	wire.Past
	board *switchboard
	phone *phone.Phone
}

func (l line) Serve()       { l.phone.Serve(l.board.called) }
func (l line) Close() error { return l.phone.Close() }

func (s *switchboard) open() (telephone.Line, error) {
	c := s.config
	sources, names, networks := voice.Doors(c.Config)
	p, err := phone.New(voice.Spoken(c.PBX, phone.Options{
		Listen:  config.Address(c.SIP.Listen),
		Sources: sources, Networks: networks, Other: config.Address(c.SIP.Other).Addr(),
		RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast, Unacknowledged: max(1, c.SIP.Channels/8), User: s.ownUser(),
		Explain: s.front.Explain, Log: s.log,
	}))
	if err != nil {
		return nil, missing(err)
	}
	s.speaks.Store(p)
	return s.join(p, names), nil
}

// askPBX asks the PBX once, while the telephone is closed, who has the reception.
func (s *switchboard) askPBX(ctx context.Context) (takeover.Shown, error) {
	c := s.config
	reception, _ := voice.Accounts(s.config.PBX)
	return phone.AskBindings(ctx, voice.Spoken(c.PBX, phone.Options{Listen: config.Address(c.SIP.Listen), Log: s.log}), reception)
}

// join gives a telephone its users, and the ways on which it asks and is asked.
func (s *switchboard) join(p *phone.Phone, names []string) line {
	reception, standby := voice.Accounts(s.config.PBX)
	lines := phone.NewLines(p, names,
		register.NewLine(p, reception, s.front.MayRegister, s.front.Explain, s.log),
		register.NewLine(p, standby, s.front.MayStandBy, s.front.Explain, s.log))
	past := func(ctx context.Context, q releve.CheckQuestion) (releve.CheckAnswer, error) { // over SIP (SPEC H8)
		road := func(ctx context.Context, question string) (answer string, code int, err error) {
			return p.CheckOther(ctx, config.Address(s.config.SIP.Other), question)
		}
		return s.peer.CheckPast(ctx, road, q)
	}
	return line{
		Lines: lines, phone: p, Past: past, board: s,
		Caller: overflow.Caller{
			Line: lines, Calls: s.calls, Number: s.config.PBX.ReceptionNumber,
			Answerers: overflow.Answerers{Seat: s.config.Site.Seat, Link: s.peer, Own: s.calls.Snapshot},
		},
	}
}

// ownUser is the user that this server registers before anything else happens.
func (s *switchboard) ownUser() phone.Account {
	reception, standby := voice.Accounts(s.config.PBX)
	if s.config.Site.Seat == releve.Secondary && standby.User != "" {
		return standby
	}
	return reception
}

func (s *switchboard) makeCalls() error {
	c := s.config
	script, err := c.Attendant.Script()
	if err != nil {
		return err
	}
	s.calls, err = calls.New(calls.Options{
		Seat: c.Site.Seat, Channels: c.SIP.Channels, Duty: duty{s.front}, Spool: s.spool, Run: s.spool.Run(), Began: time.Now(), Log: s.log,
		Profile: voice.Profile(s.config.Config),
		Script:  script,
		Secret:  c.PBX.StandbyPassword,
		Explain: s.front.Explain,
	})
	if err != nil {
		return err
	}
	s.succession = succession.New(succession.Options{
		Self: s.spool.Run(), Calls: s.calls, Link: s.peer, Explain: s.front.Explain, Log: s.log,
		May:    func() bool { m := s.front.Machine(); return m.RunsAt() == releve.HighAvailability },
		TakeUp: func(w json.RawMessage) (succession.Leg, error) { return s.speech.TakeUp(s.speaks.Load(), w) },
	})
	s.calls.Bequeath(s.succession)
	return nil
}

func (s *switchboard) people() outlets.Telephone {
	reception, _ := voice.Accounts(s.config.PBX)
	return voice.People{Config: s.config.Config, Reception: reception, Phone: s.speaks.Load, Calls: s.calls, PBX: s.line}
}

func (s *switchboard) heir() *succession.Succession { return s.succession }

func (s *switchboard) ports() (agent.Telephone, agent.Voice) { return s.line, s.calls }

// prove makes who tests the PBX by calls.
func (s *switchboard) prove() {
	s.Tester = overflow.New(overflow.Options{
		Seat: s.config.Site.Seat, Profile: voice.Profile(s.config.Config), OwnCalls: s.config.Takeover.OwnCalls,
		Night: s.config.Mirror.Verify.SinceMidnight(), File: filepath.Join(s.config.Site.Data, "overflow.json"),
		Telephone: s.line, Calls: s.calls, Site: s.agent, Link: s.peer, Explain: s.front.Explain, Log: s.log,
	})
}

func (s *switchboard) Known() []releve.Call { return s.calls.Known() }

// duty is the agent as the calls need it.
type duty struct{ *agent.Front }

func (d duty) Verify(ctx context.Context, o calls.Offer) releve.Decision {
	return d.Front.Verify(ctx, o.Invite.Call, o.Reason, o.Own)
}

// serve has what comes by SIP heard: calls, and the other server's question (H4).
func (s *switchboard) serve(prompts phone.Prompts) {
	reception, _ := voice.Accounts(s.config.PBX)
	s.speech = voice.Speech(s.config.Config, reception, prompts, s.calls, s.front.Explain)
	s.called = phone.Handler{
		Full:   s.calls.Full,
		Invite: func(in *phone.Incoming) { s.calls.Offered(voice.Incoming{Incoming: in, Speech: s.speech}) },
		Unfit: func(u phone.Unfit) {
			s.calls.Unacceptable(u.Invite, &calls.Unacceptable{Code: u.Code, Why: u.Why}, u.Answered)
		},
		Check: func(ctx context.Context, question string) (string, bool) {
			return s.peer.AnswerPast(ctx, question, wire.Answers{Seat: s.config.Site.Seat, Agent: s.agent}.Check)
		},
	}
	s.line.Serve()
}

func (s *switchboard) run(begin func(func(context.Context))) {
	begin(func(ctx context.Context) {
		if err := s.calls.Run(ctx); err != nil {
			s.log.Error("records of calls were lost", "err", err)
		}
	})
	begin(s.calls.Take)
	begin(s.calls.Watch)
	begin(s.succession.Run)
	begin(s.line.Run)
	begin(s.Tester.Run)
}

func (s *switchboard) leave(ctx context.Context) {
	s.calls.Drop("this server is being stopped")
	_ = s.calls.Drained(ctx)
}
