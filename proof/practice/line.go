package practice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"releve/proof/practice/sip"
)

// line is a telephone line: one SIP socket with the calls on it. Telephones and
// callers are what people do with it.
type line struct {
	endpoint *sip.Endpoint
	pbx      netip.AddrPort
	domain   string
	account  sip.Account
	log      *slog.Logger
	ring     func(*sip.ServerTx) // takes an incoming call, at once; nil: 480

	regMu   sync.Mutex // one REGISTER at a time
	regID   string     // Call-ID of each REGISTER (RFC 3261 §10.2)
	regCSeq uint32

	mu   sync.Mutex
	legs map[string]*leg // by Call-ID
}

// lineOptions are common to telephones and callers.
type lineOptions struct {
	listen, pbx netip.AddrPort
	domain      string
	account     sip.Account
	log         *slog.Logger
}

func openLine(o lineOptions) (*line, error) {
	endpoint, err := sip.Listen(o.listen, o.log)
	if err != nil {
		return nil, err
	}
	return &line{
		endpoint: endpoint, pbx: o.pbx, domain: orElse(o.domain, o.pbx.String()), account: o.account, log: o.log,
		regID: sip.NewTag() + "@" + o.listen.Addr().String(), legs: map[string]*leg{},
	}, nil
}

func (l *line) serve() { l.endpoint.Serve(l.handle) }

// close ends the line, without a word to whoever is on it.
func (l *line) close() error {
	err := l.endpoint.Close()
	l.mu.Lock()
	left := l.legs
	l.legs = map[string]*leg{}
	l.mu.Unlock()
	for _, g := range left {
		g.end()
	}
	return err
}

func (l *line) uri(user string) string { return fmt.Sprintf("sip:%s@%s", user, l.domain) }

func (l *line) contact() string {
	return fmt.Sprintf("<%s>", sip.UserAt(l.account.User, l.endpoint.Addr()))
}

func (l *line) newID() string { return sip.NewTag() + "@" + l.endpoint.Addr().Addr().String() }

func (l *line) keep(g *leg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.legs[g.id] = g
}

func (l *line) forget(g *leg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.legs, g.id)
}

func (l *line) find(id string) *leg {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.legs[id]
}

// register binds the line's contact for that time, 0 takes it away. A refusal is
// a [*StatusError].
func (l *line) register(ctx context.Context, expires time.Duration) error {
	l.regMu.Lock()
	defer l.regMu.Unlock()
	req := &sip.Message{Method: "REGISTER", URI: "sip:" + l.domain}
	req.Add("From", fmt.Sprintf("<%s>;tag=%s", l.uri(l.account.User), sip.NewTag()))
	req.Add("To", fmt.Sprintf("<%s>", l.uri(l.account.User)))
	req.Add("Call-ID", l.regID)
	req.Add("CSeq", fmt.Sprintf("%d REGISTER", l.regCSeq+1))
	req.Add("Max-Forwards", "70")
	req.Add("Contact", fmt.Sprintf("%s;expires=%d", l.contact(), int(expires.Seconds())))
	res, tx, err := l.ask(ctx, req)
	if tx != nil {
		l.regCSeq, _ = tx.Request.CSeq()
	}
	if err != nil {
		return fmt.Errorf("%s cannot register at the PBX %s: %w", l.account.User, l.pbx, err)
	}
	if !res.Success() {
		return fmt.Errorf("%s cannot register at the PBX %s: %w", l.account.User, l.pbx, &StatusError{res.Status, res.Reason})
	}
	return nil
}

// StatusError is a SIP response that refused what was asked.
type StatusError struct {
	Code   int
	Reason string
}

func (e *StatusError) Error() string { return fmt.Sprintf("refused with %d %s", e.Code, e.Reason) }

// ask sends a request to the PBX, answers one challenge, and gives the final
// response with the transaction that had it. When ctx ends it takes an INVITE back.
func (l *line) ask(ctx context.Context, req *sip.Message) (*sip.Message, *sip.ClientTx, error) {
	tx := l.send(req)
	res, err := l.final(ctx, tx)
	if err != nil || res.Status != 401 && res.Status != 407 {
		return res, tx, err
	}
	authorized, err := sip.Authorize(req, res, l.account)
	if err != nil {
		return nil, tx, err
	}
	tx = l.send(authorized)
	res, err = l.final(ctx, tx)
	return res, tx, err
}

func (l *line) send(req *sip.Message) *sip.ClientTx {
	m := req.Clone()
	m.Remove("Via")
	l.endpoint.PrependVia(m)
	return l.endpoint.Send(m, l.pbx)
}

