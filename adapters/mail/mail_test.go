package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/mail"
	"releve/proof/practice/relay"
	"releve/rules/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var letter = alarm.Letter{
	ID: "mirror-away 7", Subject: "Alarme majeure : le miroir", At: time.Unix(1_800_000_000, 0),
	Text: "Le miroir n'a pas tout ce qui est enregistré.\n.\nDepuis 03:12.\n",
}

// by is a way to a relay on this machine.
func by(port int, security mail.Security, change ...func(*mail.Options)) mail.Options {
	o := mail.Options{Host: "127.0.0.1", Port: port, Security: security, From: "Relève <releve@hopital.test>", To: []string{"astreinte@hopital.test"}}
	for _, c := range change {
		c(&o)
	}
	return o
}

// code is what a failure says, and whether another try may help; "" of what was taken.
func code(t *testing.T, again bool, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	fault, is := errors.AsType[*releve.Fault](err)
	if !is {
		t.Fatalf("it ended with %v", err)
	}
	return fmt.Sprint(fault.Why.Code, " ", again)
}

func TestARealRelayTakesALetter(t *testing.T) {
	r := relay.Start(t, relay.Plan{})
	s := mail.Sender{Options: by(r.Port, mail.Plain)}
	if again, err := s.Probe(t.Context()); err != nil {
		t.Fatal(again, err)
	}
	if again, err := s.Notify(t.Context(), letter); err != nil {
		t.Fatal(again, err)
	}
	await(t, "the mail is delivered", func() bool { return len(r.Delivered(t)) == 1 })
	first := r.Delivered(t)[0]
	for _, want := range []string{"@hopital.test>", "Auto-Submitted: auto-generated", "Depuis 03:12", "charset=UTF-8", "Subject: Alarme majeure"} {
		if !strings.Contains(first, want) {
			t.Errorf("it lacks %q:\n%s", want, first)
		}
	}
	if again, err := s.Notify(t.Context(), letter); err != nil { // as after a crash
		t.Fatal(again, err)
	}
	await(t, "it is delivered again", func() bool { return len(r.Delivered(t)) == 2 })
	if x, y := messageID(r.Delivered(t)[0]), messageID(r.Delivered(t)[1]); x == "" || x != y {
		t.Errorf("the same letter is %q, then %q", x, y)
	}
}

