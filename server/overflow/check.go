package overflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/calls"
	"releve/server/order"
)

// orderCheck is the name of the check of the PBX by a call, as a procedure and as an order
// over the link.
const orderCheck = "pbx-check"

// refusals are why a check is not made, by the sentence that says so.
var refusals = map[string]error{
	"calls-check-runs": releve.Refused(releve.ErrBusy, "the PBX is being checked already: wait until that is over"),
	"calls-check-too-soon": releve.Refused(releve.ErrForbidden,
		"the PBX was checked a moment ago, and each check is a call through the whole of it: run this again in "+checkPause.String()),
	"calls-check-not-now": releve.Refused(releve.ErrForbidden,
		"the check rests on a standby that waits beside a well main: `releve status` says what is missing"),
	"calls-check-no-standby": releve.Refused(releve.ErrForbidden, "at level mirroring no call overflows: there is no standby to check"),
}

const (
	// optionsLimit is how long the PBX may take to answer OPTIONS before it counts as silent.
	optionsLimit = 2 * time.Second
	// checkPause is from one check to the next: each rings through the whole PBX.
	checkPause = 30 * time.Second
)

// verdict is what one step of the check found: that all is well, or what is wrong, each
// with what to do.
type verdict struct {
	found releve.Sentence
	wrong []releve.Sentence
}

func well(code string, pairs ...string) verdict { return verdict{found: releve.Say(code, pairs...)} }

func wrong(code string, pairs ...string) verdict {
	return verdict{wrong: []releve.Sentence{releve.Say(code, pairs...)}}
}

// judgeOptions says what the PBX makes of OPTIONS, by which it is known to live.
func judgeOptions(code int, challenged bool, err error) verdict {
	status := strconv.Itoa(code)
	switch {
	case err != nil:
		return wrong("calls-options-silent", "limit", optionsLimit.String())
	case code == http.StatusUnauthorized, code == http.StatusProxyAuthRequired, code == http.StatusForbidden:
		return wrong("calls-options-refused", "code", status)
	case challenged:
		return well("calls-options-challenged", "code", status)
	}
	return well("calls-options-answered", "code", status)
}

// judgeOverflow says whether the call came to the standby that the main refused.
func judgeOverflow(o outcome, c calls.Profile) verdict {
	status := codeOf(o.err)
	code := strconv.Itoa(status)
	switch {
	case o.came:
		return well("calls-overflow-seen", "to", o.seen.To)
	case o.unasked != nil:
		return wrong("calls-overflow-unasked")
	case o.unfit != "":
		return wrong("calls-overflow-unfit", "why", o.unfit)
	case o.call.AnsweredAfter > 0:
		return wrong("calls-overflow-unknown", "by", o.call.AnsweredBy, "user", c.StandbyUser)
	case status == 401, status == 403, status == 407:
		return wrong("calls-overflow-forbidden", "code", code, "user", c.StandbyUser, "number", c.ReceptionNumber)
	case status == 404, status == 484, status == 604:
		return wrong("calls-overflow-no-number", "code", code, "number", c.ReceptionNumber)
	case status != 0:
		return wrong("calls-overflow-absent", "code", code, "refusal", strconv.Itoa(c.RefusalCode), "user", c.StandbyUser)
	}
	return wrong("calls-overflow-silent", "limit", testLimit.String(), "user", c.StandbyUser)
}

// judgeReturn says whether the PBX gave the call back to the main that the standby refused.
func judgeReturn(o outcome, c calls.Profile) verdict {
	pairs := []string{"by", o.call.AnsweredBy, "after", o.call.AnsweredAfter.String(),
		"refusal", strconv.Itoa(c.RefusalCode), "user", c.ReceptionUser}
	switch code := codeOf(o.err); {
	case o.err == nil:
		return well("calls-returned", pairs...)
	case o.call.AnsweredAfter > 0:
		return wrong("calls-returned-mute", pairs...)
	case code == http.StatusNotAcceptable, code == 488, code == 606, code == http.StatusUnsupportedMediaType, code == 420, code == 421:
		return wrong("calls-returned-unfit", append(pairs, "code", strconv.Itoa(code))...)
	case code != 0:
		return wrong("calls-returned-not", append(pairs, "code", strconv.Itoa(code))...)
	}
	return wrong("calls-returned-silent", pairs...)
}

