package view

import "releve"

// History is what the diaries of both servers say of some time, newest first.
type History struct {
	Entries     []releve.Entry
	OtherSilent bool // what only the other server's says is missing
}
