package releve

// What the making of a copy of the database may fail with, whoever makes it.
var (
	// ErrLogGone: the other server no longer has the log that a copy needs next.
	ErrLogGone = Known("the other server no longer keeps the log that this copy needs next", "cause-log-gone")
	ErrNoRoom  = Known("the disk has no room for a copy beside the data that it replaces", "cause-no-room")
)

// Fork is where a timeline was left for the next one.
type Fork struct {
	Timeline Timeline // the one that was left
	At       LSN
}
