package sip

import (
	"errors"
	"net/netip"
	"releve"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	// ErrCancelled is returned by Respond when the caller had given up before:
	// he has been told 487.
	ErrCancelled = releve.Known("the caller cancelled the call", "cause-cancelled")
	errAnswered  = errors.New("the request has had its final response")
)

const (
	// timeout is how long a transaction is remembered for those who repeat themselves
	// (timers H, J and L of RFC 3261 §17.2 and RFC 6026 §7.1).
	timeout = 64 * T1
	t4      = 5 * time.Second
)

// Transaction is the server's side of one request (RFC 3261 §17.2, RFC 6026 §7.1). The
// library's own is not used: it writes headers otherwise than they came, tells of a CANCEL
// after the message that followed it, and remembers without a bound.
type Transaction struct {
	endpoint *Endpoint
	table    *table // nil: of an ACK, which has no transaction
	key      string
	tag      string // ours, for a To that has none
	initial  bool
	invite   bool
	top      hop
	from, to netip.AddrPort // where the request came from, and where responses go
	way      way            // … by which

	mu        sync.Mutex
	lines     []field // of the request; nil after the final response
	last      []byte  // response, to be sent again
	code      int     // of it
	cancelled bool
	withdrawn bool
	over      bool
	onCancel  func()
	onLate    func() // when it is withdrawn
	timer     *time.Timer
	pause     time.Duration // to the next repetition
	end       time.Time     // of the repetitions
}

// Initial says that the request came without a To tag: it belongs to no dialog.
func (t *Transaction) Initial() bool { return t.initial }

// Respond sends a response with pairs of header names and values. Every header that is
// copied from the request is copied as it came (RFC 3261 §8.2.6.2).
func (t *Transaction) Respond(code int, body []byte, headers ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.table == nil:
		return errors.New("an ACK is not answered")
	case t.cancelled:
		return ErrCancelled
	case t.over || t.code >= 200:
		return errAnswered
	}
	return t.respond(code, body, headers...)
}

func (t *Transaction) respond(code int, body []byte, headers ...string) error {
	t.last, t.code = t.write(code, body, headers), code
	if code >= 200 {
		t.final()
	}
	return t.endpoint.sendBy(t.way, t.last, t.to)
}

// Repeat sends the last response again: a 2xx to INVITE is repeated by who gave it
// (RFC 3261 §13.3.1.4).
func (t *Transaction) Repeat() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return nil
	}
	return t.endpoint.sendBy(t.way, t.last, t.to)
}

// Cancelled calls f when the caller cancels, at once if he already has. It is called
// before any later message is looked at, and must not block.
func (t *Transaction) Cancelled(f func()) {
	t.mu.Lock()
	already := t.cancelled
	t.onCancel = f
	t.mu.Unlock()
	if already {
		f()
	}
}

// cancel answers an INVITE that has no final response with 487 (RFC 3261 §9.2).
func (t *Transaction) cancel() {
	t.mu.Lock()
	if t.over || t.code >= 200 {
		late := t.code >= 200 && t.code < 300
		t.withdrawn = late
		f := t.onLate
		t.mu.Unlock()
		if late && f != nil {
			f()
		}
		return
	}
	t.cancelled = true
	f := t.onCancel
	_ = t.respond(487, nil) // repeated until it is acknowledged
	t.mu.Unlock()
	if f != nil {
		f()
	}
}

// Withdrawn says whether a CANCEL came after the 2xx. It changes nothing (RFC 3261 §9.2), and
// tells that the caller had given up before he had our answer: he could not say so sooner, for
// no CANCEL is sent before a first response (§9.1).
func (t *Transaction) Withdrawn() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.withdrawn
}

// WhenWithdrawn calls f when a CANCEL comes after the 2xx. It is called before any later
// message is looked at, maybe more than once, and must not block. It is to be set before the 2xx.
func (t *Transaction) WhenWithdrawn(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onLate = f
}

// acknowledge takes an ACK of a refusal. False: it is one of a 2xx, the dialog's matter.
func (t *Transaction) acknowledge() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.code < 300 {
		return false
	}
	t.pause = 0
	t.timer.Reset(t4)
	return true
}

// final ends what has to be known of the request and sets the timers. It holds the lock.
func (t *Transaction) final() {
	t.lines, t.onCancel = nil, nil
	t.table.settled(t, len(t.last))
	wait := timeout
	if t.invite && t.code >= 300 && !t.way.reliable() { // timer G (RFC 3261 §17.2.1)
		t.pause, wait, t.end = T1, T1, time.Now().Add(timeout)
	}
	t.timer.Reset(wait)
}

