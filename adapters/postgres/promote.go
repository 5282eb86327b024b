package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"releve"
)

// ErrStillPromoting is returned when a promotion was asked for and not seen to end: it
// may still happen, and the duty goes back only by RULES R15.
var ErrStillPromoting = releve.Known("the promotion may still happen", "cause-still-promoting")

// ErrTail is returned with a promotion that left received rows behind. Nothing may be
// committed, and the old owner's data must be kept (RULES R4).
var ErrTail = releve.Known("what the mirror had received does not end cleanly", "cause-tail")

// Tail is what lay between the fork and what the mirror had flushed.
type Tail string

// The tails. Only the first two are harmless.
const (
	TailNone       Tail = "none"
	TailUnfinished Tail = "unfinished-record" // its other half never came: no commit was acknowledged in it
	TailDamaged    Tail = "checksum-error"    // a record that had come whole, damaged since
	TailRecords    Tail = "whole-records"     // promotion stopped before them
)

// Promotion is a mirror that became a primary.
type Promotion struct {
	Timeline  releve.Timeline
	Fork      releve.LSN // where it left the vote's timeline, from the history file
	LastFlush releve.LSN // what the mirror had on its disk, as far as it knew
	Tail      Tail
	Detail    string // what pg_waldump said of the tail
}

const (
	promotionLook  = 2 * time.Millisecond
	promotionStall = 30 * time.Second
)

// Asked is the promotion that is asked for.
type Asked struct {
	ID       releve.PromotionID // the same however often it is tried
	Timeline releve.Timeline    // of the vote; 0: no vote names one
}

// Promote makes the mirror a primary and examines where it left the old timeline. It
// returns when the timeline is new and its history is on the disk. Other sessions
// are ended first, so that no reader delays it. With any error nothing may be
// committed, although PostgreSQL may be, or become, writable. A promotion that was tried before, and
// was not seen to end, may have left the old timeline then: it is judged with what was kept then.
func (c *Cluster) Promote(ctx context.Context, asked Asked) (Promotion, error) {
	end, err := c.begin(ctx)
	if err != nil {
		return Promotion{}, err
	}
	defer end()
	before, err := c.Position(ctx)
	if err != nil {
		return Promotion{}, err
	}
	if !before.InRecovery {
		return Promotion{}, errors.New("this PostgreSQL is already a primary")
	}
	kept, first, err := c.keepTail(asked.ID, before)
	if err != nil {
		return Promotion{}, err
	}
	newest, err := c.newestTimeline()
	if err != nil {
		return Promotion{}, err
	}
	if err := c.endSessions(ctx); err != nil {
		return Promotion{}, err
	}
	if err := c.do(ctx, askLimit, "SELECT pg_promote(false)"); err != nil {
		return Promotion{}, fmt.Errorf("%w: %w", ErrStillPromoting, err)
	}
	if err := c.leaveCopy(); err != nil { // while it promotes: nobody commits before we return
		return Promotion{}, fmt.Errorf("%w: %w", ErrStillPromoting, err)
	}
	after, err := c.waitPrimary(ctx)
	if err != nil {
		return Promotion{}, fmt.Errorf("%w: %w", ErrStillPromoting, err)
	}
	if newest == first.Newest { // else it was left before
		first.Flush = max(first.Flush, before.Flush)
	}
	p, err := c.examine(ctx, kept, first, newest, after)
	switch {
	case errors.Is(err, ErrTail):
		return p, errors.Join(err, c.keepEvidence(kept, first))
	case err != nil: // it is not judged yet, and nobody commits before it is
		return p, fmt.Errorf("%w: %w", ErrStillPromoting, err)
	}
	if left, err := c.leftAt(after.Timeline, asked.Timeline); err != nil {
		return p, fmt.Errorf("%w: %w", ErrStillPromoting, err)
	} else if left > 0 {
		p.Fork = left
	}
	return p, os.RemoveAll(kept)
}

// endSessions ends every session but our own questions.
func (c *Cluster) endSessions(ctx context.Context) error {
	err := c.do(ctx, askLimit, `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
AND NOT (usename = $1 AND application_name = $2)`, superuser, controlName)
	if err != nil {
		return fmt.Errorf("cannot end the sessions on the mirror: %w", err)
	}
	return nil
}

