package agent

import (
	"errors"
	"releve"

	"releve/rules/takeover"
)

// vain is a job that failed and will be tried again. The first time may be bad luck, and
// nobody has to read of it; from the second on it is said why, on the screen for as long as
// it lasts and among the events each time that the row has doubled.
type vain struct {
	job   takeover.Job
	times int
	why   releve.Sentence
}

const inVain = "job-in-vain"

// ended keeps how a job went. Why PostgreSQL does not start is told by who starts it.
func (a *Agent) ended(job takeover.Job, err error) {
	v, news := a.board.inVain(job, err)
	if news && job != takeover.JobStart {
		a.Explain(v.why)
	}
}

// inVain counts, and says whether an operator should hear of it now.
func (b *board) inVain(job takeover.Job, err error) (v vain, news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vain.job != job || err == nil {
		b.vain = vain{job: job}
	}
	if err == nil {
		return b.vain, false
	}
	b.vain.times++
	times := b.vain.times
	fault, known := errors.AsType[*releve.Fault](err)
	if known { // it says what to do: that is worth reading at once
		b.vain.why = fault.Why
	} else {
		b.vain.why = releve.Say(inVain, "job", string(job), "times", itoa(times), "why", releve.Reason(err))
	}
	return b.vain, (known || times > 1) && times&(times-1) == 0
}

// hopeless is what to show of a job that waits for its next try, nothing where that was not
// yet in vain more than once.
func (b *board) hopeless(m takeover.Machine) releve.Sentence {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Failed == takeover.NoJob || m.Failed != b.vain.job || b.vain.times < 2 && b.vain.why.Code == inVain {
		return releve.Sentence{}
	}
	return b.vain.why
}