func messageID(raw string) string {
	for line := range strings.Lines(raw) {
		if id, is := strings.CutPrefix(line, "Message-ID: "); is {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// Each way to the relay, as establishments have them.
func TestTheWaysToARelay(t *testing.T) {
	whose := func(o *mail.Options) { o.User, o.Password = "releve", "a secret" }
	wrong := func(o *mail.Options) { o.User, o.Password = "releve", "another" }
	believing := func(r *relay.Relay) func(*mail.Options) { return func(o *mail.Options) { o.CA = r.CA } }
	for story, c := range map[string]struct {
		plan     relay.Plan
		security mail.Security
		who      func(*mail.Options)
		stranger bool // its certificate is not believed
		want     string
	}{
		"STARTTLS":                            {security: mail.StartTLS},
		"STARTTLS is not offered":             {plan: relay.Plan{More: relay.NoTLS}, security: mail.StartTLS, want: "mail-unreached true"},
		"STARTTLS, of somebody else":          {security: mail.StartTLS, stranger: true, want: "mail-unreached true"},
		"over TLS":                            {plan: relay.Plan{More: relay.FromStart}, security: mail.TLS},
		"over TLS, of somebody else":          {plan: relay.Plan{More: relay.FromStart}, security: mail.TLS, stranger: true, want: "mail-unreached true"},
		"a password, STARTTLS":                {plan: relay.Plan{Rcpt: relay.Secret}, security: mail.StartTLS, who: whose},
		"a password, over TLS":                {plan: relay.Plan{More: relay.FromStart, Rcpt: relay.Secret}, security: mail.TLS, who: whose},
		"a wrong password":                    {plan: relay.Plan{Rcpt: relay.Secret}, security: mail.StartTLS, who: wrong, want: "mail-password false"},
		"a password that is not given":        {plan: relay.Plan{Rcpt: relay.Secret}, security: mail.StartTLS, want: "mail-refused false"},
		"a relay that wants it closed":        {plan: relay.Plan{Rcpt: relay.Closed}, security: mail.Plain, want: "mail-refused false"},
		"a password is not sent in the clear": {plan: relay.Plan{More: relay.NoTLS}, security: mail.Plain, who: whose, want: "mail-unreached true"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r := relay.Start(t, c.plan)
			o := by(r.Port, c.security)
			if !c.stranger {
				believing(r)(&o)
			}
			if c.who != nil {
				c.who(&o)
			}
			s := mail.Sender{Options: o}
			again, err := s.Probe(t.Context())
			if got := code(t, again, err); got != c.want {
				t.Errorf("tried without sending: %q, want %q: %v", got, c.want, err)
			}
			again, err = s.Notify(t.Context(), letter)
			if got := code(t, again, err); got != c.want {
				t.Errorf("sent: %q, want %q: %v", got, c.want, err)
			}
			if err != nil && strings.Contains(err.Error()+fmt.Sprintf("%+v", err), o.Password) && o.Password != "" {
				t.Errorf("the password is told: %v", err)
			}
			if c.want == "" {
				await(t, "the mail is delivered", func() bool { return len(r.Delivered(t)) == 1 })
			} else if got := r.Delivered(t); len(got) > 0 {
				t.Errorf("it was delivered all the same: %q", got)
			}
		})
	}
}

// It puts off whom it does not know yet, and takes it the next time.
func TestARelayThatGreylists(t *testing.T) {
	r := relay.Start(t, relay.Plan{Rcpt: relay.Greylist})
	s := mail.Sender{Options: by(r.Port, mail.Plain)}
	again, err := s.Notify(t.Context(), letter)
	if got := code(t, again, err); got != "mail-later true" {
		t.Errorf("the first time: %q: %v", got, err)
	}
	if again, err := s.Notify(t.Context(), letter); err != nil {
		t.Errorf("the second time: %t, %v", again, err)
	}
	await(t, "the mail is delivered", func() bool { return len(r.Delivered(t)) == 1 })
}

func TestARelayThatIsSlow(t *testing.T) {
	r := relay.Start(t, relay.Plan{Rcpt: relay.Slow})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	again, err := mail.Sender{Options: by(r.Port, mail.Plain)}.Notify(ctx, letter)
	if got := code(t, again, err); got != "mail-unreached true" || ctx.Err() == nil {
		t.Errorf("it ended with %q: %v", got, err)
	}
}

// Of several to whom it goes one is unknown by now: the others get it, and it is told.
func TestOneAddressThatIsRefusedCostsTheOthersNothing(t *testing.T) {
	r := relay.Start(t, relay.Plan{})
	for story, c := range map[string]struct {
		to    []string
		want  string
		taken bool
	}{
		"one of three": {[]string{"day@hopital.test", "gone@hopital.test", "night@hopital.test"}, "mail-refused false", true},
		"the only one": {[]string{"gone@hopital.test"}, "mail-refused false", false},
	} {
		before := len(r.Delivered(t))
		s := mail.Sender{Options: by(r.Port, mail.Plain, func(o *mail.Options) { o.To = c.to })}
		again, err := s.Notify(t.Context(), letter)
		if got := code(t, again, err); got != c.want {
			t.Errorf("%s: %q: %v", story, got, err)
		}
		if _, taken := errors.AsType[mail.Partly](err); taken != c.taken {
			t.Errorf("%s: that others have it is %t", story, taken)
		}
		if c.taken {
			await(t, "both others have it", func() bool { return len(r.Delivered(t)) == before+2 })
		}
	}
}

func TestARelayThatIsDownIsTriedAgain(t *testing.T) {
	again, err := mail.Sender{Options: by(relay.FreePort(t), mail.Plain)}.Notify(t.Context(), letter)
	if got := code(t, again, err); got != "mail-unreached true" {
		t.Errorf("it ended with %q", got)
	}
}

func TestCertificatesThatCannotBeRead(t *testing.T) {
	for _, file := range []string{"/nonexistent.pem", "mail_test.go"} {
		again, err := mail.Sender{Options: by(relay.FreePort(t), mail.TLS, func(o *mail.Options) { o.CA = file })}.Probe(t.Context())
		if got := code(t, again, err); got != "mail-ca true" {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// peer is a server that says what a test wants: lines by the command that they answer, the first time and
// from the second on.
type peer struct {
	port   int
	mu     sync.Mutex
	first  map[string]string
	then   map[string]string
	mails  int // that it took
	silent chan struct{}
}

func newPeer(t *testing.T, first, then map[string]string) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{port: l.Addr().(*net.TCPAddr).Port, first: first, then: then, silent: make(chan struct{}, 8)}
	var talks sync.WaitGroup
	talks.Go(func() {
		for answers := p.first; ; answers = p.then {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.speak(c, answers)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); talks.Wait() })
	return p
}

func (p *peer) speak(c net.Conn, answers map[string]string) {
	fmt.Fprint(c, "220 peer.test ESMTP\r\n")
	buffer := make([]byte, 4096)
	for data := false; ; {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.Fields(string(buffer[:n]) + " .")[0])
		switch answer, set := answers[verb]; {
		case data:
			if data = !strings.HasSuffix(string(buffer[:n]), "\r\n.\r\n"); !data {
				p.mu.Lock()
				p.mails++
				p.mu.Unlock()
				fmt.Fprint(c, "250 taken\r\n")
			}
		case set && answer == "":
			p.silent <- struct{}{} // it is slow beyond measure
		case set:
			fmt.Fprintf(c, "%s\r\n", answer)
		case verb == "DATA":
			data = true
			fmt.Fprint(c, "354 go on\r\n")
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func TestWhatARelaySays(t *testing.T) {
	for story, c := range map[string]struct {
		first map[string]string
		want  string
	}{
		"greylisting":                {map[string]string{"RCPT": "451 4.7.1 Greylisted, try again later"}, "mail-later true"},
		"full":                       {map[string]string{"MAIL": "452 4.3.1 no room"}, "mail-later true"},
		"busy":                       {map[string]string{"EHLO": "421 4.3.2 not now", "HELO": "421 4.3.2 not now"}, "mail-later true"},
		"an unknown receiver":        {map[string]string{"RCPT": "550 5.1.1 no such user"}, "mail-refused false"},
		"a sender that it dislikes":  {map[string]string{"MAIL": "550 5.7.1 not you"}, "mail-refused false"},
		"what was taken stays taken": {map[string]string{"QUIT": "421 gone"}, ""},
	} {
		p := newPeer(t, c.first, nil)
		s := mail.Sender{Options: by(p.port, mail.Plain)}
		again, err := s.Notify(t.Context(), letter)
		if got := code(t, again, err); got != c.want {
			t.Errorf("%s: %q, want %q: %v", story, got, c.want, err)
		}
		if _, err := s.Notify(t.Context(), letter); err != nil {
			t.Errorf("%s: the next time: %v", story, err)
		}
		p.mu.Lock()
		if want := map[bool]int{true: 2, false: 1}[c.want == ""]; p.mails != want {
			t.Errorf("%s: it took %d", story, p.mails)
		}
		p.mu.Unlock()
	}
}

// A relay that says nothing holds nobody: the end of the time given, or of the server, ends the talk.
func TestARelayThatSaysNothing(t *testing.T) {
	for _, verb := range []string{"EHLO", "MAIL", "DATA"} {
		p := newPeer(t, map[string]string{verb: ""}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan string, 1)
		go func() {
			again, err := mail.Sender{Options: by(p.port, mail.Plain)}.Notify(ctx, letter)
			ended <- code(t, again, err)
		}()
		<-p.silent
		cancel()
		if got := <-ended; got != "mail-unreached true" {
			t.Errorf("%s: %q", verb, got)
		}
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(20 * time.Second); !is(); <-ticks.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