// waitPrimary waits as long as the replay of what was received advances.
func (c *Cluster) waitPrimary(ctx context.Context) (Position, error) {
	s := stall{limit: min(c.stallLimit(), promotionStall)}
	for {
		position, err := c.Position(ctx)
		if still := s.at(time.Now(), position.Replay.String()); still != nil {
			return Position{}, errors.Join(still, err)
		}
		switch {
		case err == nil && !position.InRecovery:
			return position, nil
		case errors.Is(err, errNotRunning):
			return Position{}, err
		}
		if late := pause(ctx, promotionLook); late != nil { // one look that failed proves nothing
			return Position{}, errors.Join(late, err)
		}
	}
}

// leftAt is where a timeline was left on the way to the present one, 0 where it was not.
func (c *Cluster) leftAt(now, timeline releve.Timeline) (releve.LSN, error) {
	forks, err := c.History(now)
	if err != nil {
		return 0, err
	}
	for _, f := range forks {
		if f.Timeline == timeline {
			return f.At, nil
		}
	}
	return 0, nil
}

// leftAfter is the fork by which a history comes to its first timeline that is newer than one.
func leftAfter(history []releve.Fork, now, than releve.Timeline) (left releve.Fork, found bool) {
	for i, f := range history {
		next := now
		if i+1 < len(history) {
			next = history[i+1].Timeline
		}
		if next > than {
			return f, true
		}
	}
	return releve.Fork{}, false
}

// newestTimeline is the newest whose history is here. A mirror whose receiver has ended does
// not say which it follows: its control file tells of the last restart point. But it knows the
// histories of all that it came by, and a promotion makes one that is newer than each.
func (c *Cluster) newestTimeline() (newest releve.Timeline, err error) {
	newest = 1 // which has none
	entries, err := os.ReadDir(c.path("data", "pg_wal"))
	for _, e := range entries {
		var t releve.Timeline
		if name, is := strings.CutSuffix(e.Name(), ".history"); is && len(name) == 8 {
			if _, err := fmt.Sscanf(name, "%08X", &t); err == nil {
				newest = max(newest, t)
			}
		}
	}
	return newest, err
}

// examine finds where the first attempt left its timeline, and what was left behind there. On
// the timelines between, nobody has ever committed. newest is the one that was known when this
// attempt began.
func (c *Cluster) examine(
	ctx context.Context, kept string, first attempt, newest releve.Timeline, after Position,
) (Promotion, error) {
	p := Promotion{Timeline: after.Timeline, LastFlush: first.Flush}
	if newest == first.Newest {
		var received lsnText
		// More may have come between the last look and the promotion; the receiver's
		// last position outlives recovery.
		if err := c.ask(ctx, askLimit, []any{&received}, "SELECT pg_last_wal_receive_lsn()"); err != nil {
			return p, err
		}
		p.LastFlush = max(p.LastFlush, releve.LSN(received))
	}
	forks, err := c.History(after.Timeline)
	if err != nil {
		return p, err
	}
	left, found := leftAfter(forks, after.Timeline, first.Newest)
	if !found {
		return p, fmt.Errorf("the history of timeline %d names none that is newer than %d", after.Timeline, first.Newest)
	}
	p.Fork = left.At
	p.Tail, p.Detail, err = c.tail(ctx, kept, left, p.LastFlush)
	if err != nil {
		return p, err
	}
	if p.Tail != TailNone && p.Tail != TailUnfinished {
		return p, fmt.Errorf("%w: %s from %s to %s (%s): keep the other server's data, its rows are the only ones",
			ErrTail, p.Tail, p.Fork, p.LastFlush, p.Detail)
	}
	return p, nil
}

const segmentSize = 16 << 20 // of a WAL file, initdb's default

func segmentStart(l releve.LSN) releve.LSN { return l - l%segmentSize }

// segmentName is PostgreSQL's XLogFileName: the timeline, then the high and the low part of
// the file's number.
func segmentName(timeline releve.Timeline, at releve.LSN) string {
	const perHigh = 1 << 32 / segmentSize
	number := at / segmentSize
	return fmt.Sprintf("%08X%08X%08X", uint32(timeline), uint32(number/perHigh), uint32(number%perHigh))
}

