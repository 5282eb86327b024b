package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"releve/adapters/phone/sip"
)

const (
	// lastNotify is how long a report may come after the BYE that it announces.
	lastNotify = 500 * time.Millisecond
	// afterReports is how long a PBX that stops reporting may take to let the call go: that
	// is then how it says that somebody has the caller.
	afterReports = 5 * time.Second
	// A caller whose sound never stops, and whom the PBX dropped in a transfer that failed, is
	// silent since the REFER; another one's comes back in a moment.
	silentSince = 8 * time.Second
	comesBack   = 4 * time.Second
)

// transfer is a REFER whose end is not known yet (RFC 3515).
type transfer struct {
	seq    uint32    // of the REFER: the id of its reports
	sent   time.Time // and when it was sent
	steady bool      // the caller's sound came without a pause until then
	result chan int
	ceased chan struct{} // closed when the PBX stops reporting without a result
	last   int           // the last status reported, 0 before the first
}

// Transfer asks the PBX to connect the caller to a user of its domain (REFER), and
// returns how that ended: the final SIP code of the new call as the PBX reports it,
// or the code by which it refused the REFER. A PBX that stops reporting without a final
// code is waited for a moment longer; if it does not let the call go, the code is what
// it reported last, or 408 where it was ringing. The call itself goes on, whatever
// happens: only the other side, or Hangup, ends it. But ErrLost comes with the code
// where nobody is there any more: the call is then ended here too.
//
// A PBX that accepts the REFER and hangs up without a report (RFC 5589 §6 allows it) has
// taken the caller, as far as can be known: that is code 202, with ErrGone. Whoever
// hangs up before, or while his call is reported to ring, is ErrGone alone.
func (l *Leg) Transfer(ctx context.Context, user string) (code int, err error) {
	code, _, err = l.transferTo(ctx, user)
	return code, err
}

// transferTo is Transfer, and says whether it was the REFER itself that was refused.
func (l *Leg) transferTo(ctx context.Context, user string) (code int, refused bool, err error) {
	t, req, err := l.refer(user)
	if err != nil {
		return 0, false, err
	}
	l.change()
	defer l.forgetTransfer()
	res, err := l.phone.endpoint.DoAs(ctx, req, l.phone.credentials(l.Dialog().LocalTarget), func() (uint32, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.seq = l.state.Next()
		l.state.Refer = t.seq
		return t.seq, nil
	})
	switch {
	case over(res, err):
		l.lose() // unless the caller hung up meanwhile
		return codeOf(res), false, fmt.Errorf("REFER is answered with %d: %w", codeOf(res), context.Cause(l.ctx))
	case err != nil:
		return 0, false, fmt.Errorf("REFER: %w", err)
	case res.StatusCode >= 300:
		return res.StatusCode, true, nil
	}
	code, err = l.outcome(ctx, t)
	if err == nil && code >= 300 && l.silent(ctx, t) {
		l.lose()
		err = fmt.Errorf("after the transfer failed with %d nothing was heard: %w", code, ErrLost)
	}
	return code, false, err
}

// lose ends the call with a BYE that nobody waits for: the PBX may know better after all.
func (l *Leg) lose() {
	bye, err := l.bye(ErrLost)
	if bye == nil || err != nil {
		return
	}
	l.phone.errand(func() {
		if _, err := l.do(l.phone.ctx, bye); err != nil {
			l.phone.log.Debug("BYE of a lost call not answered", "error", err)
		}
	})
}

