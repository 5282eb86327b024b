package releve

// What the database may fail with, as other rooms must know it.
var (
	// ErrLogGone: the other server no longer has the log that a copy needs next.
	ErrLogGone = Known("the other server no longer keeps the log that this copy needs next", "cause-log-gone")
	ErrNoRoom  = Known("the disk has no room for a copy beside the data that it replaces", "cause-no-room")
	// ErrUnsafe marks a promotion whose tail may have lost acknowledged rows (R4).
	ErrUnsafe = Known("the promotion may lack acknowledged rows", "cause-unsafe")
	// ErrSlow marks a proof of health that was not answered in time: it may be a wedged
	// disk, or a busy one.
	ErrSlow = Known("the database did not prove its health in time", "cause-slow")
)

// Fork is where a timeline was left for the next one.
type Fork struct {
	Timeline Timeline // the one that was left
	At       LSN
}
