package calls

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"releve"
)

// Sighting is what an overflow of this server's own call has shown of the PBX (SPEC H7, H8).
type Sighting struct {
	At       time.Time       `json:"at"`
	Evidence releve.Evidence `json:"evidence"` // that the PBX gave; none: it gives none
	To       string          `json:"to"`       // whom it wrote into To
	Fits     bool            `json:"fits"`     // the profile's own evidence was among it

	Shown []releve.Evidence `json:"shown,omitempty"` // all of the evidence
	Sound releve.Sound      `json:"sound"`           // that the PBX offered
}

// own are the calls that the site makes itself. No stranger's text says that a call is one
// of them: it bears what only this site can sign, or comes from the standby's own user,
// whom the PBX has asked for his password (SPEC K3).
type own struct {
	key []byte
	now func() time.Time

	mu       sync.Mutex
	placed   map[string]bool // calls in progress by their id; true: a lesson
	seen     Sighting        // the last; zero: never
	giveBack time.Time       // until when one of them is refused, so that it overflows …
	wanted   string          // … which one, by its id; "": any of them
}

func newOwn(secret string, now func() time.Time) *own {
	key := sha256.Sum256([]byte("own calls " + secret))
	return &own{key: key[:], now: now, placed: map[string]bool{}}
}

// signedFor is how long a signature counts: longer than a call of ours lasts, and than the
// clocks of a site may differ.
const signedFor = 10 * time.Minute

// seal signs the id of a call that this server is about to make.
func (o *own) seal(id string) string {
	signed := id + "." + strconv.FormatInt(o.now().Unix(), 10)
	return signed + "." + o.sign(signed)
}

func (o *own) sign(text string) string {
	mac := hmac.New(sha256.New, o.key)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// sealed says whether a call bears a signature of this site, and its id.
func (o *own) sealed(text string) (id string, ok bool) {
	at := strings.LastIndexByte(text, '.')
	if at < 0 || !hmac.Equal([]byte(text[at+1:]), []byte(o.sign(text[:at]))) {
		return "", false
	}
	id, seconds, _ := strings.Cut(text[:at], ".")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return id, err == nil && o.now().Sub(time.Unix(unix, 0)).Abs() < signedFor
}

// place notes a call while it is in progress.
func (o *own) place(id string, lesson bool) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.placed[id] = lesson
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.placed, id)
	}
}

// back says whether a call is one of ours that the PBX gave back: by its id, where headers
// survive, or else by its caller, while there is one in progress.
func (o *own) back(in releve.Invite, standby string) (lesson, ok bool) {
	id, signed := o.sealed(in.TestID)
	o.mu.Lock()
	defer o.mu.Unlock()
	if signed {
		lesson, ok = o.placed[id]
		return lesson, ok
	}
	if standby == "" || in.From != standby {
		return false, false
	}
	lesson = len(o.placed) > 0
	for _, l := range o.placed {
		lesson = lesson && l // a call that is to be answered comes before a lesson
	}
	return lesson, len(o.placed) > 0
}

// takesBack says once whether a call of ours is to be refused, so that it overflows. One that
// says by its id that it is another is not.
func (o *own) takesBack(in releve.Invite) bool {
	id, signed := o.sealed(in.TestID)
	o.mu.Lock()
	defer o.mu.Unlock()
	if signed && o.wanted != "" && id != o.wanted {
		return false
	}
	due := o.now().Before(o.giveBack)
	o.giveBack = time.Time{}
	return due
}

func (o *own) saw(s Sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.At.After(o.seen.At) {
		o.seen = s
	}
}

func (o *own) last() Sighting {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

// Seal signs the id of a call of our own, for its header.
func (c *Calls) Seal(id string) string { return c.own.seal(id) }

// Place notes a call of our own from before its INVITE until done. When the PBX lets it
// overflow to this server, that is known as proof; a lesson is only looked at and refused.
func (c *Calls) Place(id string, lesson bool) (done func()) { return c.own.place(id, lesson) }

// GiveBack has a call of our own refused if it comes within a time: the other server wants to
// see where it overflows to. A PBX may have taken its id away; then it is the next that comes.
// The id "" is that of a server of the version before, which does not say which one.
func (c *Calls) GiveBack(id string, within time.Duration) {
	c.own.mu.Lock()
	defer c.own.mu.Unlock()
	c.own.giveBack, c.own.wanted = c.now().Add(within), id
}

// Learn takes in what was seen before: by an earlier run, or by the other server. What is
// older than this server's own is passed over.
func (c *Calls) Learn(s Sighting) { c.own.saw(s) }

// Sighted is the last overflow of a call of our own; the zero value when there was none.
func (c *Calls) Sighted() Sighting { return c.own.last() }

// sight looks at a call that the PBX gave back to the standby.
func (k *call) sight() (lesson, ok bool) {
	if k.offer.Binding != Standby {
		return false, false
	}
	in := k.offer.Invite
	if lesson, ok = k.own.back(in, k.profile.StandbyUser); !ok {
		return false, false
	}
	fits := k.profile.Evidence == releve.EvidenceAuto || k.profile.overflowed(in)
	k.own.saw(Sighting{
		At: k.now(), Evidence: k.profile.seen(in), To: releve.Plain(in.To), Fits: fits,
		Shown: k.profile.shown(in), Sound: in.Sound,
	})
	k.offer.Overflowed, k.offer.Own = true, true
	k.log.Info("our own call came back by the overflow", "to", in.To, "evidence", k.profile.seen(in), "lesson", lesson)
	return lesson, true
}
