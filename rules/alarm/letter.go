package alarm

import (
	"time"

	"releve"
)

// Letter is what is sent by an outlet at a time, to people or to programs. One without alarms is a test.
type Letter struct {
	ID      string // the same each time that the same is sent, whichever server sends it
	Site    string
	Seat    releve.Seat // of the server that sends it
	At      time.Time
	Subject string // in the site's language, as all texts of it
	Text    string
	Alarms  []Item
}

// Item is an alarm in a letter.
type Item struct {
	Notice
	What    string // what is so
	Callers string // what they notice
	First   string // what to do first
}