// final waits for the final response. A call that is given up is cancelled, and
// its 487 awaited: an answer that crosses the CANCEL is then still seen.
func (l *line) final(ctx context.Context, tx *sip.ClientTx) (*sip.Message, error) {
	heard, asked, giveUp := false, false, ctx.Done()
	var limit <-chan time.Time
	for {
		select {
		case <-limit:
			tx.Quiet()
			return nil, context.Cause(ctx)
		case <-giveUp:
			if tx.Request.Method != "INVITE" {
				return nil, context.Cause(ctx)
			}
			giveUp, asked = nil, true
			limit = time.After(sip.T1 * 4)
			if heard {
				tx.Cancel()
			}
		case res, ok := <-tx.Responses():
			switch {
			case !ok:
				return nil, sip.ErrNoResponse
			case !res.Provisional():
				return res, nil
			case asked && !heard:
				tx.Cancel()
			}
			heard = true
		}
	}
}

// dial calls a URI through the PBX. It returns the leg once it is answered, or
// the final status that refused it. The Call-ID is chosen by the caller, so that
// it is known even when nothing comes back.
func (l *line) dial(ctx context.Context, id, to string, extra ...sip.Field) (*leg, int, error) {
	g, err := l.newLeg(id)
	if err != nil {
		return nil, 0, err
	}
	g.local = fmt.Sprintf("<%s>;tag=%s", l.uri(l.account.User), sip.NewTag())
	res, tx, err := l.ask(ctx, l.invite(g, to, extra))
	if err != nil || !res.Success() {
		g.end()
		if err != nil {
			return nil, 0, err
		}
		return nil, res.Status, nil
	}
	if err := g.confirm(res, tx); err != nil {
		return nil, res.Status, errors.Join(err, g.hangUp(ctx))
	}
	if ctx.Err() != nil { // the answer crossed the CANCEL: it is a call, and must be ended
		return nil, res.Status, errors.Join(context.Cause(ctx), g.hangUp(context.WithoutCancel(ctx)))
	}
	return g, res.Status, nil
}

func (l *line) invite(g *leg, to string, extra []sip.Field) *sip.Message {
	req := &sip.Message{Method: "INVITE", URI: to}
	req.Add("From", g.local)
	req.Add("To", "<"+to+">")
	req.Add("Call-ID", g.id)
	req.Add("CSeq", "1 INVITE")
	req.Add("Max-Forwards", "70")
	req.Add("Contact", l.contact())
	req.Add("Allow", allow)
	req.Fields = append(req.Fields, extra...)
	req.SetBody("application/sdp", offerSDP(g.sound.addr()))
	return req
}

// handle takes each request that comes to the line.
func (l *line) handle(tx *sip.ServerTx) {
	req := tx.Request
	inside := sip.Param(req.Get("To"), "tag") != ""
	switch {
	case inside:
		l.handleInside(tx, l.find(req.CallID()))
	case req.Method == "INVITE" && l.ring != nil:
		l.ring(tx)
	case req.Method == "INVITE":
		tx.Answer(480)
	case req.Method == "OPTIONS":
		tx.Answer(200)
	case req.Method != "ACK":
		tx.Answer(481)
	}
}

func (l *line) handleInside(tx *sip.ServerTx, g *leg) {
	if g == nil {
		if tx.Request.Method != "ACK" {
			tx.Answer(481)
		}
		return
	}
	switch tx.Request.Method {
	case "ACK":
		g.acknowledged()
	case "BYE":
		tx.Answer(200)
		g.end()
	case "REFER":
		g.takeRefer(tx)
	case "INVITE":
		g.renegotiate(tx)
	default:
		tx.Answer(200)
	}
}

// leg is one call on a line (a dialog, RFC 3261 §12) with its sound.
type leg struct {
	line  *line
	id    string // Call-ID
	sound *sound
	local string // From as we say it

	refers chan *sip.ServerTx
	gone   chan struct{} // the other side hung up, or we did
	over   sync.Once

	mu     sync.Mutex
	remote string // To as we say it
	target string // their contact
	routes []string
	cseq   uint32
	acked  chan struct{} // closed by the ACK of our last answer, then nil
}

func (l *line) newLeg(id string) (*leg, error) {
	s, err := openSound(l.endpoint.Addr().Addr())
	if err != nil {
		return nil, err
	}
	g := &leg{
		line: l, id: id, sound: s, refers: make(chan *sip.ServerTx, 1),
		gone: make(chan struct{}),
	}
	l.keep(g)
	return g, nil
}

// confirm makes the answered INVITE a call: route set, target, sound, and an ACK
// for this 2xx and each repetition of it.
func (g *leg) confirm(res *sip.Message, tx *sip.ClientTx) error {
	target, err := sip.ParseURI(res.Get("Contact"))
	if err != nil {
		return fmt.Errorf("the answer has no contact to speak with: %w", err)
	}
	m, errSDP := readSDP(res.Body)
	routes := res.All("Record-Route")
	slices.Reverse(routes)
	cseq, _ := tx.Request.CSeq()
	g.establish(res.Get("To"), target, routes, cseq)
	ack, to, err := g.request("ACK")
	if err != nil {
		return err
	}
	g.line.endpoint.Write(ack, to)
	g.line.endpoint.Go(func(context.Context) {
		for range tx.Responses() {
			g.line.endpoint.Write(ack, to)
		}
	})
	if errSDP != nil {
		return errSDP
	}
	g.sound.start(m)
	return nil
}

