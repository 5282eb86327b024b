package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"releve"
)

// Somebody who looks something up in the database, leaves his transaction open and goes home
// keeps what calls record from being stored. He is named, and after a while his session ends.

const (
	holdersPeriod = 500 * time.Millisecond // ours wait two seconds at a time (lock_timeout)
	holdersNamed  = 3 * time.Second        // before that it is everyday business
	holdersEnded  = 30 * time.Second
	holdersGone   = 5 * time.Second // not seen for so long: nobody waits for it any more
)

// holding is what the watch needs of PostgreSQL.
type holding interface {
	Holders(context.Context) ([]Holder, error)
	EndHolder(context.Context, Holder) error
}

// holders watches who holds our sessions up.
type holders struct {
	database holding
	seat     releve.Seat
	explain  func(what releve.Sentence)
	log      *slog.Logger
	known    map[string]*held // by pid and start
}

type held struct {
	Holder
	first, last time.Time // seen
	named       bool
}

// WatchHolders names those who keep our sessions waiting, and ends their sessions, until ctx
// ends.
func (c *Cluster) WatchHolders(ctx context.Context, explain func(what releve.Sentence)) {
	newHolders(c, c.opts.Seat, explain, c.log).run(ctx)
}

func newHolders(database holding, seat releve.Seat, explain func(releve.Sentence), log *slog.Logger) *holders {
	return &holders{database: database, seat: seat, explain: explain, log: log, known: map[string]*held{}}
}

// run looks until ctx ends. A database that does not answer holds nobody up: others tell that.
func (h *holders) run(ctx context.Context) {
	ticker := time.NewTimer(releve.UntilBeat(time.Now(), holdersPeriod))
	defer ticker.Stop()
	for {
		if seen, err := h.database.Holders(ctx); err == nil {
			h.look(ctx, seen, time.Now())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			ticker.Reset(releve.UntilBeat(time.Now(), holdersPeriod))
		}
	}
}

func (h *holders) look(ctx context.Context, seen []Holder, now time.Time) {
	for _, one := range seen {
		key := fmt.Sprint(one.PID, " ", one.Started)
		if h.known[key] == nil {
			h.known[key] = &held{Holder: one, first: now}
		}
		h.known[key].last = now
		h.judge(ctx, h.known[key], now)
	}
	for key, one := range h.known {
		if now.Sub(one.last) < holdersGone {
			continue
		}
		if one.named {
			h.explain(releve.Say("event-held-up-no-more", h.words(one.Holder)...))
		}
		delete(h.known, key)
	}
}

func (h *holders) judge(ctx context.Context, one *held, now time.Time) {
	lasted := now.Sub(one.first)
	if lasted >= holdersNamed && !one.named {
		one.named = true
		h.explain(releve.Say("event-held-up", h.words(one.Holder)...))
	}
	if lasted < holdersEnded {
		return
	}
	if err := h.database.EndHolder(ctx, one.Holder); err != nil {
		h.log.Warn("a session that holds up records does not end", "pid", one.PID, "err", err)
		return
	}
	h.log.Warn("a session that held up records was ended", "pid", one.PID, "who", one.Who, "since", one.Since)
}

func (h *holders) words(one Holder) []string {
	return []string{"seat", string(h.seat), "who", one.Who, "pid", fmt.Sprint(one.PID),
		"since", one.Since.Local().Format("2006-01-02 15:04:05 MST"), "limit", holdersEnded.String()}
}
