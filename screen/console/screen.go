package console

import (
	"net/http"
	"strconv"

	"releve"
	"releve/screen/view"
)

// screen is the page of a wall (SPEC A5): one word, one sentence, one number, the drawing, the alarms and who has them.
// Anybody may see it; who has an alarm in hand is seen by a screen that shows its token, which its address holds
// behind the "#": a browser sends that nowhere by itself.
func (s *Server) screen(w http.ResponseWriter, r *http.Request) {
	sheet := newSheet(s.sees(r).scene(s.firstScene(r.Context())), readerLanguage(r))
	sheet.Other, sheet.Live, sheet.Here = s.other(r), true, *r.URL
	s.show(w, r, http.StatusOK, "screen", sheet.Lang, sheet)
}

// Lost is how many calls a failure now would lose; -1: it is not known.
func (s *sheet) Lost() int {
	switch m := s.Mirror; {
	case s.Word == view.Protected:
		return 0
	case m.LostCalls > 0:
		return m.LostCalls
	}
	return -1
}

// LostText is that as it stands on a wall.
func (s *sheet) LostText() string {
	if s.Lost() < 0 {
		return "?"
	}
	return strconv.Itoa(s.Lost())
}

// wallMost is how many alarms stand on a wall: more cannot be read from six metres.
const wallMost = 5

// OnWall are the alarms that fit, those that wait for somebody first.
func (s *sheet) OnWall() []view.Alarm {
	var some []view.Alarm
	for _, a := range s.Alarms {
		if a.Under == "" && len(some) < wallMost {
			some = append(some, a)
		}
	}
	return some
}

// MoreOnWall says how many do not stand there.
func (s *sheet) MoreOnWall() string {
	if more := len(s.Alarms) - len(s.OnWall()); more > 0 {
		return s.Say("ui-alarms-more", "count", strconv.Itoa(more))
	}
	return ""
}

// Sounds is the severity for which a wall sounds: the highest of an alarm that nobody has in hand, from major on.
func (s *sheet) Sounds() releve.Severity {
	var loudest releve.Severity
	for _, a := range s.Alarms {
		if a.Waits() && a.Under == "" && a.Severity.AtLeast(releve.Major) && (loudest == "" || a.Severity.AtLeast(loudest)) {
			loudest = a.Severity
		}
	}
	return loudest
}