// silent says that the caller's sound, which never stopped before the REFER, has not come
// back since the transfer failed. The PBX may answer for the call all the same: it keeps
// the leg for whoever transferred. One who sends nothing while he listens is not judged by
// that.
func (l *Leg) silent(ctx context.Context, t *transfer) bool {
	if !t.steady {
		return false
	}
	failed := time.Now()
	end := time.NewTimer(max(time.Until(t.sent.Add(silentSince)), comesBack))
	defer end.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for seen := l.stream.Life(); !seen.Sound.After(failed) && !seen.Held; seen = l.stream.Life() {
		select {
		case <-look.C:
		case <-end.C:
			return true
		case <-l.ctx.Done():
			return false
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// outcome waits for the final report, for the end of the reports, or of the call.
func (l *Leg) outcome(ctx context.Context, t *transfer) (int, error) {
	select {
	case code := <-t.result:
		return code, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-t.ceased:
		return l.unreported(ctx, t)
	case <-l.ctx.Done():
		return l.letGo(t)
	}
}

// letGo says what a call that ended during its transfer became. The report and the BYE
// were sent one after the other and may be read in any order. A PBX may let us go as soon as
// it has the transfer, or as soon as it rings there (RFC 5589 §6): whether the caller hung up
// or is put through, nobody knows.
func (l *Leg) letGo(t *transfer) (int, error) {
	select {
	case code := <-t.result:
		return code, nil
	case <-time.After(lastNotify):
	}
	cause := context.Cause(l.ctx)
	switch {
	case errors.Is(cause, ErrGone):
		return 202, cause
	case errors.Is(cause, ErrLost):
		return l.reported(t), cause
	}
	return 0, cause
}

// unreported waits whether a PBX that reports no more lets the call go.
func (l *Leg) unreported(ctx context.Context, t *transfer) (int, error) {
	select {
	case <-l.ctx.Done():
		return l.letGo(t)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(afterReports):
	}
	if last := l.reported(t); last <= 100 {
		return 100, nil
	}
	return 408, nil
}

func (l *Leg) reported(t *transfer) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.last
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
	l.transfer = newTransfer(req.CSeq().SeqNo, l.stream.Life().Steady)
	l.state.Refer = l.transfer.seq
	return l.transfer, req, nil
}

func newTransfer(seq uint32, steady bool) *transfer {
	return &transfer{seq: seq, sent: time.Now(), steady: steady, result: make(chan int, 1), ceased: make(chan struct{})}
}

func (l *Leg) forgetTransfer() {
	l.mu.Lock()
	l.transfer, l.state.Refer = nil, 0
	l.mu.Unlock()
	l.change()
}

// Await waits for the end of a transfer that the telephone before this one asked for: the PBX goes on with
// it, and reports within the call (RFC 3515 §2.4.4), so to whoever has that by now. It returns what
// [Leg.Transfer] does. A call that the PBX had let go of meanwhile, so that no report came here, is one that
// it has put through, as far as can be known: code 202, with ErrGone.
func (l *Leg) Await(ctx context.Context) (code int, err error) {
	l.mu.Lock()
	t := l.transfer
	l.mu.Unlock()
	if t == nil {
		return 0, errors.New("no transfer of the call is under way")
	}
	defer l.forgetTransfer()
	code, err = l.outcome(ctx, t)
	if errors.Is(err, ErrLost) && code == 0 {
		return 202, ErrGone
	}
	return code, err
}

// notified answers a report on a transfer and takes it in, in that order: whoever acts on it
// may hang up at once, and a BYE is not to overtake the 200. Reports may come in any order:
// only a final one counts, and the first of them.
func (l *Leg) notified(req *sip.Request, answer *sip.Transaction) {
	event, params, _ := strings.Cut(sip.Value(req, "Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		l.phone.reply(answer, 489)
		return
	}
	l.phone.reply(answer, 200) // also of a transfer that nobody waits for any more
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.transfer
	id, hasID := strings.CutPrefix(strings.TrimSpace(params), "id=")
	if t == nil || hasID && id != strconv.FormatUint(uint64(t.seq), 10) {
		return
	}
	t.report(fragment(req.Body()), strings.HasPrefix(strings.ToLower(sip.Value(req, "Subscription-State")), "terminated"))
}

// report takes in one report, which may be the last one.
func (t *transfer) report(code int, last bool) {
	t.last = max(t.last, code)
	if code >= 200 {
		select {
		case t.result <- code:
		default:
		}
		return
	}
	if last {
		select {
		case <-t.ceased:
		default:
			close(t.ceased)
		}
	}
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
