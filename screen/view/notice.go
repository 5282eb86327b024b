package view

import "releve"

// Notice is one alarm that people are told of: that it began, that it ended, or that nobody has it in hand.
type Notice struct {
	Alarm
	Message string // began, ended, waits
}

// OutletTest is what became of a test of one outlet.
type OutletTest struct {
	Outlet  string           `json:"outlet"`
	Subject string           `json:"subject"`
	Text    string           `json:"text"`
	Sent    bool             `json:"sent"`             // it was taken
	Failed  *releve.Sentence `json:"failed,omitempty"` // … or why not
}

// OutletTests are those that were asked for, or why there are none.
type OutletTests struct {
	Tests   []OutletTest     `json:"tests"`
	Refused *releve.Sentence `json:"refused,omitempty"`
	Unknown bool             `json:"unknown,omitempty"` // there is no such outlet
}
