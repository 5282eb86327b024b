package phone

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"time"

	"releve/adapters/phone/sip"
)

// The headers of the question that one server asks the other (H4).
const (
	checkHeader  = "X-Releve-Check"
	answerHeader = "X-Releve-Answer"
	testHeader   = "X-Releve-Test"
)

// checkLimit bounds how long the question may be thought about; the asker has given
// up long before.
const checkLimit = 5 * time.Second

// Options asks the PBX whether it lives, with one OPTIONS as a user that it knows: a
// question of nobody, from a port that it never saw, looks like an attack to many, and a
// challenge without an answer does to all. Any final response proves it.
func (p *Phone) Options(ctx context.Context) (code int, err error) {
	code, _, err = p.Ask(ctx)
	return code, err
}

// Ask is Options, and says whether the PBX asked for a password first.
func (p *Phone) Ask(ctx context.Context) (code int, challenged bool, err error) {
	pbx := p.pbx()
	if !pbx.IsValid() {
		return 0, false, ErrNowhere
	}
	a := p.asker()
	us := "<" + p.userURI(a.User) + ">"
	req, err := p.question(us, "<"+p.contact(a.User)+">", pbx)
	if err != nil {
		return 0, false, err
	}
	req.SetDestination(pbx.String())
	res, err := p.endpoint.Ask(ctx, req, p.registrar.Credentials(a))
	if err != nil {
		return 0, false, err
	}
	again := res.CSeq().SeqNo > req.CSeq().SeqNo
	return res.StatusCode, again || res.StatusCode == 401 || res.StatusCode == 407, nil
}

// asker is the user as whom the PBX is asked: one that is registered here, or else the
// one that is to be.
func (p *Phone) asker() Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.bound) == 0 {
		return p.options.User
	}
	return p.accounts[p.bound[0]]
}

// userURI is a user of the PBX, or this server itself where there is none.
func (p *Phone) userURI(user string) string {
	if user == "" {
		return p.contact("")
	}
	return "sip:" + sip.Escape(user) + "@" + p.options.Domain
}

// CheckOther asks the other server, directly by SIP, whether it can take calls. A
// program that is dead on a machine that lives is told at once (syscall.ECONNREFUSED).
func (p *Phone) CheckOther(ctx context.Context, to netip.AddrPort, nonce string) (answer string, code int, err error) {
	if nonce == "" || strings.ContainsAny(nonce, "\r\n") {
		return "", 0, errors.New("the check needs a nonce on one line")
	}
	res, err := p.probe(ctx, to, checkHeader, nonce)
	if err != nil {
		return "", 0, err
	}
	return sip.Value(res, answerHeader), res.StatusCode, nil
}

// probe sends an OPTIONS from a socket of its own.
func (p *Phone) probe(ctx context.Context, to netip.AddrPort, headers ...string) (*sip.Response, error) {
	us := "<" + p.contact("") + ">"
	req, err := p.question(us, us, to)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		sip.Set(req, headers[i], headers[i+1])
	}
	return p.endpoint.Probe(ctx, to, req)
}

// question builds an OPTIONS.
func (p *Phone) question(from, contact string, to netip.AddrPort) (*sip.Request, error) {
	target, err := sip.ParseURI("sip:" + to.String())
	if err != nil {
		return nil, err
	}
	req, err := sip.NewRequest("OPTIONS", target, from, rand.Text(), "<sip:"+to.String()+">", "", rand.Text(), 1)
	if err != nil {
		return nil, err
	}
	sip.Set(req, "Contact", contact)
	sip.Set(req, "Accept", "application/sdp")
	return req, nil
}

// maxChecks bounds the questions of the other server that are thought about at a time: it
// asks a few in a second, one after the other.
const maxChecks = 4

// asked answers an OPTIONS: the other server's question, or anybody's.
func (p *Phone) asked(req *sip.Request, t *sip.Transaction) {
	question := sip.Value(req, checkHeader)
	switch {
	case question == "":
		p.reply(t, 200, "Allow", sip.Methods, "Accept", "application/sdp")
		return
	case p.handler.Check == nil:
		p.reply(t, 503)
		return
	}
	select {
	case p.checks <- struct{}{}:
	default:
		p.reply(t, 503)
		return
	}
	p.begin(func() {
		defer func() { <-p.checks }()
		p.check(t, question)
	})
}

// check has a question answered. What is no question of the other server learns nothing.
func (p *Phone) check(t *sip.Transaction, question string) {
	ctx, cancel := context.WithTimeout(p.ctx, checkLimit)
	defer cancel()
	answer, ok := p.handler.Check(ctx, question)
	switch {
	case answer == "":
		p.reply(t, 403)
	case ok:
		p.reply(t, 200, answerHeader, oneLine(answer))
	default:
		p.reply(t, 503, answerHeader, oneLine(answer))
	}
}

// oneLine keeps a header value from becoming two headers.
func oneLine(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
}
