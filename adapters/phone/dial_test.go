package phone_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
	"releve/adapters/phone/register"
	"releve/rules/attendant"
)

// A call of ours in the hands of a test that is the PBX.
type dialled struct {
	*peer
	to    *phone.Phone
	leg   chan *phone.Leg
	err   chan error
	rings chan string
}

// dial calls 1002, of a plan of 1000 to 1999.
func dial(t *testing.T, ctx context.Context, number string) *dialled {
	t.Helper()
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	return dialOn(t, ctx, p, pbx, number)
}

func dialOn(t *testing.T, ctx context.Context, p *phone.Phone, pbx *peer, number string) *dialled {
	t.Helper()
	plan, err := attendant.ParsePlan("1000-1999")
	if err != nil {
		t.Fatal(err)
	}
	d := &dialled{peer: pbx, to: p, leg: make(chan *phone.Leg, 1), err: make(chan error, 1), rings: make(chan string, 16)}
	go func() {
		l, err := p.Dial(ctx, phone.Dialling{
			As: reception(), Number: number, Plan: plan,
			Ringing: func(code int, early bool) { d.rings <- fmt.Sprint(code, " ", early) },
		})
		if err != nil {
			d.err <- err
		} else {
			d.leg <- l
		}
	}()
	return d
}

func (d *dialled) failed() error {
	d.t.Helper()
	select {
	case err := <-d.err:
		return err
	case <-d.leg:
		d.t.Fatal("the call was answered")
	case <-time.After(10 * time.Second):
		d.t.Fatal("the call did not end within 10 s")
	}
	return nil
}

func (d *dialled) connected() *phone.Leg {
	d.t.Helper()
	select {
	case l := <-d.leg:
		return l
	case err := <-d.err:
		d.t.Fatalf("the call failed: %v", err)
	case <-time.After(10 * time.Second):
		d.t.Fatal("the call was not answered within 10 s")
	}
	return nil
}

