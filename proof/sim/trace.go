package sim

import (
	"fmt"
	"strings"
	"time"

	"releve"
	"releve/screen/words"
)

// event is one line of what happened: in words of the world, or a sentence of the product.
type event struct {
	at   time.Duration
	seat releve.Seat // "" for the world
	text string
	args []any // of text, put in when the page is read: few pages are
	said releve.Sentence
}

// note writes what happens in the world. The caller holds the lock.
func (s *site) note(seat releve.Seat, format string, args ...any) {
	s.trace = append(s.trace, event{at: s.elapsed(), seat: seat, text: format, args: args})
}

// Page is the story, to be read aloud.
func (o Outcome) Trace() string {
	var page strings.Builder
	fmt.Fprintf(&page, "The story of seed %d%s\n", o.Seed, o.without)
	for _, m := range o.trace {
		text := fmt.Sprintf(m.text, m.args...)
		if m.text == "" {
			text = words.Say(releve.English, m.said)
		}
		fmt.Fprintf(&page, "%8.3f s  %-9s  %s\n", m.at.Seconds(), m.seat, text)
	}
	if o.Broken != "" {
		fmt.Fprintf(&page, "BROKEN: %s.\n", o.Broken)
	}
	return page.String()
}

// diaryOf turns each entry of an agent into a line of the page.
type diaryOf struct{ *process }

// takeovers are the rows by which a mirror becomes the owner.
var takeovers = map[string]bool{"rule-takeover": true, "rule-duty-granted": true, "rule-duty-taken-from-released": true}

// Write never waits.
func (d diaryOf) Write(step ...releve.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return
	}
	for _, e := range step {
		d.write(e)
	}
	if d.byHand {
		d.diary = append(d.diary, step...)
	}
}

func (d diaryOf) write(e releve.Entry) {
	if takeovers[e.What.Code] {
		d.figures.Takeovers++
	}
	if e.What.Code == "rule-pbx-lost" && d.pbx.backAt > 0 && d.elapsed()-d.pbx.backAt < silenceOfOne {
		d.breaks("the %s gives the duty up for a silence of the PBX that was everybody's", d.seat)
	}
	d.trace = append(d.trace, event{at: d.elapsed(), seat: d.seat, said: e.What})
}