var segmentForm = regexp.MustCompile(`^[0-9A-F]{24}$`)

// segmentLSN is where the WAL file of a name begins.
func segmentLSN(name string) releve.LSN {
	var timeline, high, low uint32
	if _, err := fmt.Sscanf(name, "%08X%08X%08X", &timeline, &high, &low); err != nil {
		return 0
	}
	return releve.LSN(high)<<32 | releve.LSN(low)*segmentSize
}

// keptTail is where the end of the old timeline is kept during a promotion: on the disk that
// the log is on, wherever that is linked to, for no link leads to another. PostgreSQL passes
// over what is no file of its log.
const keptTail = "releve.tail"

// attempt is what the first attempt of a promotion began with. It lies beside what was kept,
// until that promotion is judged.
type attempt struct {
	ID     releve.PromotionID `json:"id"`
	Newest releve.Timeline    `json:"newest"` // whose history was here
	Flush  releve.LSN         `json:"flush"`
	Began  time.Time          `json:"began"`
}

// attemptFile is its name, in the directory of what is kept.
const attemptFile = "attempt.json"

// keepTail holds on to the WAL files from the replayed position on, by hard links: a
// promotion removes those beyond its fork, and they are the evidence. Where an attempt of the
// same promotion has left some, those are the evidence: that attempt may have been the one that left
// the timeline. The log's directory is the account's, so that nothing in it is followed out of it.
func (c *Cluster) keepTail(id releve.PromotionID, at Position) (string, attempt, error) {
	kept := c.path("data", "pg_wal", keptTail)
	log, err := os.OpenRoot(c.path("data", "pg_wal"))
	if err != nil {
		return "", attempt{}, fmt.Errorf("cannot keep the end of the old timeline: %w", err)
	}
	defer log.Close()
	before, found := attemptIn(log)
	if found && before.ID == id {
		return kept, before, nil
	}
	if found { // of a promotion that was given up, and never judged
		err = c.keepEvidence(kept, before)
	}
	newest, unread := c.newestTimeline()
	first := attempt{ID: id, Newest: newest, Flush: at.Flush, Began: time.Now().UTC()}
	if err = errors.Join(err, unread); err == nil {
		err = c.linkTail(log, segmentStart(at.Replay-min(1, at.Replay)), first)
	}
	if err != nil {
		return "", attempt{}, fmt.Errorf("cannot keep the end of the old timeline: %w", err)
	}
	return kept, first, nil
}

func attemptIn(log *os.Root) (a attempt, found bool) {
	raw, err := log.ReadFile(filepath.Join(keptTail, attemptFile))
	return a, err == nil && json.Unmarshal(raw, &a) == nil
}

func (c *Cluster) linkTail(log *os.Root, from releve.LSN, first attempt) error {
	who, err := c.account()
	if err != nil {
		return err
	}
	if err := errors.Join(log.RemoveAll(keptTail), log.Mkdir(keptTail, 0o700)); err != nil {
		return err
	}
	entries, err := fs.ReadDir(log.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !segmentForm.MatchString(e.Name()) || segmentLSN(e.Name()) < from {
			continue
		}
		if err := log.Link(e.Name(), filepath.Join(keptTail, e.Name())); err != nil {
			return err
		}
	}
	if err := note(log, first); err != nil {
		return err
	}
	if who.root { // given away last: until then nobody else could put anything there
		return log.Lchown(keptTail, who.uid, who.gid)
	}
	return nil
}

