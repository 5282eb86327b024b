// Package text draws the site and writes calls, decisions and procedures for a
// terminal.
package text

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Widths of the drawing, in characters.
const (
	narrowest = 44  // below it, lines run over
	beside    = 76  // from it on, the servers stand side by side
	widest    = 104 // above it, the drawing would be taken apart by the eye
	between   = 21  // the servers, for the arrow of the copy
)

// eventsShown is how many of the latest events stand under the drawing.
const eventsShown = 6

// page is a drawing under way.
type page struct {
	site   view.Site
	lang   releve.Language
	colour bool
	width  int
	lines  []string
}

// Status draws the whole site: the word, why, both servers, the mirror, what
// happened. Without colour the drawing says the same by its words and shapes.
func Status(site view.Site, lang releve.Language, colour bool, width int) string {
	p := &page{site: site, lang: lang, colour: colour, width: min(max(width, narrowest), widest)}
	p.headline()
	p.add("")
	p.servers()
	p.add("")
	p.remarks()
	p.procedure()
	p.alarms()
	p.events()
	return strings.Join(p.lines, "\n") + "\n"
}

func (p *page) add(lines ...string) { p.lines = append(p.lines, lines...) }

func (p *page) say(code string, pairs ...string) string {
	return words.Say(p.lang, releve.Say(code, pairs...))
}

// Styles of ECMA-48 (SGR). Of what is well only the word has one; else colour is for what
// is not.
const (
	plain  = ""
	strong = "1"
	faint  = "2"
	amber  = "33"
	red    = "31"
	green  = "32"
	block  = "1;7;" // with a colour: letters on a block of it
)

