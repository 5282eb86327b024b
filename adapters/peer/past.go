package peer

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"releve"
)

// Road carries a question to the other server past the link, such as in a message of SIP, and
// brings back what was answered, sealed, or "" and the code of an answer without a word.
type Road = func(ctx context.Context, question string) (answer string, code int, err error)

// forCall marks the nonce of a question that a waiting call asks.
const forCall = "call-"

// CheckPast is [Peer.Check] over another road (SPEC H8).
func (p *Peer) CheckPast(ctx context.Context, road Road, q releve.CheckQuestion) (releve.CheckAnswer, error) {
	nonce := rand.Text()
	if q.Call {
		nonce = forCall + nonce
	}
	question, err := p.SealQuestion(nonce)
	if err != nil {
		return releve.CheckAnswer{}, err
	}
	sealed, code, err := road(ctx, question)
	if err != nil {
		return releve.CheckAnswer{}, err
	}
	if sealed == "" {
		return releve.CheckAnswer{}, releve.Known(fmt.Sprintf("answered %d without a word about itself", code),
			"cause-wordless", "code", strconv.Itoa(code))
	}
	return p.OpenAnswer(nonce, sealed)
}

// askLimit bounds what one question past the link may take, so that those behind it wait no
// longer: the asker gives a round up sooner.
const askLimit = time.Second

// AnswerPast answers such a question, once it is known to be the other server's; anybody else
// gets "". One is answered after the other: no flood of them makes more than one question to
// the PBX at a time, and each still gets an answer to what was asked after it (K1).
func (p *Peer) AnswerPast(
	ctx context.Context, question string, check func(context.Context, releve.CheckQuestion) releve.CheckAnswer,
) (sealed string, well bool) {
	nonce, err := p.OpenQuestion(question)
	if err != nil {
		p.o.Log.Debug("a question over SIP is not the other server's", "err", err)
		return "", false
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	answer := check(ctx, releve.CheckQuestion{Nonce: nonce, Call: strings.HasPrefix(nonce, forCall)})
	if sealed, err = p.SealAnswer(nonce, answer); err != nil {
		p.o.Log.Error("a check over SIP could not be answered", "err", err)
		return "", false
	}
	return sealed, answer.Well
}