// judgeEvidence says by what the overflow is known, and where that is written.
func judgeEvidence(seen calls.Sighting, set releve.Evidence, kept, told bool) verdict {
	var v verdict
	shown := make([]string, 0, len(seen.Shown))
	for _, e := range seen.Shown {
		shown = append(shown, string(e))
	}
	pairs := []string{"set", string(set), "evidence", string(seen.Evidence), "shown", strings.Join(shown, ", "), "to", seen.To}
	switch {
	case !seen.Fits:
		v = wrong("notice-overflow-other", pairs...)
	case seen.Evidence == releve.EvidenceNone:
		v = well("calls-evidence-none", pairs...)
	default:
		v = well("calls-evidence-learned", pairs...)
	}
	if !kept {
		v.wrong = append(v.wrong, releve.Say("calls-evidence-unkept"))
	}
	if !told {
		v.wrong = append(v.wrong, releve.Say("calls-evidence-untold"))
	}
	return v
}

// judgeSound says what callers whom the PBX brings so could say and press.
func judgeSound(s releve.Sound) verdict {
	codecs := strings.Join(s.Codecs, ", ")
	switch {
	case s.Late:
		return well("calls-sound-late")
	case s.Unfit != "":
		return wrong("calls-sound-unfit", "codecs", codecs, "why", s.Unfit)
	case !s.Keys:
		return wrong("calls-sound-keyless", "codecs", codecs)
	}
	return well("calls-sound", "codecs", codecs)
}

// codeOf is the status by which the PBX refused a call, 0 where it did not.
func codeOf(err error) int {
	if refused, ok := errors.AsType[interface {
		error
		Status() int
	}](err); ok {
		return refused.Status()
	}
	return 0
}

// checkReport is a check while it is under way.
type checkReport struct {
	view.Procedure
	emit func(view.Procedure)
}

func newCheckReport(emit func(view.Procedure)) *checkReport {
	r := &checkReport{emit: emit, Procedure: view.Procedure{ID: rand.Text()[:8], Name: orderCheck, Started: time.Now().UTC()}}
	for _, what := range []string{"step-calls-options", "step-calls-overflow", "step-calls-return", "step-calls-evidence", "step-calls-sound"} {
		r.Steps = append(r.Steps, view.ProcedureStep{What: releve.Say(what), State: "waiting"})
	}
	return r
}

// show emits a copy: its readers keep it.
func (r *checkReport) show() {
	p := r.Procedure
	p.Steps = append([]view.ProcedureStep(nil), r.Steps...)
	r.emit(p)
}

func (r *checkReport) begin(i int) {
	r.Steps[i].State, r.Steps[i].Started = "running", time.Now().UTC()
	r.show()
}

func (r *checkReport) end(i int, v verdict) {
	s := &r.Steps[i]
	if !s.Started.IsZero() { // what the call of another step showed has no time of its own
		s.Finished = time.Now().UTC()
	}
	s.State, s.Findings = "done", v.wrong
	if v.found.Code != "" {
		s.Found = &v.found
	}
	if len(v.wrong) > 0 {
		s.State = "failed"
	}
	r.show()
}

func (r *checkReport) finish() {
	r.Finished = time.Now().UTC()
	r.show()
}

// checkOrder is a check that somebody asked for.
type checkOrder struct {
	emit func(view.Procedure)
	done chan error
}

