// Package licences keeps a site's licences on this server, and the study that comes before a level
// (SPEC V1, E4), says what they allow and when a level falls back, and sees to it that both servers
// know each of them (SPEC L1, L2): what is handed to either is told to the other, at once or when
// that is back.
//
// It keeps nobody from anything. What it finds out is shown and announced; what cannot be read
// is said, and the server runs.
package licences

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/rules/licence"
	"releve/rules/study"
	"releve/screen/view"
	"releve/server/order"
)

const (
	// beat is how often it is looked whether there is anything to do. It costs a comparison.
	beat = time.Minute
	// soon is how often while the other server has not been told all.
	soon = 10 * time.Second
	// lookEach is how often licences are read again and weighed. Their days have 24 of it.
	lookEach = time.Hour
)

// Options are what a Keeper is made of.
type Options struct {
	Dir     string // where licences are kept; made when there is one
	Site    string
	Issuers licence.Issuers
	Runs    func() licence.Running // what the site runs now
	Place   study.Place            // of which a study has to be
	Faller  Faller                 // who carries out what is announced

	Link  order.Link
	Front Front
	Log   *slog.Logger

	Wall func() time.Time     // the machine's clock; time.Now when nil
	Boot func() time.Duration // CLOCK_BOOTTIME (RULES R19)
}

// Front is who this server tells, and who knows whether the other is there to be told.
type Front interface {
	Explain(what releve.Sentence)
	Notice(about string, what releve.Sentence)
	Licensed(view.Licences)
	OtherHeard() bool
	Changed(context.Context) <-chan struct{} // Runs may say something else
}

// Keeper keeps the licences of a site on this server.
type Keeper struct {
	o     Options
	shelf shelf
	asked chan struct{} // somebody changed something: look at the other server too
	pause time.Duration // until when no fall is tried again, by CLOCK_BOOTTIME; of Run

	mu     sync.Mutex // of all below, and of what is on the shelf
	held   []kept
	papers study.Papers
	ruling licence.Ruling // of the last look
	memory licence.Memory
	ran    licence.Running // at the last look
	looked time.Duration   // when the clock was last looked at, by CLOCK_BOOTTIME; 0: never
	other  theirClock
	shared map[string]bool // ids that the other server said it holds
	theirs string          // the id of its papers; "": it said none

	theirFall fall // what it last said that its licences have the level do
	said      []releve.Sentence
	lapsed    releve.Level    // about which an alarm stands; "": none does
	broken    map[string]bool // files that cannot be read, and were told
	unread    error           // the papers could not be read at the start, or kept
	shown     view.Licences
}

// kept is a licence with its file's text.
type kept struct {
	licence.Licence
	text []byte
}

// theirClock is what the other server's clock showed.
type theirClock struct {
	wall time.Time
	at   time.Duration // by our CLOCK_BOOTTIME
}

// New makes a keeper, which has looked at what is kept. It never fails: what cannot be read is
// told when it runs.
func New(o Options) *Keeper {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	k := &Keeper{o: o, shelf: shelf(o.Dir), asked: make(chan struct{}, 1), broken: map[string]bool{}}
	k.memory, _ = k.shelf.remembered()
	k.papers, k.unread = k.shelf.filed()
	return k
}

// Run looks and tells until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	changed := k.o.Front.Changed(ctx)
	k.look()
	wait := time.NewTimer(0)
	defer wait.Stop()
	told := time.Duration(-1) // when the other server last was, while it is heard; negative: not yet
	for {
		select {
		case <-ctx.Done():
			k.look() // what has run until now has passed
			return
		case <-changed:
			if k.o.Runs() != k.lastRan() {
				k.look()
			}
			continue
		case <-k.asked:
			told = -1
		case <-wait.C:
		}
		told = k.meet(ctx, told)
		if k.ripe() || k.o.Boot()-k.lastLook() >= lookEach {
			k.look()
		}
		k.fallBack(ctx)
		wait.Reset(k.rest(told))
	}
}

// rest is how long there is nothing to do: until the next beat, and not beyond an announced moment.
func (k *Keeper) rest(told time.Duration) time.Duration {
	each := beat
	if told < 0 {
		each = soon
	}
	next := releve.UntilBeat(time.Now(), each)
	if left := k.untilFall(); left > 0 {
		return min(next, left)
	}
	return next
}

