package peer

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"releve"
)

// Road carries a question to the other server past the link, such as in a message of SIP, and
// brings back what was answered, sealed, or "" and the code of an answer without a word.
type Road func(ctx context.Context, question string) (answer string, code int, err error)

// forCall marks the nonce of a question that a waiting call asks.
const forCall = "call-"

// CheckPast is [Peer.Check] over another road (SPEC H8).
func (p *Peer) CheckPast(ctx context.Context, road Road, q CheckQuestion) (CheckAnswer, error) {
	nonce := rand.Text()
	if q.Call {
		nonce = forCall + nonce
	}
	question, err := p.SealQuestion(nonce)
	if err != nil {
		return CheckAnswer{}, err
	}
	sealed, code, err := road(ctx, question)
	if err != nil {
		return CheckAnswer{}, err
	}
	if sealed == "" {
		return CheckAnswer{}, releve.Known(fmt.Sprintf("answered %d without a word about itself", code), "cause-wordless", "code", strconv.Itoa(code))
	}
	return p.OpenAnswer(nonce, sealed)
}

// AnswerPast answers such a question, once it is known to be the other server's. The text is
// "" for anybody else.
func (p *Peer) AnswerPast(ctx context.Context, question string, check func(context.Context, CheckQuestion) (CheckAnswer, error)) (sealed string, well bool, err error) {
	nonce, err := p.OpenQuestion(question)
	if err != nil {
		p.o.Log.Debug("a question past the link is not the other server's", "err", err)
		return "", false, nil
	}
	answer, err := check(ctx, CheckQuestion{Nonce: nonce, Call: strings.HasPrefix(nonce, forCall)})
	if err != nil {
		return "", false, err
	}
	sealed, err = p.SealAnswer(nonce, answer)
	return sealed, answer.Well, err
}
