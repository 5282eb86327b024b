package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

var share = flag.String("share", "",
	"`i/n`: play the i-th, counted from 0, of each n seeds in this process, and tell the sum on a line of its own")

// played is what came of a share.
type played struct {
	Seeds   int
	Figures Figures
	Broken  string // the page of the story that broke a promise, with the way to replay it

	work time.Duration // of one processor
}

func (p *played) add(q played) {
	p.Seeds += q.Seeds
	p.Figures.Add(q.Figures)
	p.Broken += q.Broken
	p.work += q.work
}

// told begins the line on which a share is told.
const told = "share: "

// playShare plays this process's share of the seeds and tells what came of it.
func playShare(t *testing.T) {
	var i, n int
	if _, err := fmt.Sscanf(*share, "%d/%d", &i, &n); err != nil || i < 0 || i >= n {
		t.Fatalf("-share %q is not of the form 0/2", *share)
	}
	var p played
	for at := i; at < *count && p.Broken == ""; at += n {
		seed := *first + uint64(at)
		o := play(t, seed, Without{})
		p.Seeds++
		p.Figures.Add(o.Figures)
		if o.Broken != "" {
			p.Broken = fmt.Sprintf("%sreplay: go test ./proof/sim -run Seed -seed %d\n", o.Trace(), seed)
		}
	}
	line, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%s%s\n", told, line)
}

// playAll has a process for each processor play its share. The first that finds a broken
// promise ends the others.
func playAll(t *testing.T, first uint64, seeds int) (sum played) {
	t.Helper()
	if seeds == 0 {
		seeds = everyday()
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	var shares sync.WaitGroup
	n := runtime.NumCPU()
	for i := range n {
		shares.Go(func() {
			p, err := inProcess(ctx, first, seeds, i, n)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case ctx.Err() != nil: // another has found something
			case err != nil:
				t.Error(err)
				stop()
			default:
				sum.add(p)
				if p.Broken != "" {
					t.Error(p.Broken)
					stop()
				}
			}
		})
	}
	shares.Wait()
	if sum.Seeds != seeds && !t.Failed() {
		t.Errorf("%d seeds were played and not %d", sum.Seeds, seeds)
	}
	return sum
}

// inProcess plays a share in a process of its own.
func inProcess(ctx context.Context, first uint64, seeds, i, n int) (p played, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSeed$", "-test.timeout=0",
		fmt.Sprint("-first=", first), fmt.Sprint("-seeds=", seeds), fmt.Sprintf("-share=%d/%d", i, n))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive a test that is cut short
	runtime.LockOSThread()                                             // of whose thread it is the child
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return p, fmt.Errorf("share %d/%d of the seeds: %w\n%s", i, n, err, out)
	}
	_, line, ok := bytes.Cut(out, []byte("\n"+told))
	if !ok {
		return p, fmt.Errorf("share %d/%d of the seeds does not tell what came of it:\n%s", i, n, out)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	err = json.Unmarshal(line, &p)
	p.work = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return p, err
}
