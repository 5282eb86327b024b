package witness_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"releve"
	"releve/adapters/witness"
	"releve/rules/takeover"
)

// asked is one request as a server made it; without a claim it reads.
type asked struct {
	by    releve.Seat
	claim *takeover.Claim
}

// outcome is what it was told.
type outcome struct {
	register takeover.Register
	refused  bool
	unknown  bool // no verdict came
}

// registerModel is one register that is changed by one claim at a time.
var registerModel = porcupine.Model{
	Init: func() any { return takeover.Register{Site: siteID} },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(takeover.Register), input.(asked), output.(outcome)
		if in.claim == nil {
			return out.register == now, now
		}
		next, err := now.Apply(*in.claim, in.by)
		switch {
		case out.unknown: // at some moment after it was sent, which may be after all else
			return true, next
		case out.refused:
			return err != nil && out.register == now, now
		}
		return err == nil && out.register == next, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// history is what several servers asked and were told, with when.
type history struct {
	mu  sync.Mutex
	ops []porcupine.Operation
}

var epoch = time.Now()

// ask makes one request and writes down how it went. It gives the register that
// the witness told, if it was heard.
func (h *history) ask(c *witness.Client, in asked) (told takeover.Register, heard bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), plenty)
	defer cancel()
	op := porcupine.Operation{Input: in, Call: time.Since(epoch).Nanoseconds()}
	if in.by == releve.Secondary {
		op.ClientId = 1
	}
	var out outcome
	if in.claim == nil {
		out.register, err = c.Read(ctx)
	} else {
		out.register, err = c.Claim(ctx, *in.claim)
	}
	op.Return = time.Since(epoch).Nanoseconds()
	switch {
	case errors.Is(err, takeover.ErrClaim):
		out.refused = true
	case errors.Is(err, witness.ErrNotHeard) && in.claim == nil:
		return told, false, nil // it told nothing
	case errors.Is(err, witness.ErrNotHeard):
		out.unknown, op.Return = true, math.MaxInt64
	case err != nil:
		return told, false, err
	}
	op.Output = out
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	return out.register, !out.unknown, nil
}

// The moves of a server, on the register that it knows, stale or not.
var moves = map[string]func(*takeover.Register){
	"read": nil,
	"seed": func(r *takeover.Register) {
		r.Site, r.Incarnation, r.Term, r.Alone = siteID, r.Incarnation+1, max(r.Term, 1), true
	},
	"hand over":   handOver,
	"go alone":    goAlone,
	"take over":   takeOver,
	"open a term": func(r *takeover.Register) { r.Term, r.Alone = r.Term+1, true },
}

func (h *history) play(c *witness.Client, seat releve.Seat, script []string, before func(step int)) error {
	knows := takeover.Register{Site: siteID}
	for i, move := range script {
		before(i)
		in := asked{by: seat}
		if change := moves[move]; change != nil {
			claim := after(knows, change)
			if move != "take over" {
				claim.Want.Owner = seat
			}
			in.claim = &claim
		}
		told, heard, err := h.ask(c, in)
		for deadline := time.Now().Add(plenty); err == nil && !heard; { // as a server does
			if time.Now().After(deadline) {
				err = witness.ErrNotHeard
				break
			}
			told, heard, err = h.ask(c, asked{by: seat})
		}
		if err != nil {
			return fmt.Errorf("%s of the %s: %w", move, seat, err)
		}
		knows = told
	}
	return nil
}

// supervised is a witness that is started again whenever it ends.
type supervised struct {
	disk    atomic.Pointer[disk]
	restart chan struct{}
}

// supervise runs one on an empty disk until ctx ends, then closes done.
func (s *site) supervise(ctx context.Context) (w *supervised, done chan struct{}) {
	w, done = &supervised{restart: make(chan struct{}, 1)}, make(chan struct{})
	w.disk.Store(&disk{})
	ready := make(chan struct{})
	go func() {
		defer close(done)
		for began := false; ctx.Err() == nil; began = true {
			server, err := witness.NewServer(s.options(w.disk.Load()))
			if !began {
				close(ready)
			}
			if err != nil {
				s.t.Errorf("the witness does not start again: %v", err)
				return
			}
			if err := w.run(ctx, server); err != nil && !errors.Is(err, witness.ErrUnsure) {
				s.t.Errorf("the witness ended with %v", err)
			}
			w.disk.Store(w.disk.Load().reread())
		}
	}()
	<-ready
	return w, done
}

func (w *supervised) run(ctx context.Context, server *witness.Server) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-w.restart:
			stop()
		case <-ctx.Done():
		}
	}()
	return server.Run(ctx)
}

// troubles are what may happen while the servers ask.
func (w *supervised) troubles(p *proxy) map[string]func() {
	once := func(fail func(save func()) error) {
		d := w.disk.Load()
		d.fails(func(_ context.Context, save func()) error { d.fails(nil); return fail(save) })
	}
	return map[string]func(){
		"none":            func() {},
		"still none":      func() {},
		"cut":             p.cut,
		"an answer lost":  func() { p.swallow.Store(true) },
		"slow":            func() { p.delay.Store(int64(time.Millisecond)) },
		"fast":            func() { p.delay.Store(0) },
		"disk full":       func() { once(func(func()) error { return errors.New("no space left on device") }) },
		"wedged, written": func() { once(func(save func()) error { save(); return errUnsure }) },
		"wedged, lost":    func() { once(func(func()) error { return errUnsure }) },
		"started again": func() {
			select {
			case w.restart <- struct{}{}:
			default:
			}
		},
	}
}