// meet tells the other server, where that is to be done, and gives when it was told last.
func (k *Keeper) meet(ctx context.Context, told time.Duration) time.Duration {
	now := k.o.Boot()
	switch {
	case !k.o.Front.OtherHeard():
		return -1
	case told >= 0 && now-told < lookEach:
		return told
	case k.exchange(ctx) != nil:
		return -1
	}
	k.look()
	return now
}

func (k *Keeper) lastRan() licence.Running {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ran
}

func (k *Keeper) lastLook() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.looked
}

// Licences is what they said at the last look.
func (k *Keeper) Licences() view.Licences {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shown
}

// look reads what is kept, weighs it, and shows and tells what is new.
func (k *Keeper) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read()
	k.weigh()
}

// weigh takes the clock and the licences that are held, and keeps what has to be remembered.
func (k *Keeper) weigh() {
	wall, boot := k.o.Wall(), k.o.Boot()
	look := licence.Look{Wall: wall, Other: k.other.now(boot)}
	if k.looked != 0 {
		look.Ran = boot - k.looked
	}
	k.memory.Clock, k.looked = k.memory.Clock.After(look), boot
	k.ran = k.left(k.o.Runs())
	ruling, memory := k.verdict(k.licences(), wall)
	k.ruling, k.memory = ruling, memory
	k.noteDisk("memory", k.shelf.remember(memory))
	k.noteDisk("study", k.unread)
	k.announce(ruling, k.notices(ruling, wall))
	k.shown = k.viewOf(ruling, wall)
	k.o.Front.Licensed(k.shown)
}

func (k *Keeper) verdict(all []licence.Licence, wall time.Time) (licence.Ruling, licence.Memory) {
	return licence.Verdict(all, k.o.Runs(), k.memory, wall.Location())
}

func (k *Keeper) licences() (all []licence.Licence) {
	for _, l := range k.held {
		all = append(all, l.Licence)
	}
	return all
}

// otherLasts is how long another's clock is taken to go right by itself.
const otherLasts = 2 * lookEach

// now is what the other server's clock shows, zero when it was not heard lately.
func (c theirClock) now(boot time.Duration) time.Time {
	if c.wall.IsZero() || boot-c.at > otherLasts {
		return time.Time{}
	}
	return c.wall.Add(boot - c.at)
}

// announce says what was not said before, and what is over: of an alarm about a level, that it is licensed
// again or was left.
func (k *Keeper) announce(r licence.Ruling, now []releve.Sentence) {
	for _, n := range now {
		if !slices.ContainsFunc(k.said, same(n)) {
			k.o.Front.Explain(n)
		}
	}
	lapsed := releve.Level("")
	switch {
	case r.Fallen != nil && !r.May(r.Fallen.From):
		lapsed = r.Fallen.From
	case r.Lapse && r.Level != releve.Base:
		lapsed = r.Level
	}
	if k.lapsed != "" && lapsed == "" {
		over := "licence-left"
		if r.May(k.lapsed) {
			over = "licence-again"
		}
		k.o.Front.Explain(releve.Say(over, "level", string(k.lapsed)))
	}
	for _, n := range k.said {
		if !slices.ContainsFunc(now, raises(n)) && !(k.lapsed != "" && raises(releve.Say("licence-lapsed"))(n)) {
			k.o.Front.Explain(releve.Say("event-over", "why", releve.Inside(n)))
		}
	}
	k.lapsed = lapsed
	k.said = now
}

func same(as releve.Sentence) func(releve.Sentence) bool {
	return func(s releve.Sentence) bool { return sentence(s) == sentence(as) }
}

// raises says of a sentence that it is about the same alarm as another, or of one that raises none.
func raises(as releve.Sentence) func(releve.Sentence) bool {
	before := alarm.Of(releve.Main, as)
	return func(s releve.Sentence) bool {
		now := alarm.Of(releve.Main, s)
		return before.Effect != alarm.Rises || now.Effect == alarm.Rises && now.Key == before.Key
	}
}
