package study

import (
	"fmt"
	"time"

	"releve"
)

// Outcome is what became of what was sent to a port on which the other end of the study
// listened: nobody else was to answer there.
type Outcome string

// The outcomes. Whoever is at fault, the two ends know what each of them sent and saw.
const (
	Open       Outcome = "open"
	Dropped    Outcome = "dropped"      // silence, and nothing arrived
	DroppedWay Outcome = "dropped-back" // it arrived, and the answer did not
	Rejected   Outcome = "rejected"     // refused by somebody, for a program listened
	Prohibited Outcome = "prohibited"   // a router or a host says that there is no way
	OwnWall    Outcome = "own-wall"     // the sender's own machine did not let it out
	Foreign    Outcome = "foreign"      // something else answered, or accepted in the other's place
	Cut        Outcome = "cut"          // the connection was ended when data came
	Swallowed  Outcome = "swallowed"    // the connection stood and the data did not come through
	Altered    Outcome = "altered"      // what came was not what was sent
	NotOpened  Outcome = "not-opened"   // the other end could not listen
)

// Probe is what an end found that knocked at a port of the other.
type Probe struct {
	Port    string        `json:"port"` // "tcp 7443"
	Outcome Outcome       `json:"outcome"`
	Median  time.Duration `json:"median_ns"` // of a datagram and its answer
	Sent    int           `json:"sent"`
	Back    int           `json:"back"`
	Octets  int           `json:"octets"` // the largest that passed whole, with its IP header; 0: not tried
}

// Arrived settles with what the other end saw what silence means.
func (p Probe) Arrived(seen int) Probe {
	switch {
	case p.Outcome == Dropped && seen > 0:
		p.Outcome = DroppedWay
	case (p.Outcome == Cut || p.Outcome == Swallowed) && seen == 0:
		p.Outcome = Foreign // it was accepted, and not by the other end
	}
	return p
}

// Ports are the measurements of a server's ports, made from the other.
func Ports(q releve.StudyQuestion, seat releve.Seat, probes []Probe) (taken []releve.Measurement) {
	line := Probe{}
	for _, p := range probes {
		for _, check := range portChecks(q, p.Port) {
			taken = append(taken, portMeasured(check, seat, p))
		}
		if p.Outcome == Open && p.Sent > line.Sent {
			line = p
		}
	}
	return append(taken, lineMeasured(seat, line)...)
}

func portMeasured(check string, seat releve.Seat, p Probe) releve.Measurement {
	m := releve.Measurement{Check: check, Seat: seat, About: p.Port, State: releve.Broken}
	switch p.Outcome {
	case Open:
		m.State = releve.Measured
	case NotOpened:
		m.State, m.Why = releve.Unmeasured, releve.Say("study-port-not-opened", "port", p.Port)
	default:
		m.Why = releve.Say("study-port-"+string(p.Outcome), "port", p.Port)
	}
	return m
}

// lineMeasured tells of the way between the servers by the datagrams of one port.
func lineMeasured(seat releve.Seat, p Probe) []releve.Measurement {
	latency := releve.Measurement{Check: "latency", Seat: seat, State: releve.Unmeasured, Why: releve.Say("study-no-datagrams")}
	loss, size := latency, latency
	loss.Check, size.Check = "loss", "datagram"
	if p.Sent > 0 {
		latency.State, latency.Value, latency.Why = releve.Measured, p.Median.Seconds(), releve.Sentence{}
		loss.State, loss.Value, loss.Why = releve.Measured, 100*float64(p.Sent-p.Back)/float64(p.Sent), releve.Sentence{}
		loss.Text = fmt.Sprintf("%d/%d", p.Back, p.Sent)
	}
	if p.Octets > 0 {
		size.State, size.Value, size.Why = releve.Measured, float64(p.Octets), releve.Sentence{}
	}
	return []releve.Measurement{latency, loss, size}
}