// order has the check made by who makes the tests, one at a time.
func (t *Tester) order(ctx context.Context, emit func(view.Procedure)) error {
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	default:
		return refuseCheck(emit, "calls-check-runs")
	}
	o := checkOrder{emit, make(chan error, 1)}
	select {
	case t.orders <- o:
		return <-o.done // it is bounded, and goes on when its reader leaves
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func refuseCheck(emit func(view.Procedure), code string, pairs ...string) error {
	why, now := releve.Say(code, pairs...), time.Now().UTC()
	emit(view.Procedure{ID: rand.Text()[:8], Name: orderCheck, Started: now, Finished: now, Failed: &why})
	return refusals[code]
}

// check makes a test on an operator's word, and tells what each part of it showed.
func (t *Tester) check(ctx context.Context, emit func(view.Procedure)) error {
	if !t.stands() {
		return refuseCheck(emit, "calls-check-not-now")
	}
	if left := checkPause - time.Since(t.checked); left > 0 && !t.checked.IsZero() {
		return refuseCheck(emit, "calls-check-too-soon", "left", left.Round(time.Second).String())
	}
	defer func() { t.checked = time.Now() }()
	r := newCheckReport(emit)
	r.begin(0)
	r.end(0, t.options(ctx))
	r.begin(1)
	o := t.test(ctx)
	t.tell(o)
	r.end(1, judgeOverflow(o, t.Profile))
	if o.came {
		r.end(2, judgeReturn(o, t.Profile))
		t.keep(ctx)
		r.end(3, judgeEvidence(o.seen, t.Profile.Evidence, t.kept.Equal(o.seen.At), t.told.Equal(o.seen.At)))
		r.end(4, judgeSound(o.seen.Sound))
	}
	r.finish()
	return nil
}

func (t *Tester) options(ctx context.Context) verdict {
	ctx, cancel := context.WithTimeout(ctx, optionsLimit)
	defer cancel()
	return judgeOptions(t.Telephone.Ask(ctx))
}

// NoStandby refuses a check where there is no standby that could make it.
func NoStandby(emit func(view.Procedure)) error {
	return refuseCheck(emit, "calls-check-no-standby")
}

// CheckCalls checks the PBX by a call of the standby's. Either server can be asked: the standby
// makes it.
func (t *Tester) CheckCalls(ctx context.Context, emit func(view.Procedure)) error {
	if t.Site.View().Level != releve.HighAvailability {
		return NoStandby(emit)
	}
	if stance, _ := t.Site.Stance(); stance != takeover.OnDuty {
		return t.order(ctx, emit)
	}
	var refused error // the link carries words: the cause is found again by them
	begun := false
	err := order.Show(ctx, t.Link, orderCheck, order.Args(map[string]string(nil)), func(p view.Procedure) {
		begun = true
		if p.Failed != nil {
			refused = cmp.Or(refusals[p.Failed.Code], releve.ErrForbidden)
		}
		emit(p)
	})
	switch {
	case err != nil && refused != nil:
		return refused
	case err != nil && !begun: // the standby is not there to be asked
		t.Log.Info("the PBX cannot be checked", "err", err)
		return refuseCheck(emit, "calls-check-not-now")
	}
	return err
}

// outcome is what a call of our own has shown that the main was to refuse.
type outcome struct {
	unasked error           // the main could not be told to refuse it: there was no call
	call    releve.TestCall // what was seen of it, also where it failed
	err     error
	came    bool // it came to this server by the overflow
	seen    calls.Sighting
	unfit   string // this server refused a call meanwhile for what it offers
}

// why is in words, for logs and events.
func (o outcome) why() string {
	switch {
	case o.unasked != nil:
		return releve.Reason(releve.Because(o.unasked, "the other server could not be asked to refuse the call", "cause-not-asked"))
	case o.unfit != "":
		return o.unfit
	case o.err != nil:
		return releve.Reason(o.err)
	}
	return releve.Reason(errNotBack)
}