// establish keeps what requests of this call need.
func (g *leg) establish(remote string, target sip.URI, routes []string, cseq uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remote, g.target, g.routes, g.cseq = remote, target.String(), routes, cseq
}

// answer sends a 2xx until its ACK (RFC 3261 §13.3.1.4); without one the call is
// ended.
func (g *leg) answer(tx *sip.ServerTx, body []byte) {
	res := tx.Request.Response(200)
	res.Set("To", g.local)
	res.Add("Contact", g.line.contact())
	res.Add("Allow", allow)
	res.SetBody("application/sdp", body)
	acked := make(chan struct{})
	g.mu.Lock()
	g.acked = acked
	g.mu.Unlock()
	tx.Respond(res)
	g.line.endpoint.Go(func(ctx context.Context) { g.repeatAnswer(ctx, tx, res, acked) })
}

func (g *leg) repeatAnswer(ctx context.Context, tx *sip.ServerTx, res *sip.Message, acked <-chan struct{}) {
	deadline := time.NewTimer(sip.Linger)
	defer deadline.Stop()
	pause := sip.T1
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-acked:
			return
		case <-g.gone:
			return
		case <-deadline.C:
			if err := g.hangUp(ctx); err != nil {
				g.line.log.Debug("call without ACK", "call", g.id, "error", err)
			}
			return
		case <-again.C:
			tx.Respond(res)
			pause = min(2*pause, sip.T2)
			again.Reset(pause)
		}
	}
}

func (g *leg) acknowledged() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acked != nil {
		close(g.acked)
		g.acked = nil
	}
}

// request makes a request of this call and says where it goes (RFC 3261 §12.2.1.1).
func (g *leg) request(method string) (*sip.Message, netip.AddrPort, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if method != "ACK" { // an ACK has its INVITE's number
		g.cseq++
	}
	req := &sip.Message{Method: method, URI: g.target}
	next := g.target
	for _, r := range g.routes {
		req.Add("Route", r)
	}
	if len(g.routes) > 0 {
		next = g.routes[0]
	}
	req.Add("From", g.local)
	req.Add("To", g.remote)
	req.Add("Call-ID", g.id)
	req.Add("CSeq", strconv.FormatUint(uint64(g.cseq), 10)+" "+method)
	req.Add("Max-Forwards", "70")
	req.Add("Contact", g.line.contact())
	g.line.endpoint.PrependVia(req)
	uri, err := sip.ParseURI(next)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	to, err := uri.Address()
	return req, to, err
}

// A BYE is waited for long enough for three repetitions of a lost one; where ctx
// has ended, everything ends, and it is only said.
const (
	byeLimit = 4 * time.Second
	byeHaste = 200 * time.Millisecond
)

// hangUp ends the call; the error says when the other side did not agree.
func (g *leg) hangUp(ctx context.Context) error {
	defer g.end()
	req, to, err := g.request("BYE")
	if err != nil {
		return err
	}
	limit := byeLimit
	if ctx.Err() != nil {
		limit = byeHaste
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	res, err := g.line.endpoint.Send(req, to).Final(ctx)
	if err == nil && !res.Success() {
		err = &StatusError{res.Status, res.Reason}
	}
	return err
}

// notify tells how a transfer goes on (RFC 3515 §2.4.5).
func (g *leg) notify(status int, reason, state string) {
	req, to, err := g.request("NOTIFY")
	if err != nil {
		return
	}
	req.Add("Event", "refer")
	req.Add("Subscription-State", state)
	req.SetBody("message/sipfrag;version=2.0", fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, reason))
	g.line.endpoint.Send(req, to)
}

func (g *leg) takeRefer(tx *sip.ServerTx) {
	select {
	case g.refers <- tx:
	default:
		tx.Answer(603) // one transfer at a time
	}
}

// renegotiate answers a re-INVITE: the call goes on where it says now.
func (g *leg) renegotiate(tx *sip.ServerTx) {
	m, err := readSDP(tx.Request.Body)
	if err != nil {
		tx.Answer(488)
		return
	}
	g.mu.Lock()
	if contact, err := sip.ParseURI(tx.Request.Get("Contact")); err == nil {
		g.target = contact.String()
	}
	g.mu.Unlock()
	g.sound.start(m)
	g.answer(tx, answerSDP(g.sound.addr(), m))
}

// end forgets the call and stops its sound. It can be called twice.
func (g *leg) end() {
	g.over.Do(func() {
		close(g.gone)
		g.line.forget(g)
		g.sound.close()
	})
}