// tick repeats a refusal that was not acknowledged, or forgets the transaction.
func (t *Transaction) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
	case t.invite && t.code < 200:
		t.timer.Reset(timeout) // whoever has the call answers it or refuses it
	case t.pause > 0 && time.Now().Before(t.end):
		_ = t.endpoint.sendBy(t.way, t.last, t.to)
		t.pause = min(2*t.pause, T2)
		t.timer.Reset(t.pause)
	default:
		t.forget()
	}
}

func (t *Transaction) settled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over || t.code >= 200
}

func (t *Transaction) forget() {
	t.over = true
	t.timer.Stop()
	t.table.remove(t)
}

// write composes a response.
func (t *Transaction) write(code int, body []byte, headers []string) []byte {
	var lines []field
	first := true
	for _, l := range t.lines {
		switch l.name {
		case "via":
			if first {
				l.value = t.top.stamp(l.value, t.from)
			}
			first = false
		case "to":
			if t.tag != "" {
				l.value += tagParam(t.tag)
			}
		case "from", "call-id", "cseq":
		case "record-route":
			if code < 200 || code >= 300 {
				continue
			}
		case "timestamp":
			if code != 100 {
				continue
			}
		default:
			continue
		}
		lines = append(lines, field{written[l.name], l.value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		lines = append(lines, field{headers[i], headers[i+1]})
	}
	lines = append(lines, field{"Content-Length", strconv.Itoa(len(body))})
	return compose("SIP/2.0 "+strconv.Itoa(code)+" "+Reason(code), lines, body)
}

// written are the names under which headers are copied into a response.
var written = map[string]string{
	"via": "Via", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq",
	"record-route": "Record-Route", "timestamp": "Timestamp",
}

// keyOf is what a request has in common with its repetitions, its ACK and its CANCEL
// (RFC 3261 §17.2.3), also one from the days of RFC 2543, whose branch says nothing.
func keyOf(s screened, method string) string {
	if method == "ACK" || method == "CANCEL" {
		method = "INVITE"
	}
	if key, ok := s.top.key(method); ok {
		return key
	}
	number, _, _ := strings.Cut(value(s.lines, "cseq"), " ")
	return strings.Join([]string{value(s.lines, "via"), value(s.lines, "from"), value(s.lines, "call-id"), number, method}, "\n")
}

// key is that of a request whose branch says something (RFC 3261 §8.1.1.7).
func (h hop) key(method string) (string, bool) {
	rest, ok := strings.CutPrefix(h.branch, magicCookie)
	return strings.Join([]string{h.branch, strings.ToLower(h.host), h.port, method}, "\n"), ok && rest != ""
}

const magicCookie = "z9hG4bK"

// table is the transactions of one kind, bounded in number and in bytes: at the bound the
// oldest that has had its final response is forgotten, for a repetition of that is a
// smaller harm than a server without memory (SPEC K4).
type table struct {
	most, mostBytes int

	mu      sync.Mutex
	all     map[string]*Transaction
	done    []*Transaction // with a final response, oldest first
	bytes   int            // of the responses of those
	waiting int            // without one
}

func newTable(most, mostBytes int) *table {
	return &table{most: most, mostBytes: mostBytes, all: make(map[string]*Transaction)}
}

func (b *table) get(key string) *Transaction {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[key]
}

// add takes a transaction up. False: there are too many that wait for an answer.
func (b *table) add(t *Transaction) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting >= b.most {
		return false
	}
	b.waiting++
	b.all[t.key] = t
	return true
}

// settled notes that a transaction has its final response, and forgets the oldest beyond
// the bound.
func (b *table) settled(t *Transaction, size int) {
	b.mu.Lock()
	b.waiting--
	b.bytes += size
	b.done = append(b.done, t)
	var oldest []*Transaction
	for len(b.done) > b.most || b.bytes > b.mostBytes && len(b.done) > 1 {
		old := b.done[0]
		b.drop(old)
		b.done = b.done[1:]
		oldest = append(oldest, old)
	}
	b.mu.Unlock()
	for _, old := range oldest {
		old.timer.Stop()
	}
}

// drop takes a finished transaction out of the count. It holds the lock.
func (b *table) drop(t *Transaction) {
	if b.all[t.key] == t {
		delete(b.all, t.key)
		b.bytes -= len(t.last)
	}
}

// remove forgets a transaction whose time is over.
func (b *table) remove(t *Transaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.done, t); i >= 0 {
		b.drop(t)
		b.done = slices.Delete(b.done, i, i+1)
		return
	}
	if b.all[t.key] == t {
		delete(b.all, t.key)
		b.waiting--
	}
}

// close stops every timer.
func (b *table) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.all {
		t.timer.Stop()
	}
	clear(b.all)
	b.done = nil
}