func (p *page) paint(style, s string) string {
	if !p.colour || style == plain {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (p *page) headline() {
	s := p.site
	style := map[view.Word]string{
		view.Protected:    block + green,
		view.NotProtected: block + amber,
		view.Stopped:      block + red,
	}[s.Word]
	p.add(p.paint(style, " "+words.Word(p.lang, s.Word)+" "))
	p.add(Wrap(words.Say(p.lang, s.Why), p.width)...)
	for _, said := range Maintenance(s.Maintenance, s.At, p.lang) {
		p.add(Wrap(said, p.width)...)
	}
	about := []string{
		s.Name, words.Level(p.lang, s.Level), p.say("ui-term", "term", fmt.Sprint(s.Term)),
		s.At.Local().Format(time.DateTime), p.say("ui-watching", "seat", string(s.Seat)),
	}
	for _, line := range Wrap(strings.Join(about, " · "), p.width) {
		p.add(p.paint(faint, line))
	}
}

// servers draws the PBX and under it both servers, side by side where there is room.
func (p *page) servers() {
	pbx := p.say("ui-pbx") + " " + p.site.PBX.Address + "  " + p.say("ui-reception", "number", p.site.PBX.Reception)
	style := plain
	if !p.site.PBX.Heard {
		pbx, style = pbx+"  ✖ "+p.say("ui-silent"), red
	}
	if p.width < beside {
		for _, line := range Wrap(pbx, p.width) {
			p.add(p.paint(style, line))
		}
		p.add(p.box(p.site.Main, p.width)...)
		p.add("  " + p.arrow() + "  " + words.MirrorState(p.lang, p.site.Mirror.State))
		p.add(p.box(p.site.Secondary, p.width)...)
		return
	}
	box := (p.width - between) / 2
	left, right := box/2, box+between+box/2
	p.add(p.paint(style, strings.TrimRight(center(pbx, right+box/2), " ")))
	p.add(p.wires(left, right))
	a, b := p.box(p.site.Main, box), p.box(p.site.Secondary, box)
	for i := range a {
		p.add(a[i] + p.link(i) + b[i])
	}
}

// wires are the lines from the PBX to those servers that have a telephone, their middles
// at left and right.
func (p *page) wires(left, right int) string {
	begin, end, from, to := "┌", "┐", left, right
	switch middle := (left + right) / 2; {
	case mute(p.site.Secondary):
		end, to = "┘", middle
	case mute(p.site.Main):
		begin, from = "└", middle
	}
	return strings.Repeat(" ", from) + begin + strings.Repeat("─", to-from-1) + end
}

// mute says that a server has no telephone.
func mute(s view.Server) bool { return s.Processing.State == releve.TierNone }

// link is what stands between both servers on a line of their boxes.
func (p *page) link(line int) string {
	style := plain
	switch p.site.Mirror.State {
	case view.MirrorCatchingUp, view.MirrorCloning, view.MirrorAway:
		style = amber
	}
	switch line {
	case 3:
		return p.paint(style, center(words.MirrorState(p.lang, p.site.Mirror.State), between))
	case 4:
		return p.paint(style, center(p.arrow(), between))
	case 5:
		return p.paint(style, center(p.distance(), between))
	}
	return strings.Repeat(" ", between)
}

// arrow points where the copy goes: from the owner.
func (p *page) arrow() string {
	body := "─────────────"
	switch p.site.Mirror.State {
	case view.MirrorNone:
		return ""
	case view.MirrorAway:
		body = "╌ ╌ ╌ ✖ ╌ ╌ ╌"
	case view.MirrorCloning, view.MirrorCatchingUp:
		body = "╌╌╌╌╌╌╌╌╌╌╌╌╌"
	}
	if p.site.Owner == releve.Secondary {
		return "◀" + body
	}
	return body + "▶"
}

func (p *page) distance() string {
	m := p.site.Mirror
	switch {
	case m.Progress != nil && m.Progress.Total > 0:
		return Percent(*m.Progress)
	case m.State == view.MirrorCatchingUp || m.Bytes > 0:
		return words.Bytes(p.lang, m.Bytes)
	}
	return ""
}

// Percent is how far something has come, in whole hundredths.
func Percent(p releve.Progress) string {
	if p.Total <= 0 {
		return ""
	}
	return strconv.FormatInt(min(100, 100*p.Done/p.Total), 10) + "\u00a0%"
}

// row is one line in a server's box.
type row struct{ mark, name, value, style string }

// box draws a server; the one on duty has a double frame.
func (p *page) box(s view.Server, width int) []string {
	frame := []rune("┌─┐│└┘┴")
	if s.Duty == releve.Active {
		frame = []rune("╔═╗║╚╝╧")
	}
	half, plug := width/2-1, frame[6]
	if mute(s) {
		plug = frame[1]
	}
	top := string(frame[0]) + strings.Repeat(string(frame[1]), half) + string(plug)
	lines := []string{top + strings.Repeat(string(frame[1]), width-3-half) + string(frame[2])}
	for _, r := range p.rows(s) {
		side := string(frame[3])
		lines = append(lines, side+p.paint(r.style, r.line(width-2))+side)
	}
	return append(lines, string(frame[4])+strings.Repeat(string(frame[1]), width-2)+string(frame[5]))
}

func (r row) line(width int) string {
	left := " " + r.mark + " " + r.name
	room := width - utf8.RuneCountInString(left) - 2
	value := cut(r.value, max(room, 0))
	gap := max(width-utf8.RuneCountInString(left)-utf8.RuneCountInString(value)-1, 0)
	return left + strings.Repeat(" ", gap) + value + " "
}

func (p *page) rows(s view.Server) []row {
	title := row{" ", p.say("ui-" + string(s.Seat)), strings.ToUpper(words.Duty(p.lang, s.Duty)), strong}
	if !s.Heard {
		title.value, title.style = "✖ "+p.say("ui-silent"), amber
	}
	rows := []row{title}
	for _, t := range Tiers(s) {
		mark, style := tierLook(t.State)
		rows = append(rows, row{mark, p.say("tier-" + t.Name), words.TierState(p.lang, t.State), style})
	}
	registered := strings.Join(s.Registered, ", ")
	if registered == "" {
		registered = p.say("ui-registered-none")
	}
	channels := fmt.Sprintf("%d/%d", s.ChannelsBusy, s.Channels)
	if mute(s) || !s.Heard { // what it last said of them is old
		channels, registered = nothing, nothing
	}
	rows = append(rows, row{" ", p.say("ui-channels"), channels, plain}, row{" ", p.say("ui-registered"), registered, plain})
	vote := row{" ", "", "", plain}
	if s.Vote && s.Heard {
		vote = row{"◆", p.say("ui-vote"), "", plain}
	}
	return append(rows, vote)
}

// nothing stands for what a server does not have.
const nothing = "–"

// NamedTier is a tier with the end of its sentence code.
type NamedTier struct {
	Name string
	releve.Tier
}

// Tiers are a server's three tiers from the ground up. Of a server that is not
// heard nothing is known.
func Tiers(s view.Server) []NamedTier {
	tiers := []NamedTier{{"processing", s.Processing}, {"interfaces", s.Interfaces}, {"data", s.Data}}
	for i := range tiers {
		if tiers[i].State == releve.TierNone {
			continue // heard or not, there is none
		}
		if !s.Heard || tiers[i].State == "" {
			tiers[i].Tier = releve.Tier{State: releve.TierUnknown}
		}
	}
	return tiers
}

func tierLook(t releve.TierState) (mark, style string) {
	switch t {
	case releve.TierWell:
		return "●", plain
	case releve.TierStarting:
		return "◐", amber
	case releve.TierDegraded:
		return "▲", amber
	case releve.TierDown:
		return "✖", red
	case releve.TierNone:
		return nothing, faint
	}
	return "?", faint
}

// Remark is a sentence under the drawing about one server.
type Remark struct {
	Seat releve.Seat
	Text string
}

// Remarks are what the drawing of the servers cannot say: reasons, and what is
// about to happen.
func Remarks(site view.Site, lang releve.Language) []Remark {
	var all []Remark
	add := func(seat releve.Seat, s releve.Sentence) {
		if text := words.Say(lang, s); text != "" {
			all = append(all, Remark{seat, text})
		}
	}
	for _, s := range []view.Server{site.Main, site.Secondary} {
		if !s.Heard {
			add(s.Seat, releve.Say("ui-silent-since", "at", words.Clock(lang, s.HeardAt, site.At)))
			continue
		}
		add(s.Seat, s.Doing)
		for _, t := range Tiers(s) {
			add(s.Seat, t.Why)
		}
		if s.WithoutDuty {
			add(s.Seat, releve.Say("ui-without-duty"))
		}
		if site.Arbiter == releve.Witness && !s.Witness {
			add(s.Seat, releve.Say("ui-witness-silent"))
		}
		if s.SpoolWaiting > 0 {
			add(s.Seat, releve.Say("ui-spool", "records", strconv.Itoa(s.SpoolWaiting)))
		}
		for _, n := range s.Notices {
			add(s.Seat, n)
		}
		if sum := LinesSum(s); sum != nil {
			add(s.Seat, *sum)
		}
	}
	return all
}

// Cost says what a failure now would lose, "" where it is not known.
func Cost(site view.Site, lang releve.Language) string {
	m := site.Mirror
	switch {
	case site.Word == view.Protected:
		return words.Say(lang, releve.Say("ui-would-lose-nothing"))
	case m.LostCalls > 0:
		return words.Say(lang, releve.Say("ui-lost", "calls", strconv.Itoa(m.LostCalls)))
	case m.State == view.MirrorCatchingUp && m.Bytes > 0:
		return words.Say(lang, releve.Say("ui-would-lose", "bytes", strconv.FormatInt(m.Bytes, 10)))
	}
	return ""
}

// Promise is what the site's arbiter promises, and what it does not (SPEC H15). Where
// nobody takes over, it has nothing to decide, and the level makes the promise.
func Promise(site view.Site, lang releve.Language) string {
	if site.Level != releve.HighAvailability {
		return words.Say(lang, releve.Say("promise-"+string(site.Level)))
	}
	return words.Say(lang, releve.Say("promise-"+string(site.Arbiter)))
}

func (p *page) remarks() {
	for _, r := range Remarks(p.site, p.lang) {
		p.add(indent("· ", Wrap(p.say("ui-"+string(r.Seat))+". "+r.Text, p.width-2))...)
	}
	if cost := Cost(p.site, p.lang); cost != "" {
		p.add(indent("· ", Wrap(cost, p.width-2))...)
	}
	p.add(indent("· ", Wrap(Promise(p.site, p.lang), p.width-2))...)
	for i, why := range Readiness(p.site.Readiness, p.lang) {
		p.add(indent([]string{"· ", "  ✖ "}[min(i, 1)], Wrap(why, p.width-4))...)
	}
	if sends := Sending(p.site, p.lang); sends != "" {
		p.add(indent("· ", Wrap(sends, p.width-2))...)
	}
	for _, l := range Licensing(p.site.Licences, p.lang) {
		p.add(indent("· ", Wrap(l, p.width-2))...)
	}
}

func (p *page) procedure() {
	for _, running := range []*view.Procedure{p.site.Procedure, p.site.Proof} {
		if running == nil || !running.Finished.IsZero() {
			continue
		}
		p.add("")
		for _, line := range Steps(*running, p.lang) {
			p.add(Wrap(line, p.width)...)
		}
		if left := Left(running, p.site.At, p.lang); left != "" {
			p.add(left)
		}
	}
}

func (p *page) events() {
	p.add("", p.paint(strong, p.say("ui-events")))
	if len(p.site.Events) == 0 {
		p.add(p.say("ui-no-events"))
	}
	for _, e := range p.site.Events[:min(eventsShown, len(p.site.Events))] {
		mark, style := severityLook(e.Severity)
		head := words.Clock(p.lang, e.At, p.site.At) + " " + mark + " "
		for _, line := range indent(head, Wrap(words.Say(p.lang, e.What), p.width-utf8.RuneCountInString(head))) {
			p.add(p.paint(style, line))
		}
	}
}

func severityLook(severity releve.Severity) (mark, style string) {
	switch severity {
	case releve.Warning:
		return "▲", plain
	case releve.Major:
		return "▲", amber
	case releve.Critical:
		return "✖", red
	}
	return "·", plain
}

// Wrap breaks a text at spaces into lines of at most width characters; a longer
// word stands alone.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// indent begins the first line with head and the others as far in.
func indent(head string, lines []string) []string {
	out := slices.Clone(lines)
	for i := range out {
		out[i] = head + out[i]
		head = strings.Repeat(" ", utf8.RuneCountInString(head))
	}
	return out
}

func center(s string, width int) string {
	room := max(width-utf8.RuneCountInString(s), 0)
	return strings.Repeat(" ", room/2) + s + strings.Repeat(" ", room-room/2)
}

func cut(s string, width int) string {
	if runes := []rune(s); len(runes) > width {
		return string(runes[:max(width-1, 0)]) + "…"
	}
	return s
}
