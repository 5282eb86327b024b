package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// How long somebody stays logged in.
const (
	SessionIdle    = time.Hour      // without asking for anything
	SessionLongest = 12 * time.Hour // whatever he does: a shift
	sessionRenewed = time.Minute    // after which a session that is used is written anew
)

// Session is what somebody who logged in carries with him. No server keeps it: it is signed by the key of
// the book, and both believe it, the one that gave it out and the one that took over.
type Session struct {
	ID    string    `json:"id"` // drawn by chance, at each login anew
	Name  string    `json:"name"`
	Mark  string    `json:"mark"` // of the account as it was then
	Began time.Time `json:"began"`
	Seen  time.Time `json:"seen"` // when it was last written
}

// mark changes with the role, the password and the one-time codes, and when the account is made again. A session
// of an account that looked otherwise is over.
func (a Account) mark() string {
	return fmt.Sprint(a.Life, a.Role.Stamp, a.Password.Stamp, a.Second.Stamp)
}

// label keeps what is signed here from being good for anything else.
const label = "releve session 1\n"

// sessionMost is how many bytes a session may have as text.
const sessionMost = 1000

// Sign writes a session as text.
func Sign(key []byte, s Session) string {
	raw := base64.RawURLEncoding.EncodeToString
	said := raw([]byte(written(s)))
	return said + "." + raw(sum(key, said))
}

func sum(key []byte, said string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(label + said))
	return h.Sum(nil)
}

// Holds reads a session, and says that it is good now: signed with the book's key, of an account that stands and
// is as it was, neither ended nor too old. Clocks of both servers may be some minutes apart, which makes it
// last as much longer or shorter.
func (b Book) Holds(text string, now time.Time) (s Session, holds bool) {
	said, signature, _ := strings.Cut(text, ".")
	shown, err := base64.RawURLEncoding.DecodeString(signature)
	if len(text) > sessionMost || err != nil || len(b.Key.Value) == 0 || !hmac.Equal(shown, sum(b.Key.Value, said)) {
		return Session{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(said)
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return Session{}, false
	}
	a, stands := b.Find(s.Name)
	_, ended := b.Ended[s.ID]
	old := now.Sub(s.Began) >= SessionLongest || now.Sub(s.Seen) >= SessionIdle || s.Began.Sub(now) >= SessionIdle || s.Seen.Sub(now) >= SessionIdle
	return s, stands && s.Mark == a.mark() && !ended && !old
}

// Renew writes a session that is used anew, "" where that is not due yet.
func (b Book) Renew(s Session, now time.Time) string {
	if now.Sub(s.Seen) < sessionRenewed {
		return ""
	}
	s.Seen = now
	return Sign(b.Key.Value, s)
}

// Begin is a session of somebody who has proven who he is. id is drawn by chance.
func (d *Desk) Begin(now time.Time, name, id string) string {
	a, _ := d.Book.Find(name)
	return Sign(d.Book.Key.Value, Session{ID: id, Name: name, Mark: a.mark(), Began: now, Seen: now})
}

// End ends a session before its time, on both servers.
func (d *Desk) End(now time.Time, s Session) {
	d.stamp()
	ended := maps.Clone(d.Book.Ended)
	if ended == nil {
		ended = map[string]time.Time{}
	}
	ended[s.ID] = s.Began.Add(SessionLongest)
	d.Book.Ended = ended
	d.Book = d.Book.Tidy(now)
}