// Whatever the two servers ask in whatever order, with the network, the disk and
// the witness failing meanwhile: what they are told is what one register, changed
// by one claim at a time, would tell. An unknown outcome may be either.
func TestTheRegisterIsLinearizable(t *testing.T) {
	s := newSite(t)
	p := newProxy(t, s.at)
	clients := map[releve.Seat]*witness.Client{}
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		clients[seat] = s.client(seat, p.at())
	}
	var granted, refused, unknown, reads int
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(moves))), 8, 14)
		scripts := map[releve.Seat][]string{releve.Main: script.Draw(rt, "main"), releve.Secondary: script.Draw(rt, "secondary")}
		ctx, stop := context.WithCancel(context.Background())
		witness, done := s.supervise(ctx)
		defer func() { stop(); <-done; p.delay.Store(0); p.swallow.Store(false) }()
		troubles := witness.troubles(p)
		happens := rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(troubles))), 14, 14).Draw(rt, "troubles")

		var h history
		var playing sync.WaitGroup
		errs := make(chan error, 2)
		for seat, script := range scripts {
			before := func(int) {}
			if seat == releve.Main {
				before = func(step int) { troubles[happens[step]]() }
			}
			playing.Go(func() { errs <- h.play(clients[seat], seat, script, before) })
		}
		playing.Wait()
		for range scripts {
			if err := <-errs; err != nil {
				rt.Fatal(err)
			}
		}
		if result := porcupine.CheckOperationsTimeout(registerModel, h.ops, plenty); result != porcupine.Ok {
			rt.Fatalf("%s: %s", result, h.page())
		}
		for _, op := range h.ops {
			switch out := op.Output.(outcome); {
			case op.Input.(asked).claim == nil:
				reads++
			case out.unknown:
				unknown++
			case out.refused:
				refused++
			default:
				granted++
			}
		}
	})
	t.Logf("%d reads; claims: %d granted, %d refused, %d unknown", reads, granted, refused, unknown)
	if reads == 0 || granted == 0 || refused == 0 || unknown == 0 {
		t.Error("not every outcome was met: this test no longer shows anything")
	}
}

func (h *history) page() (text string) {
	for _, op := range h.ops {
		text += fmt.Sprintf("\n%d..%d %s", op.Call, op.Return, registerModel.DescribeOperation(op.Input, op.Output))
	}
	return text
}

// A checker that accepts everything would prove nothing.
func TestTheCheckerFindsWhatAWitnessMustNeverTell(t *testing.T) {
	empty := takeover.Register{Site: siteID}
	first, _ := empty.Apply(seed(), releve.Main)
	lodged, _ := first.Apply(after(first, handOver), releve.Main)
	alone, taken := after(lodged, goAlone), after(lodged, takeOver)
	reclaimed, _ := lodged.Apply(alone, releve.Main)
	relieved, _ := lodged.Apply(taken, releve.Secondary)
	begin := []porcupine.Operation{
		op(0, 1, asked{releve.Main, new(seed())}, outcome{register: first}),
		op(2, 3, asked{releve.Main, new(after(first, handOver))}, outcome{register: lodged}),
	}
	for story, c := range map[string]struct {
		then []porcupine.Operation
		want bool
	}{
		"one of two is granted": {[]porcupine.Operation{
			op(4, 7, asked{releve.Main, &alone}, outcome{register: reclaimed}),
			op(5, 6, asked{releve.Secondary, &taken}, outcome{register: reclaimed, refused: true}),
		}, true},
		"both are granted": {[]porcupine.Operation{
			op(4, 7, asked{releve.Main, &alone}, outcome{register: reclaimed}),
			op(5, 6, asked{releve.Secondary, &taken}, outcome{register: relieved}),
		}, false},
		"a grant is forgotten": {[]porcupine.Operation{
			op(4, 5, asked{releve.Main, &alone}, outcome{register: reclaimed}),
			op(6, 7, asked{releve.Secondary, nil}, outcome{register: lodged}),
		}, false},
		"an unknown claim is seen": {[]porcupine.Operation{
			op(4, math.MaxInt64, asked{releve.Main, &alone}, outcome{unknown: true}),
			op(6, 7, asked{releve.Secondary, nil}, outcome{register: reclaimed}),
		}, true},
		"an unknown claim is told as refused": {[]porcupine.Operation{
			op(4, 5, asked{releve.Main, &alone}, outcome{register: lodged, refused: true}),
			op(6, 7, asked{releve.Secondary, nil}, outcome{register: reclaimed}),
		}, false},
	} {
		if got := porcupine.CheckOperations(registerModel, append(begin[:2:2], c.then...)); got != c.want {
			t.Errorf("%s: linearizable %v, want %v", story, got, c.want)
		}
	}
}

func op(call, end int64, in asked, out outcome) porcupine.Operation {
	return porcupine.Operation{Input: in, Call: call, Output: out, Return: end}
}
