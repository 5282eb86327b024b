package takeover

import (
	"errors"
	"fmt"

	"releve"
)

// Register is all that an arbiter on a third machine keeps of a site (R5): where the
// vote of an in-sync pair lies, and who may decide alone. It changes only by
// compare-and-set, one version after the other.
type Register struct {
	Site string `json:"site"`
	// Incarnation counts how often the arbiter was given this site anew. 0: it
	// remembers nothing, and grants nothing.
	Incarnation uint64      `json:"incarnation"`
	Term        releve.Term `json:"term"`
	Owner       releve.Seat `json:"owner"`
	// Alone: the owner holds the vote. Otherwise hand-over Number lies here, for the
	// copy that Candidate names.
	Alone     bool      `json:"alone"`
	Number    uint64    `json:"number"`
	Candidate Candidate `json:"terms"`
	Version   uint64    `json:"version"`
}

// grantedTo says that the register gives the next term to the mirror d, for its copy.
func (r Register) grantedTo(d Durable) bool {
	return r.Incarnation == d.Incarnation && r.Owner == d.Seat &&
		r.Term == d.Term+1 && d.DataID != "" && r.Candidate.DataID == d.DataID
}

// Claim is one compare-and-set: Want replaces the register whose incarnation and
// version are Was's. What Want becomes has the next version, whatever it says itself.
type Claim struct {
	Was  uint64   `json:"was"`  // version; 0: the register was empty
	Inc  uint64   `json:"inc"`  // incarnation that Was belongs to
	Want Register `json:"want"` // Version is not read
}

// ErrClaim marks a claim that the register does not allow.
var ErrClaim = errors.New("the arbiter refuses")

// Apply is the register after the claim of the server in seat by, or why it stays as
// it is. An arbiter does nothing else than this, durably, one claim at a time.
func (r Register) Apply(c Claim, by releve.Seat) (Register, error) {
	if err := r.allows(c, by); err != nil {
		return r, fmt.Errorf("%w: %w", ErrClaim, err)
	}
	next := c.Want
	next.Version = r.Version + 1
	return next, nil
}

func (r Register) allows(c Claim, by releve.Seat) error {
	w := c.Want
	switch {
	case c.Was != r.Version || c.Inc != r.Incarnation:
		return fmt.Errorf("version %d of incarnation %d was meant and %d of %d is here", c.Was, c.Inc, r.Version, r.Incarnation)
	case r.Site != "" && w.Site != r.Site:
		return fmt.Errorf("site %q was meant and %q is here", w.Site, r.Site)
	case w.Owner != by:
		if w.Owner == "" {
			return errors.New("nobody is named as owner")
		}
		return errors.New("a server speaks for itself alone")
	case w.Term < r.Term:
		return fmt.Errorf("term %d is older than term %d", w.Term, r.Term)
	case w.Incarnation > r.Incarnation: // its first word is that of who holds the vote
		if !w.Alone {
			return errors.New("only a server that holds the vote can begin an incarnation")
		}
		return nil
	case w.Incarnation != r.Incarnation || r.Incarnation == 0:
		return fmt.Errorf("incarnation %d is here, not %d", r.Incarnation, w.Incarnation)
	case by == r.Owner:
		if w.Term > r.Term && !w.Alone {
			return errors.New("a term begins alone")
		}
		return nil
	case r.Alone:
		return fmt.Errorf("the %s decides alone", r.Owner)
	case w.Term != r.Term+1 || !w.Alone:
		return errors.New("a takeover opens the next term, alone")
	}
	return nil
}
