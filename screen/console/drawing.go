package console

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// Measures of the drawing. Its unit is about a pixel of a screen on a wall.
const (
	boxWidth   = 352
	boxTop     = 146 // of the upper servers
	boxHeight  = 338
	pbxWidth   = 320
	pbxBottom  = 78
	bend       = 112 // where the lines from the PBX turn, and bear their labels
	corner     = 12
	tierTop    = 74 // of the first tier in its box
	tierHeight = 80
	tierShort  = 58 // without a second line
	tierGap    = 10
	barWidth   = 116 // of the channels in use
	copyWidth  = 150 // of the copy's progress
)

// plan is where things stand in a drawing.
type plan struct {
	Name            string // its class, by which the style sheet shows one of them
	width, height   int
	PBX             int // left edge of the PBX's card
	main, secondary place
}

// place is the left upper corner of a server, and where its line leaves the PBX.
type place struct{ x, top, from int }

// The servers stand side by side where there is room, and on a telephone one above the
// other: side by side, their letters would be too small to read.
var (
	wide = plan{"wide", 900, 486, (900 - pbxWidth) / 2, place{2, boxTop, 400}, place{900 - boxWidth - 2, boxTop, 500}}
	tall = plan{"tall", 400, 918, 2, place{2, boxTop, 110}, place{2, boxTop + boxHeight + 94, 290}}
)

// picture is the site, drawn by a plan.
type picture struct {
	*sheet
	Plan plan
}

// Pictures are all drawings of a page.
func (s *sheet) Pictures() []picture { return []picture{{s, wide}, {s, tall}} }

// box is one server in the drawing.
type box struct {
	view.Server
	X, Top    int
	Name      string
	Badge     string
	BadgeSize int
	BadgeAt   int // left edge of the duty's badge
	BadgeText int // its middle
	Tiers     []tier
	Link      *link // nil: it has no telephone
	Users     string
	Channels  string
	Bar       int // width of the part in use
	Vote      string
}

// tier is one layer in a box.
type tier struct {
	Name, Text, State string
	Y, Height         int
}

// Line is where the first line of text stands in a tier.
func (t tier) Line() int {
	if t.Height == tierShort {
		return 35
	}
	return 36
}

// Second is where the second line stands.
func (t tier) Second() int { return 64 }

// link is the line between the PBX and a server.
type link struct {
	Path         string
	Class        string
	LabelAt      int
	LabelSize    int
	LabelLeft    int
	Broken, Flow bool
}

// ViewBox is the drawing's extent.
func (p picture) ViewBox() string { return fmt.Sprintf("0 0 %d %d", p.Plan.width, p.Plan.height) }

// Breadth and Tall are the size of a server's box.
func (b box) Breadth() int { return boxWidth }
func (b box) Tall() int    { return boxHeight }

// Boxes are both servers.
func (p picture) Boxes() []box {
	return []box{p.box(p.Main, p.Plan.main), p.box(p.Secondary, p.Plan.secondary)}
}

func (s picture) box(v view.Server, at place) box {
	b := box{
		Server: v, X: at.x, Top: at.top, Name: s.SeatTitle(v.Seat), Badge: strings.ToUpper(words.Duty(s.Lang, v.Duty)),
		Users:    strings.Join(v.Registered, ", "),
		Channels: s.Say("ui-calls-line", "busy", strconv.Itoa(v.ChannelsBusy), "channels", strconv.Itoa(v.Channels)),
	}
	if !v.Heard {
		b.Badge = strings.ToUpper(s.Say("ui-silent"))
	}
	if v.Channels > 0 {
		b.Bar = barWidth * min(v.ChannelsBusy, v.Channels) / v.Channels
	}
	if v.Vote && v.Heard {
		b.Vote = s.Say("ui-vote-long")
	}
	b.BadgeSize = 19*utf8.RuneCountInString(b.Badge)/2 + 26
	b.BadgeAt = boxWidth - 20 - b.BadgeSize
	b.BadgeText = b.BadgeAt + b.BadgeSize/2
	b.Tiers = s.tiers(v)
	if v.Processing.State != releve.TierNone {
		b.Link = s.link(v, b, at)
	}
	return b
}

// tiers stacks a server's tiers: those with a second line are higher.
func (s picture) tiers(v view.Server) []tier {
	var stack []tier
	y := tierTop
	for _, t := range text.Tiers(v) {
		height := tierHeight
		if t.Name == "interfaces" {
			height = tierShort
		}
		stack = append(stack, tier{s.Say("tier-" + t.Name), words.TierState(s.Lang, t.State), string(t.State), y, height})
		y += height + tierGap
	}
	return stack
}