// note writes down, durably, what an attempt began with: what was kept is judged by it, after
// whatever crash.
func note(log *os.Root, first attempt) error {
	raw, err := json.Marshal(first)
	if err != nil {
		return err
	}
	file, err := log.OpenFile(filepath.Join(keptTail, attemptFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	dir, errDir := log.Open(keptTail)
	if errDir == nil {
		errDir = errors.Join(dir.Sync(), dir.Close())
	}
	return errors.Join(err, file.Sync(), file.Close(), errDir)
}

// keepEvidence spares a tail that may hold the only copy of rows from the next promotion,
// and from a rewind, which removes what the other server does not have in its log. What was kept stays
// in its place too: the same promotion tried again is judged by it again, and not by what it leaves.
func (c *Cluster) keepEvidence(kept string, first attempt) error {
	evidence := c.path("tail-" + first.Began.Format(asideFormat))
	if _, err := os.Stat(evidence); err == nil {
		return nil
	}
	c.log.Error("received rows were left behind by the promotion", "wal", evidence)
	err := os.CopyFS(evidence, os.DirFS(kept))
	if err != nil {
		return errors.Join(fmt.Errorf("the end of the old timeline stays in %s, for it could not be copied: %w", kept, err),
			os.RemoveAll(evidence))
	}
	return syncTree(evidence)
}

// tail reads on where recovery stopped, from the beginning of the file before: the reader
// needs a whole record to find its bearings.
func (c *Cluster) tail(ctx context.Context, kept string, fork releve.Fork, flushed releve.LSN) (Tail, string, error) {
	first := segmentStart(fork.At - 1)
	last, err := endWithZeros(kept, fork.Timeline, first)
	if err != nil {
		return "", "", fmt.Errorf("cannot examine the end of timeline %d: %w", fork.Timeline, err)
	}
	_, err = c.run(ctx, "", nil, "pg_waldump", "--quiet", "--path="+kept, segmentName(fork.Timeline, first), last)
	var said *programError
	if !errors.As(err, &said) {
		return "", "", fmt.Errorf("cannot examine the end of timeline %d: %w", fork.Timeline, cmp.Or(err, errNoEnd))
	}
	detail := said.text()
	end, err := parseWALEnd(detail)
	if err != nil {
		return "", detail, fmt.Errorf("%w: %w", ErrTail, err) // nobody knows what it holds
	}
	return end.judge(fork.At, flushed), detail, nil
}

var errNoEnd = releve.Known("pg_waldump found none", "cause-no-end")

// endWithZeros puts an empty file behind the last one and returns its name: pg_waldump waits
// five seconds for one that is missing, and dies of it without saying how far it came.
func endWithZeros(dir string, timeline releve.Timeline, from releve.LSN) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for at := from; ; at += segmentSize {
		name := segmentName(timeline, at)
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return name, errors.Join(file.Truncate(segmentSize), file.Close())
	}
}

// walEnd is where and why pg_waldump stopped reading.
type walEnd struct {
	lastRecord releve.LSN // begin of the last whole record
	page       releve.LSN // the page that is not this log's, 0 when it was the record itself
	checksum   bool       // the record's header fits the log, its content does not
}

var (
	errorAfter = regexp.MustCompile(`error in WAL record at ([0-9A-F]+/[0-9A-F]+): (.*)`)
	badPage    = regexp.MustCompile(`in (?:log|WAL) segment ([0-9A-F]{24}),(?: LSN [0-9A-F]+/[0-9A-F]+,)? offset (\d+)`)
)

// parseWALEnd reads pg_waldump's last complaint (PostgreSQL xlogreader.c).
func parseWALEnd(detail string) (walEnd, error) {
	found := errorAfter.FindStringSubmatch(detail)
	if found == nil {
		return walEnd{}, fmt.Errorf("pg_waldump's answer is not understood: %s", detail)
	}
	last, err := releve.ParseLSN(found[1])
	end := walEnd{
		lastRecord: last,
		checksum:   strings.Contains(found[2], "incorrect resource manager data checksum"),
	}
	if page := badPage.FindStringSubmatch(found[2]); page != nil {
		var offset uint32
		_, errOffset := fmt.Sscan(page[2], &offset)
		err = errors.Join(err, errOffset)
		end.page = segmentLSN(page[1]) + releve.LSN(offset)
	}
	return end, err
}

// judge says what lies behind the fork. A record can be unfinished only where its
// sender cut it, and a sender cuts at the end of a page: then the first byte that is not
// this log's is exactly the first that was not flushed. Everything else that stops
// the reader before the flushed position was once whole.
func (e walEnd) judge(fork, flushed releve.LSN) Tail {
	switch {
	case e.lastRecord >= fork:
		return TailRecords
	case e.checksum:
		return TailDamaged // even where the flushed position was forgotten by a restart
	case flushed <= fork:
		return TailNone
	case e.page != 0 && e.page == flushed:
		return TailUnfinished
	}
	return TailDamaged
}
