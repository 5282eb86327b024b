package readiness

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"releve"
	"releve/rules/attendant/prompts"
	rules "releve/rules/readiness"
	"releve/server/order"
)

// orderWord asks the other server what it has.
const orderWord = "readiness-word"

// word is what one server says to the other: its tags are the format.
type word struct {
	Clock   time.Time `json:"clock"`
	Missing []string  `json:"missing,omitempty"` // prompts
	Free    int64     `json:"free"`              // bytes
	Least   int64     `json:"least"`
	Expires time.Time `json:"expires"`
}

// Own is what this server looks at to say what it has.
type Own struct {
	Dir     string                    // of its data
	Expires func() (time.Time, error) // when the first of its certificates ends
}

// missing are the prompts that the program lacks. They are built into it, and do not change.
var missing = sync.OnceValue(func() (names []string) {
	for _, language := range []releve.Language{releve.French, releve.English} {
		for _, name := range prompts.Names() {
			if sound, err := prompts.WAV(language, name); err != nil || len(sound) == 0 {
				names = append(names, string(language)+"/"+name)
			}
		}
	}
	return names
})

// look asks for what a takeover would need. What cannot be read is not there.
func (o Own) look() word {
	w := word{Clock: time.Now(), Missing: missing()}
	w.Free, w.Least = room(o.Dir)
	if expires, err := o.Expires(); err == nil {
		w.Expires = expires
	}
	return w
}

// Room that there has to be for a takeover: its log, its spool and its diary.
const (
	leastRoom = 32 << 20
	mostRoom  = 1 << 30
)

// room is what an account without rights may still use of a directory's disk, and how much it is
// to be: a twentieth, within bounds.
func room(dir string) (free, least int64) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, leastRoom
	}
	return int64(s.Bavail) * s.Bsize, min(max(int64(s.Blocks)*s.Bsize/20, leastRoom), mostRoom)
}

// hear takes in what both servers have now. Of a server that does not say it, what it said before
// grows old.
func (k *Keeper) hear(ctx context.Context) {
	k.own = meant(k.Own.look())
	ctx, cancel := context.WithTimeout(ctx, wordLimit)
	defer cancel()
	if theirs, err := order.Ask[word](ctx, k.Link, orderWord, nil); err == nil {
		k.theirs = meant(theirs)
	}
}

// meant is a word that has just been said.
func meant(w word) rules.Word {
	return rules.Word{
		Heard: time.Now(), Clock: w.Clock, Missing: w.Missing, Free: w.Free, Least: w.Least, Expires: w.Expires,
	}
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk {
	return order.Desk{orderWord: func(_ context.Context, _ json.RawMessage, emit order.Emit) error {
		return order.Line(emit, k.Own.look())
	}}
}
