package console

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"releve/screen/view"
	"releve/screen/words"
)

// minutesKept is for how long the distance of the mirror is known, by minutes.
const minutesKept = 24 * 60

// distances are how far the mirror was, minute by minute. They are in the memory of one server: a start forgets them.
type distances struct {
	mu      sync.Mutex
	minutes [minutesKept]minute
}

// minute is the farthest that the mirror was in it.
type minute struct {
	At     int64 // in minutes since 1970; 0: nothing is known
	Bytes  int64
	Broken bool // there was no mirror for a while of it
}

// follow notes each distance that the site tells, and once a minute the one that still holds.
func (d *distances) follow(ctx context.Context, site Site) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for sites := site.Watch(ctx); ; {
		select {
		case s, more := <-sites:
			if !more {
				return
			}
			d.note(s.At, s.Mirror)
		case <-tick.C:
			s := site.View()
			d.note(s.At, s.Mirror)
		}
	}
}

func (d *distances) note(at time.Time, m view.Mirror) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := at.Unix() / 60
	slot := &d.minutes[now%minutesKept]
	if slot.At != now {
		*slot = minute{At: now}
	}
	slot.Bytes = max(slot.Bytes, m.Bytes)
	slot.Broken = slot.Broken || m.State == view.MirrorAway || m.State == view.MirrorCloning
}

// until are the minutes of a day until now, the oldest first; those of which nothing is known are empty.
func (d *distances) until(now time.Time) []minute {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]minute, 0, minutesKept)
	last := now.Unix() / 60
	for at := last - minutesKept + 1; at <= last; at++ {
		m := d.minutes[at%minutesKept]
		if m.At != at {
			m = minute{}
		}
		all = append(all, m)
	}
	return all
}

// distanceChart is a day of the mirror's distance, drawn.
type distanceChart struct {
	sheet *sheet
	all   []minute
	most  int64
	peak  int64 // the minute of the most
}

func newDistanceChart(sheet *sheet, all []minute) *distanceChart {
	c := &distanceChart{sheet: sheet, all: all}
	for _, m := range all {
		if m.Bytes > c.most {
			c.most, c.peak = m.Bytes, m.At
		}
	}
	return c
}

// distanceHeight is that of the drawing, in units of its own; each minute is one wide.
const distanceHeight = 200

// ViewBox is the drawing's extent.
func (c *distanceChart) ViewBox() string {
	return fmt.Sprintf("0 0 %d %d", minutesKept, distanceHeight)
}

// Path is the outline of the distances.
func (c *distanceChart) Path() string {
	var b strings.Builder
	for i, m := range c.all {
		if m.Bytes > 0 {
			height := max(2, distanceHeight*m.Bytes/max(c.most, 1))
			fmt.Fprintf(&b, "M%d %dv-%dh1v%dz", i, distanceHeight, height, height)
		}
	}
	return b.String()
}

// Gaps are the minutes in which there was no mirror, and Unknown those of which nothing is known.
func (c *distanceChart) Gaps() string    { return c.bands(func(m minute) bool { return m.Broken }) }
func (c *distanceChart) Unknown() string { return c.bands(func(m minute) bool { return m.At == 0 }) }

func (c *distanceChart) bands(takes func(minute) bool) string {
	var b strings.Builder
	for i := 0; i < len(c.all); {
		begins := i
		for i < len(c.all) && takes(c.all[i]) {
			i++
		}
		if i > begins {
			fmt.Fprintf(&b, "M%d 0h%dv%dh-%dz", begins, i-begins, distanceHeight, i-begins)
		}
		i = max(i, begins+1)
	}
	return b.String()
}

// Said is what the drawing shows, in words.
func (c *distanceChart) Said() string {
	broken, known := 0, 0
	for _, m := range c.all {
		if m.Broken {
			broken++
		}
		if m.At != 0 {
			known++
		}
	}
	said := c.sheet.Say("ui-distance-none")
	if c.most > 0 {
		at := time.Unix(60*c.peak, 0).Local().Format("15:04")
		said = c.sheet.Say("ui-distance-most", "distance", words.Bytes(c.sheet.Lang, c.most), "at", at)
	}
	if broken > 0 {
		said += " " + c.sheet.Say("ui-distance-away", "minutes", fmt.Sprint(broken))
	}
	if known < len(c.all) {
		said += " " + c.sheet.Say("ui-distance-unknown", "minutes", fmt.Sprint(len(c.all)-known))
	}
	return said
}

// Hours are the marks of the axis.
func (c *distanceChart) Hours() (marks []string) {
	for ago := 24; ago >= 0; ago -= 6 {
		marks = append(marks, c.sheet.At.Local().Add(-time.Duration(ago)*time.Hour).Format("15:04"))
	}
	return marks
}
