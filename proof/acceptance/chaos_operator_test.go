package acceptance

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// recoveryLimit is how long an operator may need until the site is protected again.
const recoveryLimit = 2 * time.Minute

// recover does what an operator does until the site is in its normal state: he starts what
// does not run, raises the level again where it was left lower, and when both servers say that the
// secondary is on duty, he asks for the return.
func (a *arena) recover(t testing.TB) {
	t.Helper()
	o := operator{arena: a, came: time.Now(), needed: noHelp}
	defer o.leave()
	err := await(recoveryLimit, func() error {
		o.startWhatStopped(t)
		err := a.protectedUnder(a.main)
		if err == nil {
			return o.steady()
		}
		o.protected = time.Time{}
		if why, command := o.next(); why != noHelp {
			o.needed = why
			o.order(t, command...)
		}
		return err
	})
	if err != nil {
		t.Fatalf("the site is not protected again within %v: %v", recoveryLimit, err)
	}
	a.mended[o.needed]++
}

// help is what a site needed to be protected again, beside a start of what did not run.
type help string

// The kinds of help.
const (
	noHelp     help = "by themselves"
	theReturn  help = "by a return, for the secondary had the duty"
	otherOrder help = "by a return that the main ordered for itself: nothing else mended them"
	// The level was left where it had been lowered to.
	levelRaised help = "by raising the level again"
)

// operator is who comes when something has gone wrong.
type operator struct {
	*arena
	came      time.Time
	ordered   time.Time // his last command
	running   *part     // it, until its end was seen
	command   string
	needed    help
	protected time.Time // since when the site is; zero while it is not
}

// steadyFor is how long a site must be protected to be taken for it: what ended a moment
// ago is not known to everybody yet.
const steadyFor = 400 * time.Millisecond

func (o *operator) steady() error {
	if o.protected.IsZero() {
		o.protected = time.Now()
	}
	if time.Since(o.protected) < steadyFor {
		return errNotYet
	}
	return nil
}

func (o *operator) startWhatStopped(t testing.TB) {
	t.Helper()
	for _, m := range o.machines() {
		if m.running() {
			continue
		}
		if m.process.cmd.ProcessState.Exited() {
			o.page.say("the %s has ended with exit code %d", m.name, m.process.cmd.ProcessState.ExitCode())
		}
		o.page.say("the %s is started", m.name)
		m.start(t)
	}
}

// patience is how long an operator watches a site mend itself.
const patience = 10 * time.Second

// next is what he orders, if anything: both servers agree that the level is lower, or that the secondary is on
// duty, and the main hears the PBX; or nothing has happened for a long time.
func (o *operator) next() (why help, command []string) {
	if o.busy() || time.Since(o.ordered) < time.Second {
		return noHelp, nil
	}
	main, err := o.main.view()
	if err != nil {
		return noHelp, nil
	}
	secondary, err := o.secondary.view()
	switch {
	case err != nil || main.Owner != secondary.Owner || main.Term != secondary.Term || !main.PBX.Heard && main.Level != releve.Backup:
		return noHelp, nil
	case main.Level == releve.Backup && secondary.Level == releve.Backup && main.Owner == releve.Secondary:
		return levelRaised, []string{"switchover"}
	case main.Level == secondary.Level && main.Level != releve.HighAvailability:
		return levelRaised, append([]string{"level"}, onWord("use", releve.HighAvailability)...)
	case main.Owner == releve.Secondary:
		return theReturn, []string{"return"}
	case time.Since(o.came) > patience && time.Since(o.ordered) > patience:
		return otherOrder, []string{"return"}
	}
	return noHelp, nil
}

func (o *operator) order(t testing.TB, command ...string) {
	var err error
	o.ordered, o.command = time.Now(), strings.Join(command, " ")
	if o.running, err = launch(filepath.Join(o.dir, "return"), exec.Command(product(), append(command, "-c", o.main.file)...)); err != nil {
		t.Fatal(err)
	}
}

// busy says whether what he ordered still runs, and notes how it ended.
func (o *operator) busy() bool {
	if o.running == nil || o.running.running() {
		return o.running != nil
	}
	if code := o.running.cmd.ProcessState.ExitCode(); code != 0 {
		o.page.say("releve %s: exit code %d: %s", o.command, code, tail(o.running.output, 1))
	} else {
		o.page.say("releve %s is done", o.command)
	}
	o.running = nil
	return false
}

// leave waits for his command: the site may be protected a moment before its last step, the
// test call.
func (o *operator) leave() {
	if o.running == nil {
		return
	}
	if _, err := o.running.wait(10 * time.Second); err != nil {
		o.page.say("releve %s does not end", o.command)
		o.running.stop()
	}
	o.busy()
}

// watch looks at what both servers say of their own duty. That both say active for a
// moment is allowed (R13): that two commit is not, and others look for that.
type watch struct {
	stop context.CancelFunc
	done sync.WaitGroup
	both time.Duration
}

// watchPeriod is how often both are asked.
const watchPeriod = 100 * time.Millisecond

func watchDuty(main, secondary *server) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{stop: stop}
	w.done.Go(func() {
		next := time.NewTicker(watchPeriod)
		defer next.Stop()
		for {
			select {
			case <-next.C:
				w.look(main, secondary)
			case <-ctx.Done():
				return
			}
		}
	})
	return w
}

func (w *watch) close() {
	w.stop()
	w.done.Wait()
}

// look asks both at once. An answer that waited in a frozen server says when it was made.
func (w *watch) look(main, secondary *server) {
	var views [2]view.Site
	var fails [2]error
	var both sync.WaitGroup
	for i, s := range []*server{main, secondary} {
		both.Go(func() { views[i], fails[i] = s.view() })
	}
	both.Wait()
	apart := views[0].At.Sub(views[1].At).Abs()
	if fails[0] == nil && fails[1] == nil && apart < watchPeriod &&
		views[0].Main.Duty == releve.Active && views[1].Secondary.Duty == releve.Active {
		w.both += watchPeriod
	}
}
