package console

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"releve"
	"releve/view"
	"releve/view/text"
	"releve/view/words"
)

// Places in the drawing. Its unit is about a pixel of a screen on a wall.
const (
	pictureWidth  = 900
	pictureHeight = 486
	boxWidth      = 352
	boxTop        = 146
	boxHeight     = 338
	tierTop       = 74 // of the first tier in its box
	tierHeight    = 80
	tierShort     = 58 // without a second line
	tierGap       = 10
	barWidth      = 116          // of the channels in use
	gapLeft       = boxWidth + 4 // where the mirror's arrow may begin …
	gapRight      = pictureWidth - boxWidth - 4
	gapMiddle     = pictureWidth / 2
)

// box is one server in the drawing.
type box struct {
	view.Server
	X, Middle int
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
func (s *sheet) ViewBox() string { return fmt.Sprintf("0 0 %d %d", pictureWidth, pictureHeight) }

// Top, Breadth and Tall place a server's box.
func (b box) Top() int     { return boxTop }
func (b box) Breadth() int { return boxWidth }
func (b box) Tall() int    { return boxHeight }

// Boxes are both servers.
func (s *sheet) Boxes() []box {
	return []box{s.box(s.Main, 2, 400, 1), s.box(s.Secondary, pictureWidth-boxWidth-2, 500, -1)}
}

// box draws a server at x; from is where its line leaves the PBX, and turn which
// way the line bends there.
func (s *sheet) box(v view.Server, x, from, turn int) box {
	b := box{
		Server: v, X: x, Middle: x + boxWidth/2, Name: s.SeatTitle(v.Seat), Badge: strings.ToUpper(words.Duty(s.Lang, v.Duty)),
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
	if v.Processing.State != view.TierNone {
		b.Link = s.link(v, b, from, turn)
	}
	return b
}

// tiers stacks a server's tiers: those with a second line are higher.
func (s *sheet) tiers(v view.Server) []tier {
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

func (s *sheet) link(v view.Server, b box, from, turn int) *link {
	const bend, corner = 112, 12
	l := &link{
		Path: fmt.Sprintf("M%d 78 V%d Q%d %d %d %d H%d Q%d %d %d %d V%d", from, bend-corner, from, bend, from-turn*corner, bend,
			b.Middle+turn*corner, b.Middle, bend, b.Middle, bend+corner, boxTop),
		Class: "spare", LabelAt: (from + b.Middle) / 2,
	}
	takes := v.Heard && (v.Duty == releve.Active || v.WithoutDuty)
	l.Broken = !s.PBX.Heard || !v.Heard || v.Processing.State == view.TierDown
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
	Y                  int
	From, To, Head     int
	Name, State, Below string
	Bar                int // of the copy's progress, negative where there is none
	BarLeft, BarWidth  int
	Middle             int
}

// Arrow points from the owner to its copy.
func (s *sheet) Arrow() arrow {
	m := s.Mirror
	a := arrow{
		Y: boxTop + tierTop + tierHeight + tierShort + 2*tierGap + tierHeight/2, From: gapLeft, To: gapRight, Head: 1, Middle: gapMiddle,
		Name: words.MirrorState(s.Lang, m.State), State: string(m.State), Bar: -1, BarWidth: 150,
	}
	a.BarLeft = gapMiddle - a.BarWidth/2
	if s.Owner == releve.Secondary {
		a.From, a.To, a.Head = a.To, a.From, -1
	}
	switch p := m.Progress; {
	case p != nil && p.Total > 0:
		a.Bar = int(int64(a.BarWidth) * min(p.Done, p.Total) / p.Total)
		a.Below = strings.TrimSuffix(text.Percent(*p)+" · "+s.left(p), " · ")
	case m.State == view.MirrorCatchingUp || m.State == view.MirrorInSync && m.Bytes > 0:
		a.Below = words.Bytes(s.Lang, m.Bytes)
	}
	return a
}

// Described is the drawing in a sentence, for those who hear the page.
func (s *sheet) Described() string {
	server := func(v view.Server) string {
		return s.Say("ui-server-said", "server", words.Seat(s.Lang, v.Seat), "duty", words.Duty(s.Lang, v.Duty))
	}
	return s.Say("ui-drawing", "main", server(s.Main), "secondary", server(s.Secondary), "mirror", words.MirrorState(s.Lang, s.Mirror.State))
}
