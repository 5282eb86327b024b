package study

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"releve"
	rules "releve/rules/study"
)

// stepLimit bounds one order: the longest is at the PBX, whose silences are waited for.
const stepLimit = 80 * time.Second

// Progress is the step that begins.
type Progress struct {
	Step, Of int
	What     releve.Sentence
}

// Lead is a study while it is made.
type Lead struct {
	Question releve.StudyQuestion
	Secrets  releve.StudySecrets
	Ends     map[releve.Seat]End // the secondary's is missing where one server alone is studied
	Tell     func(Progress)

	mu    sync.Mutex
	taken []releve.Measurement
	gone  map[releve.Seat]error
}

// Run measures everything that can be. An end that is lost on the way leaves its share
// unmeasured; the error says how one was lost.
func (l *Lead) Run(ctx context.Context) ([]releve.Measurement, error) {
	l.gone = map[releve.Seat]error{}
	steps := []struct {
		name string
		do   func(context.Context)
	}{
		{"study-step-machines", func(ctx context.Context) { l.both(ctx, doLook) }},
		{"study-step-services", func(ctx context.Context) { l.both(ctx, doServices); l.compareNames() }},
		{"study-step-clock", l.clocks},
		{"study-step-ports", l.ports},
		{"study-step-pbx", func(ctx context.Context) { l.pbx(ctx) }},
	}
	for i, s := range steps {
		if ctx.Err() != nil {
			return l.taken, ctx.Err()
		}
		l.Tell(Progress{i + 1, len(steps), releve.Say(s.name)})
		bounded, done := context.WithTimeout(ctx, stepLimit)
		s.do(bounded)
		done()
	}
	for _, err := range l.gone {
		return l.taken, err
	}
	return l.taken, nil
}

// order is one order to one end, "false" where there is nobody to carry it out.
func (l *Lead) order(ctx context.Context, seat releve.Seat, o Order) (Reply, bool) {
	l.mu.Lock()
	end, there := l.Ends[seat]
	lost := l.gone[seat] != nil
	l.mu.Unlock()
	if !there || lost {
		return Reply{}, false
	}
	o.Seat, o.Question = seat, l.Question
	r, err := end.Do(ctx, o)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.gone[seat] = err
		return r, false
	}
	l.taken = append(l.taken, r.Taken...)
	return r, true
}

var seats = []releve.Seat{releve.Main, releve.Secondary}

// both has an order carried out on both servers at once.
func (l *Lead) both(ctx context.Context, do string) {
	l.each(func(seat releve.Seat) { l.order(ctx, seat, Order{Do: do}) })
}

func (l *Lead) each(do func(releve.Seat)) {
	var all sync.WaitGroup
	for _, seat := range seats {
		all.Go(func() { do(seat) })
	}
	all.Wait()
}

// clockRounds is how often the clocks are compared: the quickest round errs least.
const clockRounds = 8

// clocks compares both, as NTP does (RFC 5905 §8), without the time that the other took to answer.
func (l *Lead) clocks(ctx context.Context) {
	if _, two := l.Ends[releve.Secondary]; !two {
		return
	}
	m := releve.Measurement{Check: "clock-other", Seat: releve.Secondary}
	best := time.Duration(-1)
	for range clockRounds {
		before, own := l.order(ctx, releve.Main, Order{Do: doClock})
		begin := time.Now()
		there, far := l.order(ctx, releve.Secondary, Order{Do: doClock})
		round := time.Since(begin)
		if own && far && (best < 0 || round < best) {
			best = round
			m.State, m.Value = releve.Measured, there.Now.Sub(before.Now.Add(round/2)).Seconds()
		}
	}
	if best >= 0 {
		l.taken = append(l.taken, m)
	}
}

// ports has each end hold its ports while the other knocks.
func (l *Lead) ports(ctx context.Context) {
	ports := slices.Compact(slices.Sorted(slices.Values(rules.Listens(l.Question))))
	key := []byte(rand.Text())
	var mu sync.Mutex
	opened, probed, seen := map[releve.Seat]Reply{}, map[releve.Seat]Reply{}, map[releve.Seat]Reply{}
	ask := func(do string, into map[releve.Seat]Reply) {
		l.each(func(seat releve.Seat) {
			if r, ok := l.order(ctx, seat, Order{Do: do, Ports: ports, Key: key}); ok {
				mu.Lock()
				into[seat] = r
				mu.Unlock()
			}
		})
	}
	ask(doListen, opened)
	if _, two := opened[releve.Secondary]; two {
		ask(doKnock, probed)
	}
	ask(doSeen, seen)
	for _, seat := range seats {
		l.free(seat, opened[seat])
		if r, ok := probed[seat.Other()]; ok {
			l.taken = append(l.taken, rules.Ports(l.Question, seat, settled(r.Probes, opened[seat], seen[seat]))...)
		}
	}
}

// free says of each port of a server whether it could be had.
func (l *Lead) free(seat releve.Seat, r Reply) {
	for port, m := range r.Opened {
		m.Check, m.Seat = rules.FreeCheck(l.Question, port), seat
		l.taken = append(l.taken, m)
	}
}

// settled are the probes of one end with what the other has seen.
func settled(probes []rules.Probe, opened, seen Reply) []rules.Probe {
	all := make([]rules.Probe, 0, len(probes))
	for _, p := range probes {
		p = p.Arrived(seen.Seen[p.Port])
		if opened.Opened[p.Port].State != releve.Measured {
			p = rules.Probe{Port: p.Port, Outcome: rules.NotOpened}
		}
		all = append(all, p)
	}
	return all
}

// compareNames says whether a name means the same on both servers.
func (l *Lead) compareNames() {
	found := map[string]map[releve.Seat]string{}
	for _, m := range l.taken {
		if m.Check == "name" && m.State == releve.Measured {
			if found[m.About] == nil {
				found[m.About] = map[releve.Seat]string{}
			}
			found[m.About][m.Seat] = m.Text
		}
	}
	for name, by := range found {
		if len(by) < 2 {
			continue
		}
		m := releve.Measurement{Check: "name-same", Seat: releve.Secondary, About: name, State: releve.Measured, Text: by[releve.Secondary]}
		if by[releve.Main] != by[releve.Secondary] {
			m.State = releve.Broken
			m.Why = releve.Say("study-name-differs", "name", name, "main", by[releve.Main], "secondary", by[releve.Secondary])
		}
		l.taken = append(l.taken, m)
	}
}

// pbx is asked by one server after the other: two at a time would measure each other.
func (l *Lead) pbx(ctx context.Context) {
	for _, seat := range seats {
		l.order(ctx, seat, Order{Do: doPBX, Secrets: l.Secrets})
	}
}