func (d *dialled) rung(want string) {
	d.t.Helper()
	select {
	case got := <-d.rings:
		if got != want {
			d.t.Errorf("it rings: %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		d.t.Fatalf("%s was not told within 10 s", want)
	}
}

// of gives a response of a fork, with sound or without.
func (d *dialled) of(invite text, code int, tag string, sound bool) string {
	contact := "Contact: <sip:" + tag + "@" + d.addr.String() + ">\r\n"
	if sound {
		res := d.answer(invite, tag, contact+"Content-Type: application/sdp\r\n")
		return strings.Replace(res, "SIP/2.0 200", "SIP/2.0 "+strconv.Itoa(code), 1)
	}
	res := d.reply(invite, code, contact)
	return strings.Replace(res, "To: "+invite.header("To"), "To: "+invite.header("To")+";tag="+tag, 1)
}

// Nobody hears of a number outside of the plan.
func TestOnlyNumbersOfThePlanAreDialled(t *testing.T) {
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	for _, number := range []string{"15", "0612345678", "*21*1002#", "2000", "1002;phone-context=x", ""} {
		d := dialOn(t, limit(t, 10*time.Second), p, pbx, number)
		if err := d.failed(); !errors.Is(err, phone.ErrOutsidePlan) {
			t.Errorf("%q: %v", number, err)
		}
	}
	if m, ok := pbx.tryReceive(100 * time.Millisecond); ok {
		t.Errorf("the PBX was sent\n%s", m)
	}
}

// Two telephones ring for one call, each with a tag of its own; one has early sound. Both answer: the first is kept.
func TestForks(t *testing.T) {
	d := dial(t, limit(t, 10*time.Second), "1002")
	invite := d.incoming("INVITE")
	if from := invite.header("From"); !strings.HasPrefix(from, "<sip:reception@") {
		t.Errorf("it calls as %s", from)
	}
	d.send(d.to.Addr(), d.reply(invite, 100, ""))
	d.send(d.to.Addr(), d.of(invite, 180, "desk", false))
	d.rung("180 false")
	d.send(d.to.Addr(), d.of(invite, 183, "machine", true))
	d.rung("183 true")
	d.send(d.to.Addr(), d.of(invite, 180, "desk", false))
	d.rung("180 true")
	d.send(d.to.Addr(), d.of(invite, 200, "desk", true))
	acked := map[string]bool{d.incoming("ACK").header("To"): true}
	d.send(d.to.Addr(), d.of(invite, 200, "machine", true))
	l := d.connected()
	if tag := l.Dialog().RemoteTag; tag != "desk" || !acked[invite.header("To")+";tag=desk"] {
		t.Errorf("%s was kept, and acknowledged were %v", tag, acked)
	}
	bye := d.await("BYE", func(m text) bool {
		if m.method() == "ACK" {
			acked[m.header("To")] = true
		}
		return m.method() == "BYE"
	})
	if want := invite.header("To") + ";tag=machine"; bye.header("To") != want || !acked[want] {
		t.Errorf("hung up: %s, acknowledged: %v", bye.header("To"), acked)
	}
	d.send(d.to.Addr(), d.reply(bye, 200, ""))
	select {
	case <-l.Gone():
		t.Error("the call that was kept is over")
	default:
	}
}

// Who described his sound while it rang need not do it again.
func TestAnAnswerWithoutADescription(t *testing.T) {
	d := dial(t, limit(t, 10*time.Second), "1002")
	invite := d.incoming("INVITE")
	d.send(d.to.Addr(), d.of(invite, 183, "a", true))
	d.rung("183 true")
	d.send(d.to.Addr(), d.of(invite, 200, "a", false))
	if l := d.connected(); !l.HearsKeys() || !strings.Contains(l.Dialog().RemoteSDP, "40000") {
		t.Errorf("agreed on %q", l.Dialog().RemoteSDP)
	}
	if ack := d.incoming("ACK"); ack.header("To") != invite.header("To")+";tag=a" {
		t.Errorf("acknowledged:\n%s", ack)
	}
}

// An answer that describes nothing is hung up, and one that refuses says with what code.
func TestAnswersThatAreNone(t *testing.T) {
	d := dial(t, limit(t, 10*time.Second), "1002")
	invite := d.incoming("INVITE")
	d.send(d.to.Addr(), d.of(invite, 200, "a", false))
	d.incoming("ACK")
	d.send(d.to.Addr(), d.reply(d.incoming("BYE"), 200, ""))
	if err := d.failed(); err == nil {
		t.Error("a call without sound")
	}
	for _, code := range []int{404, 480, 486, 500, 603} {
		d := dial(t, limit(t, 10*time.Second), "1002")
		d.send(d.to.Addr(), d.of(d.incoming("INVITE"), code, "b", false))
		if status, is := errors.AsType[*register.StatusError](d.failed()); !is || status.Code != code {
			t.Errorf("refused with %d: %v", code, status)
		}
	}
}

// A redirection is followed to numbers of the plan at the PBX, the preferred one first, and to none twice.
func TestRedirections(t *testing.T) {
	d := dial(t, limit(t, 20*time.Second), "1002")
	pbx := d.addr.String()
	first := d.incoming("INVITE")
	redirect := func(invite text, code int, contacts string) {
		d.send(d.to.Addr(), strings.Replace(d.of(invite, code, "r", false), "Contact: <sip:r@"+pbx+">", "Contact: "+contacts, 1))
	}
	redirect(first, 302, "<sip:0612345678@"+pbx+">;q=1.0, <sip:1003@evil.example>, <sip:1004@"+pbx+">;q=0.1, <sip:1005@"+pbx+";user=phone>;q=0.5")
	d.incoming("ACK")
	second := d.incoming("INVITE")
	if !strings.HasPrefix(string(second), "INVITE sip:1005@"+pbx+" SIP/2.0") || second.header("To") != first.header("To") ||
		second.header("Call-ID") != first.header("Call-ID") || second.header("CSeq") != "2 INVITE" {
		t.Errorf("sent elsewhere with\n%s", second)
	}
	redirect(second, 301, "<sip:1002@"+pbx+">, <sip:1005@"+pbx+">, <sip:1006@"+pbx+">")
	third := d.incoming("INVITE")
	if !strings.HasPrefix(string(third), "INVITE sip:1006@") {
		t.Errorf("sent elsewhere with\n%s", third)
	}
	redirect(third, 300, "<sip:15@"+pbx+">")
	if err := d.failed(); !errors.Is(err, phone.ErrOutsidePlan) {
		t.Errorf("an emergency number: %v", err)
	}
}

// A PBX that sends a call round and round is left.
func TestRedirectionsWithoutEnd(t *testing.T) {
	d := dial(t, limit(t, 20*time.Second), "1002")
	tries := 0
	for ; ; tries++ {
		invite, ok := d.tryReceive(time.Second)
		if !ok {
			break
		}
		if invite.method() != "INVITE" {
			tries--
			continue
		}
		contact := fmt.Sprintf("Contact: <sip:%d@%s>", 1100+tries, d.addr)
		d.send(d.to.Addr(), strings.Replace(d.of(invite, 302, "r", false), "Contact: <sip:r@"+d.addr.String()+">", contact, 1))
	}
	if err := d.failed(); err == nil || tries != 6 {
		t.Errorf("after %d calls: %v", tries, err)
	}
}

// A proxy wants the password, and the server behind it too.
func TestTwoWhoAskForThePassword(t *testing.T) {
	d := dial(t, limit(t, 10*time.Second), "1002")
	challenge := func(code int, header, realm string) string {
		return d.reply(d.incoming("INVITE"), code, header+`: Digest realm="`+realm+`", nonce="n-`+realm+`", algorithm=MD5`+"\r\n")
	}
	d.send(d.to.Addr(), challenge(407, "Proxy-Authenticate", "proxy"))
	d.incoming("ACK")
	d.send(d.to.Addr(), challenge(401, "WWW-Authenticate", "server"))
	d.incoming("ACK")
	last := d.incoming("INVITE")
	if !strings.Contains(last.header("Proxy-Authorization"), `realm="proxy"`) || !strings.Contains(last.header("Authorization"), `realm="server"`) {
		t.Errorf("neither is told what it asked for:\n%s", last)
	}
	d.send(d.to.Addr(), d.of(last, 200, "a", true))
	d.connected()
}

// A call of which nothing is heard is given up when its time is over, and hung up when it is answered after all.
func TestACallThatIsGivenUp(t *testing.T) {
	for _, answered := range []bool{false, true} {
		d := dial(t, limit(t, time.Second/2), "1002")
		invite := d.incoming("INVITE")
		if answered {
			d.send(d.to.Addr(), d.of(invite, 183, "a", true))
		}
		if err := d.failed(); err == nil {
			t.Error("it went on")
		}
		if !answered { // nothing is cancelled before anything is heard of it (RFC 3261 §9.1)
			d.send(d.to.Addr(), d.of(invite, 180, "a", false))
		}
		d.send(d.to.Addr(), d.reply(d.incoming("CANCEL"), 200, ""))
		d.send(d.to.Addr(), d.of(invite, 200, "a", true))
		d.incoming("ACK")
		d.send(d.to.Addr(), d.reply(d.incoming("BYE"), 200, ""))
	}
}

// sippAnswers runs a telephone that answers as a scenario says.
func sippAnswers(t *testing.T, pbx *kamailio, user, scenario string) *process {
	t.Helper()
	path, err := filepath.Abs("testdata/sipp/" + scenario)
	if err != nil {
		t.Fatal(err)
	}
	local := freeAddr(t)
	p := start(t, append(os.Environ(), "TERM=dumb"), "/bin/sh", "-c", `cd "$1" && shift && exec "$@"`, "sh", t.TempDir(),
		tool(t, "sipp", "sip-tester"), "-sf", path, "-nostdin", "-m", "1", "-i", local.Addr().String(), "-p", portOf(local),
		"-mi", local.Addr().String(), "-rtp_echo", "-timeout", "30s", "-trace_err", "-error_file", "/dev/stderr")
	pbx.bind(user, "sip:"+user+"@"+local.String())
	return p
}

// bind adds a contact of a user, as if it had registered.
func (k *kamailio) bind(user, contact string) {
	k.t.Helper()
	out, err := exec.Command(tool(k.t, "kamcmd", "kamailio"), "-s", k.ctl, "ul.add", "location", "s:"+user, contact, "0", "1.0", "s:", "0", "0", "0").CombinedOutput()
	if err != nil {
		k.t.Fatalf("kamcmd: %v: %s", err, out)
	}
}

// Through Kamailio, which asks for the password: a telephone rings with early sound and answers, beside one that
// only rings and is cancelled by the PBX.
func TestDialThroughAPBX(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	pbx.set("many", 1)
	rings := sippAnswers(t, pbx, "1002", "rings.xml")
	answers := sippAnswers(t, pbx, "1002", "answers.xml")
	d := dialOn(t, limit(t, 20*time.Second), p, newPeer(t), "1002")
	l := d.connected()
	if err := l.Play(limit(t, 10*time.Second), silence(time.Second)); err != nil {
		t.Error(err)
	}
	if err := l.Hangup(limit(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	for name, telephone := range map[string]*process{"the one that rings": rings, "the one that answers": answers} {
		closes(t, name+" ends", telephone.done)
		if code := telephone.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ends with %d:\n%s", name, code, telephone.output())
		}
	}
	if l.Stats().Received < 10 {
		t.Errorf("heard %d packets", l.Stats().Received)
	}
}
