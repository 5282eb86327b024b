package licences

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"releve"
	"releve/rules/licence"
	"releve/rules/study"
	"releve/server/order"
)

// orderLicences brings both servers' licences and papers together: each says what it holds, and
// gives what the other lacks.
const orderLicences = "licences"

const (
	// together is how many texts travel at a time: a message of the link has a megabyte.
	together = 8
	// rounds is after how many questions both have all that either may hold.
	rounds = licence.Most/together + 2
	// roundLimit is how long the other server may take for one.
	roundLimit = 2 * time.Second
)

// message is what one server tells the other. Licences are public: they are signed, and
// nobody's secret.
type message struct {
	At    time.Time `json:"at"`    // what its clock shows
	Holds []string  `json:"holds"` // ids
	Texts []string  `json:"texts"` // licences that the other lacks, as far as is known

	Papers string        `json:"papers,omitempty"` // the id of those that it has; "": a version that knows none
	Brings *study.Papers `json:"brings,omitempty"` // where the other has others

	Falls fall `json:"falls,omitzero"`
}

// exchange asks the other server until both hold the same.
func (k *Keeper) exchange(ctx context.Context) error {
	var theirs *message // what they said last
	for range rounds {
		ctx, cancel := context.WithTimeout(ctx, roundLimit)
		said := k.message(theirs)
		answer, err := order.Ask[message](ctx, k.o.Link, orderLicences, order.Args(said))
		cancel()
		if err != nil {
			return err
		}
		gained := k.hear(answer)
		theirs = &answer
		if more := k.message(theirs); gained == 0 && len(more.Texts) == 0 && more.Brings == nil {
			return nil
		}
	}
	return nil
}

// message is what this server says to one that said this; nil: nothing yet.
func (k *Keeper) message(theirs *message) message {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := message{At: k.o.Wall(), Holds: []string{}, Texts: []string{}, Papers: k.papers.ID(), Falls: k.falls()}
	for _, l := range k.held {
		m.Holds = append(m.Holds, l.ID)
		if theirs != nil && len(m.Texts) < together && !slices.Contains(theirs.Holds, l.ID) {
			m.Texts = append(m.Texts, string(l.text))
		}
	}
	if theirs != nil && theirs.Papers != "" && theirs.Papers != m.Papers {
		m.Brings = &k.papers
	}
	return m
}

// hear takes in what the other server says, and how many of its licences are new here. One that
// cannot be read here may be of an issuer whom a later version believes: it is asked for again.
func (k *Keeper) hear(m message) (gained int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.other = theirClock{m.At, k.o.Boot()}
	k.shared = map[string]bool{}
	for _, id := range m.Holds {
		k.shared[id] = true
	}
	k.theirFall = m.Falls
	if gained, k.theirs = 0, m.Papers; m.Brings != nil && k.file(k.papers.With(*m.Brings)) {
		gained++
	}
	for _, text := range m.Texts {
		l, err := k.o.Issuers.Read([]byte(text))
		if err == nil {
			err = l.For(k.o.Site)
		}
		if err != nil {
			k.o.Log.Info("a licence of the other server's is not taken", "err", err)
			continue
		}
		if k.has(l.ID) || len(k.held) >= licence.Most {
			continue
		}
		new := kept{l, licence.Tidy([]byte(text))}
		if err := k.shelf.put(new); err != nil {
			k.noteDisk("shelf", err)
			continue
		}
		k.held = append(k.held, new)
		gained++
		k.o.Front.Explain(releve.Say("licence-received", "serial", l.Serial, "level", string(l.Level)))
	}
	return gained
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk {
	return order.Desk{orderLicences: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		var said message
		if err := json.Unmarshal(args, &said); err != nil {
			return err
		}
		k.answer(said)
		return order.Line(emit, k.message(&said))
	}}
}

// answer takes in what the other server says; what is new, or was not known to be shared, is
// shown.
func (k *Keeper) answer(said message) {
	before := k.Licences().Shared
	if k.hear(said) > 0 || before != k.sharedNow() || said.Falls.Due {
		k.look()
	}
}

func (k *Keeper) sharedNow() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.allShared(k.licences())
}
