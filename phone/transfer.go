package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"releve/phone/sip"
)

// lastNotify is how long a report may come after the BYE that it announces.
const lastNotify = 500 * time.Millisecond

// transfer is a REFER whose end is not known yet (RFC 3515).
type transfer struct {
	seq    uint32 // of the REFER: the id of its reports
	result chan int
}

// Transfer asks the PBX to connect the caller to a user of its domain (REFER), and
// returns how that ended: the final SIP code of the new call as the PBX reports it,
// or the code by which it refused the REFER; 408 where it stops reporting without having
// said. A caller who is gone before any report is an error, ErrGone. The call itself goes on, whatever
// happens: only the other side, or Hangup, ends it.
func (l *Leg) Transfer(ctx context.Context, user string) (code int, err error) {
	t, req, err := l.refer(user)
	if err != nil {
		return 0, err
	}
	defer l.forgetTransfer()
	res, err := l.phone.endpoint.DoAs(ctx, req, l.phone.credentials(l.Dialog().LocalTarget), func() uint32 {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.seq = l.state.Next()
		return t.seq
	})
	if err != nil {
		return 0, fmt.Errorf("REFER: %w", err)
	}
	if res.StatusCode >= 300 {
		return res.StatusCode, nil
	}
	return l.outcome(ctx, t)
}

// outcome waits for the final report.
func (l *Leg) outcome(ctx context.Context, t *transfer) (int, error) {
	select {
	case code := <-t.result:
		return code, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-l.ctx.Done():
	}
	// The report and the BYE were sent one after the other and may be read in any order.
	select {
	case code := <-t.result:
		return code, nil
	case <-time.After(lastNotify):
		return 0, context.Cause(l.ctx)
	}
}

// refer begins a transfer.
func (l *Leg) refer(user string) (*transfer, *sip.Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.transfer != nil {
		return nil, nil, errors.New("the call is being transferred already")
	}
	if l.ctx.Err() != nil {
		return nil, nil, context.Cause(l.ctx)
	}
	req, err := l.state.Request("REFER")
	if err != nil {
		return nil, nil, err
	}
	sip.Set(req, "Refer-To", "<sip:"+sip.Escape(user)+"@"+l.phone.options.Domain+">")
	sip.Set(req, "Referred-By", "<"+l.state.LocalTarget+">")
	// The first report may be here before the 202: it must find the transfer.
	l.transfer = &transfer{seq: req.CSeq().SeqNo, result: make(chan int, 1)}
	return l.transfer, req, nil
}

func (l *Leg) forgetTransfer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.transfer = nil
}

// notified takes a report on a transfer and returns the code to answer it with. Reports
// may come in any order: only a final one counts, and the first of them.
func (l *Leg) notified(req *sip.Request) int {
	event, params, _ := strings.Cut(sip.Value(req, "Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		return 489
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.transfer
	id, hasID := strings.CutPrefix(strings.TrimSpace(params), "id=")
	if t == nil || hasID && id != strconv.FormatUint(uint64(t.seq), 10) {
		return 200 // of a transfer that nobody waits for any more
	}
	if code := fragment(req.Body()); code >= 200 {
		select {
		case t.result <- code:
		default:
		}
	} else if strings.HasPrefix(strings.ToLower(sip.Value(req, "Subscription-State")), "terminated") {
		// It stops reporting without having said how it ended.
		select {
		case t.result <- 408:
		default:
		}
	}
	return 200
}

// fragment reads the status code of a message/sipfrag (RFC 3420), 0 for none.
func fragment(body []byte) int {
	rest, ok := strings.CutPrefix(strings.TrimSpace(string(body)), "SIP/2.0 ")
	if !ok {
		return 0
	}
	code, err := strconv.Atoi(strings.Fields(rest + " x")[0])
	if err != nil {
		return 0
	}
	return code
}
