package releve

import (
	"strconv"
	"time"
)

// LineState is what a gateway or a card says of a port into which an analogue line goes.
type LineState string

// The states of a port.
const (
	LinePlugged LineState = "plugged" // a line is there, and feeds the port
	LineDead    LineState = "dead"    // nothing feeds it: no line is plugged in, or a dead one
	LineUnknown LineState = "unknown" // nobody has said lately
)

// LineVerdict is whether a line is where it has to be.
type LineVerdict string

// The verdicts. What was not seen is never well.
const (
	LineWell      LineVerdict = "well"
	LineMissing   LineVerdict = "missing"   // it has to be here, and is dead or not plugged in
	LineElsewhere LineVerdict = "elsewhere" // … and is plugged into the other server
	LineStray     LineVerdict = "stray"     // a line is here that has to be at the other server
	LineAway      LineVerdict = "away"      // none is here, as it has to be: the other server has the lines
	LineUnseen    LineVerdict = "unseen"
)

// Wrong says that somebody has to look at it.
func (v LineVerdict) Wrong() bool { return v == LineMissing || v == LineElsewhere || v == LineStray }

// Line is an analogue line as one server has it: where it is plugged in, and what is seen there.
type Line struct {
	Number  string      `json:"number"`  // of the telephone: by which both servers' ports of one line are known
	Device  string      `json:"device"`  // the gateway's address, or dahdi
	Port    int         `json:"port"`    // of the gateway, from 1; of a card, its channel
	Channel int         `json:"channel"` // which of the server's lines it is, from 1
	State   LineState   `json:"state"`
	Since   time.Time   `json:"since,omitzero"` // it is so
	Verdict LineVerdict `json:"verdict"`
}

// Place is the port as people write it: 192.0.2.31/1, dahdi/3.
func (l Line) Place() string { return LinePlace{l.Device, l.Port}.String() }

// LinePlace is a port of a gateway, or a channel of cards.
type LinePlace struct {
	Device string
	Port   int
}

// String writes it as a configuration does.
func (p LinePlace) String() string { return p.Device + "/" + strconv.Itoa(p.Port) }
