package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"releve"
)

// load is a run of callers.
type load struct {
	number   string        // dialled; "" is the reception
	rate     int           // calls a second
	calls    int           // in all; 0: until they are told to stop
	digits   string        // pressed after a second of talk
	patience time.Duration // a caller hangs up when nothing happens for so long
	rings    bool          // a transfer rings and is not answered
	moved    string        // pressed once another server has the call …
	after    float64       // … and after so many seconds of talk
}

// crowd is a run of callers under way.
type crowd struct {
	name string
	dir  string
	sipp *part
	ear  *ear
}

// crowds numbers the runs: each has an address of its own, so that two never
// listen on the same port.
var crowds atomic.Uint32

// Codes that a caller may get to its INVITE; SIPp wants each one named.
var refusals = []int{403, 404, 408, 480, 481, 486, 487, 488, 500, 503, 603}

// Codes to a request in a call whose other side has died.
var lost = []int{404, 408, 477, 480, 481, 483, 500, 503}

// startCallers sends callers to the PBX. They end by themselves.
func startCallers(dir string, e *ear, l load) (*crowd, error) {
	n := crowds.Add(1)
	c := &crowd{name: fmt.Sprintf("callers%d", n), dir: filepath.Join(dir, fmt.Sprintf("callers%d", n)), ear: e}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	scenario, err := c.scenario(l)
	if err != nil {
		return nil, err
	}
	if l.number == "" {
		l.number = receptionNumber
	}
	host := fmt.Sprintf("127.0.9.%d", 1+n%250)
	args := []string{pbxHost + ":5060", "-sf", scenario, "-s", l.number, "-key", "from", "0612345678",
		"-i", host, "-p", "5060", "-mi", host, "-mp", "20000", "-r", strconv.Itoa(l.rate),
		"-cid_str", c.name + "-%u-%p@%s", "-nostdin", "-max_recv_loops", "1", "-l", "1000",
		"-trace_logs", "-log_file", c.file("log"), "-trace_err", "-error_file", c.file("errors"),
		"-trace_stat", "-stf", c.file("statistics"), "-fd", "1"}
	if l.calls > 0 {
		args = append(args, "-m", strconv.Itoa(l.calls))
	}
	c.sipp, err = launch(c.file("screen"), exec.Command("sipp", args...))
	return c, err
}

func (c *crowd) file(name string) string { return filepath.Join(c.dir, name) }

// scenario writes the callers' sound and what they do.
func (c *crowd) scenario(l load) (string, error) {
	text, err := testdata.ReadFile("testdata/sipp/caller.xml")
	if err != nil {
		return "", err
	}
	page, err := template.New("caller").Parse(string(text))
	if err != nil {
		return "", err
	}
	sound := ""
	if l.digits != "" {
		sound = c.file("sound.pcap")
		if err := writeSound(sound, l.digits, 1, 1); err != nil {
			return "", err
		}
	}
	moved := ""
	if l.moved != "" {
		moved = c.file("moved.pcap")
		if err := writeSound(moved, l.moved, l.after, 1); err != nil {
			return "", err
		}
	}
	var out bytes.Buffer
	trying := notify{"trying", 20, "active;expires=60", "100 Trying", ""}
	done := notify{"done", 21, "terminated;reason=noresource", "200 OK", "listening"}
	failed := notify{"failed", 21, "terminated;reason=noresource", "480 Temporarily Unavailable", "listening"}
	err = page.Execute(&out, map[string]any{"Sound": sound, "Moved": moved, "Patience": l.patience.Milliseconds(), "Rings": l.rings,
		"Refusals": refusals, "Lost": lost, "Separator": legSeparator,
		"Trying": trying, "Done": done, "Failed": failed, "Reports": []notify{trying, done, failed}})
	if err != nil {
		return "", err
	}
	file := c.file("caller.xml")
	return file, os.WriteFile(file, out.Bytes(), 0o644)
}

// notify is a caller's word on how its transfer goes (RFC 3515 §2.4).
type notify struct {
	Txn    string // SIPp's name for the transaction
	CSeq   int
	State  string // of the subscription
	Status string
	Next   string // label to go on from; "" is what follows
}

// Lost are the answers that tell that the other side has died.
func (notify) Lost() []int { return lost }

// Patience is none: an answer is waited for.
func (notify) Patience() int { return 0 }