// way is the line from the PBX to a server, and the middle of its label: straight down,
// or down, aside and down again, or round the server that stands above.
func (p plan) way(at place) (path string, label int) {
	middle := at.x + boxWidth/2
	switch {
	case p.Name == wide.Name:
		turn := corner
		if middle < at.from {
			turn = -corner
		}
		return fmt.Sprintf("M%d %d V%d Q%d %d %d %d H%d Q%d %d %d %d V%d",
			at.from, pbxBottom, bend-corner, at.from, bend, at.from+turn, bend,
			middle-turn, middle, bend, middle, bend+corner, at.top), (at.from + middle) / 2
	case at.top == boxTop:
		return fmt.Sprintf("M%d %d V%d", at.from, pbxBottom, at.top), at.from
	}
	edge, in := p.width-22, at.top+36
	return fmt.Sprintf("M%d %d V%d Q%d %d %d %d H%d Q%d %d %d %d V%d Q%d %d %d %d H%d",
		at.from, pbxBottom, bend-corner, at.from, bend, at.from+corner, bend,
		edge-corner, edge, bend, edge, bend+corner, in-corner, edge, in, edge-corner, in, at.x+boxWidth), at.from + corner
}

func (s picture) link(v view.Server, b box, at place) *link {
	l := &link{Class: "spare"}
	l.Path, l.LabelAt = s.Plan.way(at)
	takes := v.Heard && (v.Duty == releve.Active || v.WithoutDuty)
	l.Broken = !s.PBX.Heard || !v.Heard || v.Processing.State == releve.TierDown
	switch {
	case l.Broken:
		l.Class = "broken"
	case takes:
		l.Class = "taken"
	}
	l.Flow = takes && !l.Broken && v.ChannelsBusy > 0
	l.LabelSize = 8*utf8.RuneCountInString(b.Users) + 24
	l.LabelLeft = l.LabelAt - l.LabelSize/2
	return l
}

// arrow is the mirror in the drawing.
type arrow struct {
	State, Name   string
	Below, Left   string // how far it has come, and how long it will still take
	Place         string // its transform: from the owner to the copy
	Long          int
	Anchor        string // of its words
	X, NameY      int    // of its words
	BelowY, LeftY int
	Bar           int // of the copy's progress, negative where there is none
	BarX, BarY    int
}

// Cut, Neck and Wing are where the mark of a broken arrow and its head stand.
func (a arrow) Cut() int  { return a.Long/2 + 3 }
func (a arrow) Neck() int { return a.Long - 12 }
func (a arrow) Wing() int { return a.Long - 18 }

// BarWidth is that of a whole copy.
func (a arrow) BarWidth() int { return copyWidth }

// Arrow points from the owner to its copy.
func (s picture) Arrow() arrow {
	m := s.Mirror
	a := s.Plan.arrow(s.Owner == releve.Secondary)
	a.Name, a.State, a.Bar = words.MirrorState(s.Lang, m.State), string(m.State), -1
	switch p := m.Progress; {
	case p != nil && p.Total > 0:
		a.Bar = int(int64(copyWidth) * min(p.Done, p.Total) / p.Total)
		a.Below, a.Left = text.Percent(*p), s.left(p)
		a.BelowY += 16
		if a.LeftY == 0 { // there is room for one line
			a.Below, a.Left = strings.TrimSuffix(a.Below+" · "+a.Left, " · "), ""
		}
	case m.State == view.MirrorCatchingUp || m.State == view.MirrorInSync && m.Bytes > 0:
		a.Below = words.Bytes(s.Lang, m.Bytes)
	}
	return a
}

// arrow lies between the two servers' data; back, it points to the main.
func (p plan) arrow(back bool) arrow {
	if p.Name == wide.Name {
		y := boxTop + tierTop + tierHeight + tierShort + 2*tierGap + tierHeight/2
		from, to := p.main.x+boxWidth+2, p.secondary.x-2
		a := arrow{
			Long: to - from - 4, Anchor: "middle",
			X: p.width / 2, NameY: y - 20, BelowY: y + 30, LeftY: y + 66,
			BarX: (p.width - copyWidth) / 2, BarY: y + 16,
		}
		a.Place = fmt.Sprintf("translate(%d %d)", from, y)
		if back {
			a.Place = fmt.Sprintf("translate(%d %d) scale(-1 1)", to, y)
		}
		return a
	}
	const x, beside = 60, 34
	from, to := p.main.top+boxHeight+4, p.secondary.top-4
	a := arrow{
		Long: to - from, Anchor: "start",
		X: x + beside, NameY: from + 34, BelowY: from + 58,
		BarX: x + beside, BarY: from + 44,
	}
	a.Place = fmt.Sprintf("translate(%d %d) rotate(90)", x, from)
	if back {
		a.Place = fmt.Sprintf("translate(%d %d) rotate(-90)", x, to)
	}
	return a
}

// Described is the drawing in a sentence, for those who hear the page.
func (s *sheet) Described() string {
	server := func(v view.Server) string {
		return s.Say("ui-server-said", "server", words.Seat(s.Lang, v.Seat), "duty", words.Duty(s.Lang, v.Duty))
	}
	return s.Say("ui-drawing",
		"main", server(s.Main), "secondary", server(s.Secondary), "mirror", words.MirrorState(s.Lang, s.Mirror.State))
}
