package calls

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"releve"
)

const (
	// againWithin is how soon after a refusal the next call of the same number is the same
	// caller's next attempt: a PBX that hunts comes back at once, and who dials again as soon
	// is still the same caller.
	againWithin = 10 * time.Second
	// attemptsMost bounds the attempts of one chain, so that a PBX in a loop is seen to be one.
	attemptsMost = 20
	// chainsMost bounds the callers whose refusal is remembered; beyond it each attempt
	// stands for itself.
	chainsMost = 1024
)

// chains tell which calls are attempts of one caller. A proxy offers the same call again under
// the same Call-ID and tag, to this server or to the other; a back-to-back PBX makes each
// attempt a call of its own, and then only the caller's number tells.
type chains struct {
	now func() time.Time

	mu      sync.Mutex
	refused map[string]attempts // by the caller's number
}

// attempts are those of one caller who was refused.
type attempts struct {
	chain string
	made  int
	until time.Time // when the next is another call
}

func newChains(now func() time.Time) *chains {
	return &chains{now: now, refused: map[string]attempts{}}
}

// join gives the chain of a call that is taken up.
func (c *chains) join(in releve.Invite) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, known := c.refused[in.From]
	if known && before.made < attemptsMost && c.now().Before(before.until) {
		return before.chain
	}
	sum := sha256.Sum256([]byte(string(in.Call) + "\x00" + in.Tag))
	return hex.EncodeToString(sum[:10])
}

// ended notes how a call of a chain ended. After a conversation the next call is another.
func (c *chains) ended(in releve.Invite, chain string, conversed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conversed || !tellsApart(in.From) {
		delete(c.refused, in.From)
		return
	}
	before, known := c.refused[in.From]
	if !known && len(c.refused) >= chainsMost && !c.forget() {
		return
	}
	made := 1
	if before.chain == chain {
		made += before.made
	}
	c.refused[in.From] = attempts{chain, made, c.now().Add(againWithin)}
}

// forget lets go of callers who did not come again, and says whether there is room now.
func (c *chains) forget() bool {
	now := c.now()
	for number, a := range c.refused {
		if !now.Before(a.until) {
			delete(c.refused, number)
		}
	}
	return len(c.refused) < chainsMost
}

// tellsApart says whether the user of a From tells one caller from another: a number does,
// "anonymous" and the like do not.
func tellsApart(from string) bool {
	digits := strings.TrimPrefix(from, "+")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
