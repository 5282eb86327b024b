package acceptance

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"releve"
)

// orders are what an operator does to a site that is well (V1, B2, H13), and the same with the power of a
// server going while he does it.
func orders() []nemesis {
	all := []nemesis{
		{name: "a drill", absent: always, orderly: true, strike: func(t testing.TB, a *arena) func() {
			a.readyForDrill(t)
			a.obeyed(t, a.either(), "drill")
			return nothing
		}},
		{name: "a drill, and a server loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.readyForDrill(t)
			a.powerGoesDuring(t, 5*time.Second, "drill")
			return nothing
		}},
		{name: "a switchover of level backup", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.atBackup(t)
			a.obeyed(t, a.either(), "switchover")
			return nothing
		}},
		{name: "a switchover of level backup, and a server loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.atBackup(t)
			a.powerGoesDuring(t, 8*time.Second, "switchover")
			return nothing
		}},
		{name: "the level is lowered, and a server loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.powerGoesDuring(t, 4*time.Second, "level", onWord("use", a.lowerLevel())...)
			return nothing
		}},
		{name: "the level is raised, and a server loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.obeyed(t, a.either(), "level", onWord("use", a.lowerLevel())...)
			a.powerGoesDuring(t, 4*time.Second, "level", onWord("use", releve.HighAvailability)...)
			return nothing
		}},
	}
	for _, level := range lowerLevels {
		all = append(all, nemesis{
			name: fmt.Sprintf("the level is %s for a while", level), absent: always, orderly: true,
			strike: func(t testing.TB, a *arena) func() {
				a.obeyed(t, a.either(), "level", onWord("use", level)...)
				return func() { a.obeyed(t, a.either(), "level", onWord("use", releve.HighAvailability)...) }
			},
		})
	}
	return all
}

var lowerLevels = []releve.Level{releve.Base, releve.Mirroring, releve.Backup}

func (a *arena) lowerLevel() releve.Level { return lowerLevels[a.draw.IntN(len(lowerLevels))] }

// obeyed has a server carry an order out, which has to go well.
func (a *arena) obeyed(t testing.TB, asked *server, order string, more ...string) {
	t.Helper()
	began := time.Now()
	r := asked.run(order, more...)
	a.page.say("`releve %s %v`, asked of the %s, ends with %d after %v", order, more, asked.seat, r.code, time.Since(began).Round(time.Millisecond))
	if r.code != 0 {
		t.Fatalf("`releve %s %v` at the %s: exit code %d: %s\n%s", order, more, asked.seat, r.code, r.stderr, r.stdout)
	}
}

// powerGoesDuring gives an order, and takes the power of one server at some moment of it.
func (a *arena) powerGoesDuring(t testing.TB, within time.Duration, order string, more ...string) {
	t.Helper()
	asked, victim := a.either(), a.either()
	args := append([]string{order}, more...)
	command, err := launch(filepath.Join(a.dir, "order.log"), exec.Command(product(), append(args, "-c", asked.file)...))
	if err != nil {
		t.Fatal(err)
	}
	defer command.stop()
	<-time.After(time.Duration(a.draw.Int64N(int64(within)))) // the moment is part of the schedule
	a.page.say("while `releve %v` runs at the %s (%v), the %s server loses its power", args, asked.seat, command.running(), victim.seat)
	victim.kill9(t)
	if code, err := command.wait(90 * time.Second); err == nil {
		a.page.say("the command ends with %d", code)
	}
}

// atBackup has the site at level backup, with the main on duty.
func (a *arena) atBackup(t testing.TB) {
	t.Helper()
	a.obeyed(t, a.either(), "level", onWord("use", releve.Backup)...)
	a.waitBackup(t, a.main)
}

// readyForDrill waits until the standby could take over: a proof of the mirror is ordered.
func (a *arena) readyForDrill(t testing.TB) {
	t.Helper()
	a.obeyed(t, a.main, "mirror", "verify")
	eventually(t, 60*time.Second, "the standby could take over", func() error { return errors.Join(a.main.ready(true), a.secondary.ready(true)) })
}
