package phone_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve/adapters/phone"
)

func TestThePBXLives(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	if code, err := p.Options(limit(t, 10*time.Second)); err != nil || code != 200 {
		t.Errorf("OPTIONS: %d, %v", code, err)
	}
}

// A program that is dead on a machine that lives: known at once, long before any limit.
func TestDeadProgramIsToldAtOnce(t *testing.T) {
	p, _ := newPhone(t, freeAddr(t))
	if _, err := p.Options(limit(t, 20*time.Second)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("OPTIONS to nobody: %v", err)
	}
	if _, _, err := p.CheckOther(limit(t, 20*time.Second), freeAddr(t), "n"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("asking nobody: %v", err)
	}
}

func TestSilentProgramIsNotWaitedFor(t *testing.T) {
	silent := newPeer(t)
	p, _ := newPhone(t, silent.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	if _, err := p.Options(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("OPTIONS to a silent PBX: %v", err)
	}
	first, again := silent.incoming("OPTIONS"), silent.incoming("OPTIONS")
	if first != again {
		t.Errorf("repeated as another request:\n%s\n%s", first, again)
	}
}

func TestAnyFinalAnswerProvesLife(t *testing.T) {
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	code := make(chan int, 1)
	go func() { c, _ := p.Options(limit(t, 10*time.Second)); code <- c }()
	buf := make([]byte, 65536)
	n, from, err := pbx.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	req := text(buf[:n])
	pbx.send(from, strings.ReplaceAll(pbx.reply(req, 200, ""), "branch=z9hG4bK", "branch=z9hG4bKother"))
	pbx.send(from, pbx.reply(req, 100, ""))
	pbx.send(from, pbx.reply(req, 503, ""))
	if got := <-code; got != 503 {
		t.Errorf("code %d", got)
	}
}

// A question comes from a user that the PBX knows and from the socket that it knows, and
// a challenge is answered: all else looks like an attack, and is banned.
func TestTheQuestionIsNoScanners(t *testing.T) {
	pbx := newPeer(t)
	own := phone.Account{User: "standby", Password: "standby-pw"}
	p, _ := newPhone(t, pbx.addr, func(o *setup) { o.User = own })
	for _, user := range []string{"standby", "reception"} {
		done := make(chan int, 1)
		go func() { code, _ := p.Options(limit(t, 10*time.Second)); done <- code }()
		for _, answer := range []string{"WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\r\n", ""} {
			m, from := pbx.receiveFrom()
			if m.method() != "OPTIONS" || from != p.Addr() ||
				!strings.HasPrefix(m.header("From"), "<sip:"+user+"@"+pbx.addr.String()+">") {
				t.Fatalf("from %s, not %s:\n%s", from, p.Addr(), m)
			}
			if answer == "" && !strings.Contains(m.header("Authorization"), `username="`+user+`"`) {
				t.Fatalf("the challenge is not answered:\n%s", m)
			}
			pbx.send(from, pbx.reply(m, map[bool]int{true: 401, false: 404}[answer != ""], answer))
		}
		if code := <-done; code != 404 {
			t.Errorf("code %d", code)
		}
		if user == "standby" { // from now on the user that is registered is the one that asks
			go func() { _, _ = p.Register(limit(t, 10*time.Second), reception()) }()
			pbx.send(p.Addr(), pbx.reply(pbx.incoming("REGISTER"), 200, ""))
		}
	}
}

// A PBX that challenges with what cannot be answered lives, and is not asked until it bans this
// address; and why is said.
func TestTheQuestionThatIsChallengedInVainIsNotRepeated(t *testing.T) {
	pbx := newPeer(t)
	said := make(words, 10)
	p, _ := newPhone(t, pbx.addr, func(o *setup) { o.User, o.Log = reception(), slog.New(slog.NewTextHandler(said, nil)) })
	questions, begin := map[string]bool{}, time.Now() // a question may be repeated on its way
	for took := time.Duration(0); took < 2500*time.Millisecond ||
		len(questions) < 2 && took < 20*time.Second; took = time.Since(begin) {
		code := make(chan int, 1)
		go func() { c, _ := p.Options(limit(t, 10*time.Second)); code <- c }()
		for over := false; !over; {
			select {
			case got := <-code:
				if over = true; got != 401 {
					t.Fatalf("code %d", got)
				}
			default:
				if m, came := pbx.tryReceive(20 * time.Millisecond); came {
					questions[m.header("Via")] = true
					pbx.send(p.Addr(), pbx.reply(m, 401, "WWW-Authenticate: Basic realm=\"x\"\r\n"))
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	if asked := len(questions); asked < 2 || asked > 3 {
		t.Errorf("asked %d times in 2.5 s", asked)
	}
	select {
	case line := <-said:
		if !strings.Contains(line, "Basic") {
			t.Errorf("said: %s", line)
		}
	default:
		t.Error("nothing is said of it")
	}
}

// words is a log that is read line by line.
type words chan string

func (w words) Write(line []byte) (int, error) { w <- string(line); return len(line), nil }

func TestOneServerAsksTheOther(t *testing.T) {
	nobody := freeAddr(t)
	asker, _ := newPhone(t, nobody)
	for _, well := range []bool{true, false} {
		asked, _ := newPhone(t, nobody, func(o *setup) {
			o.Check = func(_ context.Context, nonce string) (string, bool) { return "signed\r\nX: " + nonce, well }
		})
		answer, code, err := asker.CheckOther(limit(t, 10*time.Second), asked.Addr(), "nonce-1")
		if err != nil || answer != "signed  X: nonce-1" {
			t.Errorf("answer %q, %v", answer, err)
		}
		if want := map[bool]int{true: 200, false: 503}[well]; code != want {
			t.Errorf("well %v: code %d", well, code)
		}
	}
	deaf, _ := newPhone(t, nobody)
	if _, code, err := asker.CheckOther(limit(t, 10*time.Second), deaf.Addr(), "n"); err != nil || code != 503 {
		t.Errorf("nobody there to ask: %d, %v", code, err)
	}
	if _, _, err := asker.CheckOther(limit(t, 10*time.Second), deaf.Addr(), "n\r\nVia: x"); err == nil {
		t.Error("a nonce of two lines was sent")
	}
}

func TestPlainOptions(t *testing.T) {
	peer := newPeer(t)
	p, _ := newPhone(t, peer.addr)
	peer.send(p.Addr(), peer.request("OPTIONS", "sip:"+p.Addr().String(), nil))
	res := peer.final("1 OPTIONS")
	if res.code() != 200 || !strings.Contains(res.header("Allow"), "INVITE") || res.header("Accept") != "application/sdp" {
		t.Errorf("answered with\n%s", res)
	}
}

func TestWildcardIsNotAnAddress(t *testing.T) {
	_, err := phone.New(phone.Options{
		Listen: netip.MustParseAddrPort("0.0.0.0:0"), PBX: freeAddr(t),
		Domain: "x", RTPFirst: 30000, RTPLast: 30010, Log: discard(),
	})
	if err == nil {
		t.Error("it listens everywhere")
	}
}

// However many questions come, few are thought about at a time, and who gets no answer
// because the question is not the other's learns nothing (K1).
func TestQuestionsAreFew(t *testing.T) {
	other := newPeer(t)
	var thinking, most atomic.Int64
	release := make(chan struct{})
	p, _ := newPhone(t, freeAddr(t), func(o *setup) {
		o.Check = func(context.Context, string) (string, bool) {
			most.Store(max(most.Load(), thinking.Add(1)))
			defer thinking.Add(-1)
			<-release
			return "", true
		}
	})
	for range 50 {
		other.send(p.Addr(), other.request("OPTIONS", "sip:x@"+p.Addr().String(), map[string]string{"X-Releve-Check": "call-1"}))
	}
	codes := make(map[int]int)
	for range 50 - 4 {
		codes[other.final("1 OPTIONS").code()]++
	}
	close(release)
	for range 4 {
		m := other.final("1 OPTIONS")
		codes[m.code()]++
		if m.header("X-Releve-Answer") != "" {
			t.Errorf("told:\n%s", m)
		}
	}
	if codes[503] != 46 || codes[403] != 4 || most.Load() > 4 {
		t.Errorf("answered %v, at most %d at a time", codes, most.Load())
	}
}