// outcome is what one caller lived through: what the caller itself says, and what
// was heard on the wire.
type outcome struct {
	heard
	id          releve.CallID
	answered    bool
	referred    string // whom to call instead
	transferred bool   // it spoke to that phone
	moved       int    // how often it was asked to send elsewhere
	hungUpBy    string // "server", "caller", or "nobody" when the other side was dead
	code        int    // of a refusal
}

// released says whether one side hung up and the other said that it had heard.
func (o outcome) released() bool { return o.hungUpBy == "server" || o.hungUpBy == "caller" }

// orphaned says that the caller hung up and the PBX or a server answered that there is no such
// call: it had died with who held it.
func (o outcome) orphaned() bool { return o.hungUpBy == "nobody" }

// String is one line for the message of a failure.
func (o outcome) String() string {
	return fmt.Sprintf("%s: answered %v, packets of sound %d (from %v), referred %q, transferred %v, hung up by %q, refused %d",
		o.id, o.answered, o.sound, o.soundFrom, o.referred, o.transferred, o.hungUpBy, o.code)
}

// Exit codes of SIPp (sipp(1)): a failed call is for the tests to judge.
const (
	sippAllWell    = 0
	sippSomeFailed = 1
)

// stop lets no new caller start and lets those on the line finish.
func (c *crowd) stop() { c.sipp.signal(sigFinish) }

// wait waits for the last caller and gives the outcome of each.
func (c *crowd) wait(t testing.TB, limit time.Duration) []outcome {
	t.Helper()
	code, err := c.sipp.wait(limit)
	if err != nil {
		c.sipp.stop()
		t.Fatalf("%v\n%s", err, tail(c.file("errors"), 20))
	}
	if code != sippAllWell && code != sippSomeFailed {
		t.Fatalf("SIPp: exit code %d\n%s", code, tail(c.file("screen"), 20))
	}
	all := c.outcomes()
	if created := c.created(t); created != len(all) {
		t.Errorf("SIPp made %d calls and the wire carried %d", created, len(all))
	}
	return all
}

// only leaves the events of this run's calls: the servers of a site call by themselves too
// (H7, H8).
func (c *crowd) only(events []pbxEvent) []pbxEvent {
	return slices.DeleteFunc(events, func(e pbxEvent) bool { return !c.made(e.call) })
}

// outcomes are the calls offered so far, in their order.
func (c *crowd) outcomes() []outcome {
	raw, _ := os.ReadFile(c.file("log")) // there is none before the first line
	byCall := map[releve.CallID]*outcome{}
	for line := range strings.Lines(string(raw)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		id, detail, _ := strings.Cut(rest, " ")
		if byCall[releve.CallID(id)] == nil {
			byCall[releve.CallID(id)] = &outcome{}
		}
		byCall[releve.CallID(id)].take(word, detail)
	}
	all := c.ear.offeredBy(c.name)
	for i := range all {
		if told := byCall[all[i].id]; told != nil {
			told.id, told.heard = all[i].id, all[i].heard
			all[i] = *told
		}
	}
	return all
}

// take adds one line of a caller's log.
func (o *outcome) take(word, detail string) {
	switch word {
	case "answered":
		o.answered = true
	case "refused":
		o.code, _ = strconv.Atoi(detail)
	case "referred":
		o.referred = detail
	case "moved":
		o.moved++
	case "transferred":
		o.transferred = true
	case "bye":
		o.hungUpBy = "server"
	case "hung-up":
		o.hungUpBy = "caller"
	case "orphaned":
		o.hungUpBy = "nobody"
	}
}

// created is SIPp's own count of its calls.
func (c *crowd) created(t testing.TB) int {
	t.Helper()
	raw, err := os.ReadFile(c.file("statistics"))
	if err != nil { // its exit code says nothing about a scenario that it cannot read
		t.Fatalf("%v\n%s\n%s", err, tail(c.file("screen"), 20), tail(c.file("errors"), 5))
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	names, last := strings.Split(lines[0], ";"), strings.Split(lines[len(lines)-1], ";")
	for i, name := range names {
		if name == "TotalCallCreated" && i < len(last) {
			n, err := strconv.Atoi(last[i])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("SIPp's statistics have no TotalCallCreated: %s", lines[0])
	return 0
}
