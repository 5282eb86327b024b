package phone

import (
	"context"

	"releve/adapters/phone/sip"
)

// What a caller does, for calls of ours: a study presses keys in each way that there is.

// Press presses a key as a telephone event (RFC 4733).
func (l *Leg) Press(ctx context.Context, key byte) error { return l.stream.Press(ctx, key) }

// Overhear has the sound of the call given to hear, packet by packet: G.711, of which law. It must not wait.
func (l *Leg) Overhear(hear func(payload []byte, aLaw bool)) { l.stream.Overhear(hear) }

// Info says something inside the call (RFC 6086, without a package: as keys are sent) and gives the code of
// the answer.
func (l *Leg) Info(ctx context.Context, contentType string, body []byte) (code int, err error) {
	l.mu.Lock()
	req, err := l.state.Request("INFO")
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	sip.Set(req, "Content-Type", contentType)
	req.SetBody(body)
	res, err := l.do(ctx, req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}
