package acceptance

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"releve"
)

//go:embed testdata/baresip/config
var softphoneConfig string

const (
	softphoneUser      = "1003"
	softphoneHost      = "127.0.0.33"
	softphoneControl   = softphoneHost + ":4444"
	softphoneFirstPort = 20000 // of its sound
	softphoneLastPort  = 20999
)

// softphone is a baresip: its SIP, its media path and its manners come from other
// people than ours, and than SIPp's.
type softphone struct {
	dir     string
	baresip *part
	control net.Conn
	deaf    chan struct{} // closed when nobody reads its events any more

	mu     sync.Mutex
	events []phoneEvent
}

// phoneEvent is one event of baresip's module ctrl_tcp.
type phoneEvent struct {
	Type string        `json:"type"`
	Call releve.CallID `json:"id"`
	Peer string        `json:"peeruri"`
}

// encrypts is the manner of a softphone that makes encrypted calls and no others.
const encrypts = "mediaenc=srtp-mand"

// plugIn starts a softphone that offers one codec, and waits until the PBX knows
// it. It ends with the test.
func (s *site) plugIn(t *testing.T, codec string, manners ...string) *softphone {
	t.Helper()
	p := &softphone{dir: newDir(t), deaf: make(chan struct{})}
	if err := p.layOut(strings.Join(append([]string{codec}, manners...), ";")); err != nil {
		t.Fatal(err)
	}
	giveSoundItsAddress(t)
	var err error
	// It finds no address on the interface lo: -n names the address itself.
	if p.baresip, err = launch(p.log(), exec.Command("baresip", "-4", "-v", "-f", p.dir, "-n", softphoneHost)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.baresip.stop)
	eventually(t, 10*time.Second, "baresip takes orders", func() error {
		p.control, err = net.Dial("tcp", softphoneControl)
		return err
	})
	go p.listen()
	t.Cleanup(p.hearNoMore)
	eventually(t, 10*time.Second, "the softphone at the PBX", func() error {
		return s.pbx.registered("s:"+softphoneUser, softphoneHost) // kamcmd takes digits alone for a number
	})
	return p
}

// giveSoundItsAddress makes the softphone's sound come from the address that its
// description announces, as on any network with a card: baresip binds its sound to
// every address, and on a loopback the kernel then writes 127.0.0.1 as the sender.
func giveSoundItsAddress(t *testing.T) {
	t.Helper()
	rule := fmt.Sprintf("ip saddr 127.0.0.1 udp sport %d-%d ip saddr set %s", softphoneFirstPort, softphoneLastPort, softphoneHost)
	if err := nft("table ip softphone { chain out { type filter hook output priority 0; " + rule + "; }; }"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nft("delete table ip softphone"); err != nil {
			t.Error(err)
		}
	})
}

func (p *softphone) log() string { return filepath.Join(p.dir, "log") }

// layOut writes its configuration and its voice, a tone of 600 Hz. It hangs up
// where that file ends, so the file is longer than any call.
func (p *softphone) layOut(manners string) error {
	voice := filepath.Join(p.dir, "voice.wav")
	tone := exec.Command("sox", "-n", "-r", "8000", "-c", "1", "-b", "16", voice, "synth", "120", "sine", "600", "vol", "0.25")
	if out, err := tone.CombinedOutput(); err != nil {
		return fmt.Errorf("sox: %w: %s; `make test` installs it", err, out)
	}
	page, err := template.New("config").Parse(softphoneConfig)
	if err != nil {
		return err
	}
	var config strings.Builder
	if err := page.Execute(&config, map[string]any{"Dir": p.dir, "Voice": voice, "Host": softphoneHost, "Control": softphoneControl,
		"FirstPort": softphoneFirstPort, "LastPort": softphoneLastPort}); err != nil {
		return err
	}
	account := fmt.Sprintf("<sip:%s@%s>;outbound=\"sip:%s\";auth_user=%[1]s;auth_pass=%[4]s;regint=60;audio_codecs=%[5]s\n",
		softphoneUser, domain, pbxHost, phonePassword, manners)
	return errors.Join(
		os.WriteFile(filepath.Join(p.dir, "config"), []byte(config.String()), 0o644),
		os.WriteFile(filepath.Join(p.dir, "accounts"), []byte(account), 0o600),
		os.WriteFile(filepath.Join(p.dir, "contacts"), nil, 0o644))
}

// listen takes the events until the connection ends: JSON in netstrings.
func (p *softphone) listen() {
	defer close(p.deaf)
	for from := bufio.NewReader(p.control); ; {
		text, err := readNetstring(from)
		if err != nil {
			return
		}
		var e phoneEvent
		if json.Unmarshal(text, &e) == nil && e.Type != "" {
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}
}

// readNetstring reads LENGTH:TEXT and the comma after it.
func readNetstring(from *bufio.Reader) ([]byte, error) {
	length, err := from.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(length, ":"), 10, 20)
	if err != nil {
		return nil, err
	}
	text := make([]byte, n+1)
	_, err = io.ReadFull(from, text)
	return text[:n], err
}

func (p *softphone) hearNoMore() {
	_ = p.control.Close()
	<-p.deaf
}

// order gives baresip a command.
func (p *softphone) order(t *testing.T, command, params string) {
	t.Helper()
	text, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.control, "%d:%s,", len(text), text); err != nil {
		t.Fatal(err)
	}
}

// happens waits for an event of the call with somebody, and gives that call.
func (p *softphone) happens(t *testing.T, kind, with string) releve.CallID {
	t.Helper()
	var call releve.CallID
	eventually(t, 20*time.Second, kind+" with "+with, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.events {
			if e.Type == kind && e.Peer == "sip:"+with+"@"+domain {
				call = e.Call
				return nil
			}
		}
		return fmt.Errorf("events: %v\n%s", p.events, tail(p.log(), 10))
	})
	return call
}

// dial calls a number and waits until somebody answers.
func (p *softphone) dial(t *testing.T, number string) releve.CallID {
	t.Helper()
	p.order(t, "dial", "sip:"+number+"@"+domain)
	return p.happens(t, "CALL_ESTABLISHED", number)
}

// press presses keys at the pace of a finger: baresip forgets the key before when
// the next comes within its 80 ms (RFC 4733).
func (p *softphone) press(t *testing.T, keys string) {
	t.Helper()
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for _, key := range keys {
		p.order(t, "sndcode", string(key))
		<-pace.C
	}
}

// codec is how the sound of its calls came, in baresip's own words: "PCMA 8000Hz 1ch".
func (p *softphone) codec(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(p.log())
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(raw), "audio: Set audio decoder: ")
	codec, _, _ := strings.Cut(after, "\n")
	return codec
}

// wavHeader is what libsndfile writes before the samples; the lengths in it are
// right only once the call is over.
const wavHeader = 44

// hear waits until so much of what a call of its sounded like is recorded, and
// gives all of it: 16-bit samples at 8 kHz. Calls count from 0.
func (p *softphone) hear(t *testing.T, call int, length time.Duration) pcm {
	t.Helper()
	var heard pcm
	eventually(t, length+20*time.Second, fmt.Sprintf("%v of sound", length), func() error {
		files, err := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav")) // their names tell the time
		if err != nil || len(files) <= call {
			return errors.Join(err, fmt.Errorf("%d recordings", len(files)))
		}
		raw, err := os.ReadFile(files[call])
		if err != nil {
			return err
		}
		if heard = pcmOf(raw[min(len(raw), wavHeader):]); heard.length() < length {
			return fmt.Errorf("%v", heard.length())
		}
		return nil
	})
	return heard
}
