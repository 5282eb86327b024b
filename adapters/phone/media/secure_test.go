package media

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// inline is a key of so many bytes, as a description writes it.
func inline(bytes int) string {
	return "inline:" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%0*d", bytes, 7))
}

func TestWhichKeysOfADescriptionAreUsable(t *testing.T) {
	usable := map[string]Crypto{
		"1 AES_CM_128_HMAC_SHA1_80 " + inline(30):                  {Tag: 1, Suite: "AES_CM_128_HMAC_SHA1_80"},
		"7 aes_cm_128_hmac_sha1_32 " + inline(30) + "|2^31":        {Tag: 7, Suite: "AES_CM_128_HMAC_SHA1_32"},
		"3 AEAD_AES_256_GCM " + strings.TrimRight(inline(44), "="): {Tag: 3, Suite: "AEAD_AES_256_GCM"},
	}
	for value, want := range usable {
		got, ok := parseCrypto(value)
		if len(got.theirs) == 0 || !ok || got.Tag != want.Tag || got.Suite != want.Suite {
			t.Errorf("%s: %v, %t", value, got, ok)
		}
	}
	for what, value := range map[string]string{
		"a key that is too short":        "1 AES_CM_128_HMAC_SHA1_80 " + inline(29),
		"no base64":                      "1 AES_CM_128_HMAC_SHA1_80 inline:%%%",
		"a suite that is not known":      "1 AES_192_CM_HMAC_SHA1_80 " + inline(38),
		"a key identifier":               "1 AES_CM_128_HMAC_SHA1_80 " + inline(30) + "|2^31|1:4",
		"two keys":                       "1 AES_CM_128_HMAC_SHA1_80 " + inline(30) + "|1:4;" + inline(30) + "|2:4",
		"a parameter of the session":     "1 AES_CM_128_HMAC_SHA1_80 " + inline(30) + " UNENCRYPTED_SRTP",
		"a tag that is no number":        "one AES_CM_128_HMAC_SHA1_80 " + inline(30),
		"a key by another way than ours": "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.net/key",
		"nothing":                        "",
	} {
		if got, ok := parseCrypto(value); ok {
			t.Errorf("%s is taken: %v", what, got)
		}
	}
}

// A setting decides what becomes of an offer; where both are offered the encrypted one is taken.
func TestWhatBecomesOfAnOfferOfEncryptedSound(t *testing.T) {
	crypto := "a=crypto:4 AES_CM_128_HMAC_SHA1_80 " + inline(30)
	plain, encrypted := []string{"m=audio 4000 RTP/AVP 8"}, []string{"m=audio 4002 RTP/SAVP 8", crypto}
	both := append(append([]string{}, plain...), encrypted...)
	stories := []struct {
		security Security
		offer    []string
		want     error
		answer   []string // the m= lines
	}{
		{SecurityOff, plain, nil, []string{"m=audio 20000 RTP/AVP 8"}},
		{SecurityOff, encrypted, ErrNoCodec, nil},
		{SecurityOff, both, nil, []string{"m=audio 20000 RTP/AVP 8", "m=audio 0 RTP/SAVP 8"}},
		{SecurityOffered, plain, nil, []string{"m=audio 20000 RTP/AVP 8"}},
		{SecurityOffered, encrypted, nil, []string{"m=audio 20000 RTP/SAVP 8"}},
		{SecurityOffered, both, nil, []string{"m=audio 0 RTP/AVP 8", "m=audio 20000 RTP/SAVP 8"}},
		{SecurityOffered, []string{"m=audio 4000 RTP/SAVP 8"}, ErrNoCodec, nil},
		{SecurityRequired, plain, ErrPlain, nil},
		{SecurityRequired, encrypted, nil, []string{"m=audio 20000 RTP/SAVP 8"}},
		{SecurityRequired, []string{"m=audio 4000 RTP/SAVP 9", crypto}, ErrNoCodec, nil},
	}
	for _, s := range stories {
		t.Run(fmt.Sprint(s.security, s.offer), func(t *testing.T) {
			with := terms
			with.Security, with.Keys = s.security, &Keyring{}
			answer, _, f, err := with.Answer(offer(s.offer...), 1, 1)
			if !errors.Is(err, s.want) {
				t.Fatalf("%v, want %v", err, s.want)
			}
			var lines []string
			for line := range strings.Lines(string(answer)) {
				if strings.HasPrefix(line, "m=") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			if strings.Join(lines, "|") != strings.Join(s.answer, "|") {
				t.Errorf("the answer has %q, want %q", lines, s.answer)
			}
			if (f.Crypto.Suite != "") != strings.Contains(string(answer), "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:") {
				t.Errorf("encrypted as %v by\n%s", f.Crypto, answer)
			}
			if again, _, _, _ := with.Answer(offer(s.offer...), 1, 1); !bytes.Equal(answer, again) {
				t.Errorf("asked again, this end has another key:\n%s\n%s", answer, again)
			}
		})
	}
}

// A key is in no text that is made of what holds it.
func TestAKeyIsNotTold(t *testing.T) {
	c, ok := parseCrypto("1 AES_CM_128_HMAC_SHA1_80 " + inline(30))
	if !ok {
		t.Fatal("not taken")
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(form, Format{Crypto: c}); strings.Contains(text, c.theirs) {
			t.Errorf("%s tells the key: %s", form, text)
		}
	}
}

// whisper is an encrypted call between two streams, agreed on by their descriptions, of one suite.
func whisper(t *testing.T, s suite) (ours, theirs *Stream) {
	t.Helper()
	ours, theirs = open(t, startEngine(t)), open(t, startEngine(t))
	side := func(s *Stream) Terms {
		return Terms{
			Local: s.conn.LocalAddr().(*net.UDPAddr).AddrPort(), Keys: s.Keys(), Security: SecurityOffered, Secure: true,
			Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}
	}
	var one []string // of the suites that are offered
	for line := range strings.Lines(string(side(theirs).Offer(1, 1, SendRecv))) {
		if !strings.HasPrefix(line, "a=crypto:") || strings.Contains(line, " "+s.name+" ") {
			one = append(one, line)
		}
	}
	answer, remote, f, err := side(ours).Answer([]byte(strings.Join(one, "")), 1, 1)
	if err != nil || f.Crypto.Suite != s.name {
		t.Fatal(f.Crypto, err)
	}
	start(ours, remote, f)
	if remote, f, err = side(theirs).ParseAnswer(answer); err != nil || f.Crypto.Suite != s.name {
		t.Fatal(f.Crypto, err)
	}
	start(theirs, remote, f)
	return ours, theirs
}

// What is said in each suite is heard, keys too, and on the way it is neither readable nor good a second time.
func TestEncryptedSoundIsHeardByWhoHasTheKeyAlone(t *testing.T) {
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			ours, theirs := whisper(t, s)
			heard := make(chan []byte, 64)
			theirs.Overhear(func(payload []byte, _ bool) {
				select {
				case heard <- bytes.Clone(payload):
				default:
				}
			})
			said := numbered(20)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := ours.Play(ctx, said); err != nil {
				t.Fatal(err)
			}
			for n := 5; n < 15; {
				select {
				case payload := <-heard:
					if bytes.Equal(payload, said.ALaw[n*packetSamples:(n+1)*packetSamples]) {
						n++
					}
				case <-ctx.Done():
					t.Fatalf("packet %d was not heard", n)
				}
			}
			if err := theirs.Press(ctx, '7'); err != nil {
				t.Fatal(err)
			}
			select {
			case key := <-ours.Digits():
				if key != '7' {
					t.Errorf("key %c", key)
				}
			case <-ctx.Done():
				t.Error("the key was not heard")
			}
			if lost := theirs.Stats().Unproven; lost != 0 {
				t.Errorf("%d packets of the call itself were not believed", lost)
			}
		})
	}
}

// A packet that was recorded, one in the clear and one under another key are heard by nobody, and counted.
func TestWhoHasNotTheKeyIsNotHeard(t *testing.T) {
	ours, theirs := whisper(t, suites[0])
	s, _ := suiteNamed(suites[0].name)
	seal := func(key string, number uint16) []byte {
		plain, err := (&rtp.Packet{
			Header:  rtp.Header{Version: rtpVersion, PayloadType: payloadPCMA, SequenceNumber: number, SSRC: 77},
			Payload: bytes.Repeat([]byte{0x55}, packetSamples),
		}).Marshal()
		if err != nil || key == "" {
			return plain
		}
		context, err := s.context(key)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := context.EncryptRTP(nil, plain, nil)
		if err != nil || bytes.Contains(sealed, plain[headerSize:]) {
			t.Fatal("sealed in vain", err)
		}
		return sealed
	}
	proven := seal(theirs.keys.of(s), 9)
	opened := make([]byte, largestPacket)
	if _, ok := ours.unseal(proven, opened); !ok {
		t.Fatal("a packet under the key is not believed")
	}
	for what, packet := range map[string][]byte{
		"the same again": proven, "in the clear": seal("", 10), "under another key": seal(strings.Repeat("k", s.key+s.salt), 11), "cut": proven[:14],
	} {
		before := ours.Stats().Unproven
		if _, ok := ours.unseal(packet, opened); ok || ours.Stats().Unproven == before {
			t.Errorf("%s: believed %t", what, ok)
		}
	}
}

// Another server goes on with the key that the caller knows, from a source of its own.
func TestAKeyIsAdopted(t *testing.T) {
	s, with := suites[0], terms
	with.Security, with.Keys = SecurityOffered, &Keyring{}
	answer, _, _, err := with.Answer(offer("m=audio 4002 RTP/SAVP 8", "a=crypto:1 "+s.name+" "+inline(30)), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	var heir Keyring
	heir.Adopt(answer)
	if heir.of(s) != with.Keys.of(s) {
		t.Error("the heir has another key")
	}
	heir.Adopt([]byte("no description"))
}

// A caller whose numbers have rolled over is heard by the server that goes on with his call: it was told the key, and not how
// often they have. What strangers send before him is tried for a while, and then no more.
func TestACallerWhoHasTalkedForLongIsHeardByTheHeir(t *testing.T) {
	for _, s := range suites {
		for _, story := range []struct {
			first       uint16
			sent        int
			heir, hears bool
			strangers   int
		}{
			{0, 1000, true, true, 0}, {60000, 6000, true, true, 0}, {0, 3*65536 + 5, true, true, 20},
			{60000, 6000, true, false, looksMost}, {60000, 6000, false, false, 0},
		} {
			n := story.first
			from := func(key string) func() []byte {
				with, err := s.context(key)
				if err != nil {
					t.Fatal(err)
				}
				return func() []byte { return sealedPacket(t, with, n) }
			}
			key := strings.Repeat("k", s.key+s.salt)
			caller, stranger := from(key), from(strings.Repeat("x", s.key+s.salt))
			for range story.sent {
				caller()
				n++
			}
			var keys Keyring
			if story.heir {
				keys.Adopt(offer("m=audio 4002 RTP/SAVP 8", "a=crypto:1 "+s.name+" "+inline(s.key+s.salt)))
			}
			agreed := Crypto{Suite: s.name, theirs: key}
			way, err := keys.sealed(seals{}, Crypto{}, agreed)
			if err != nil {
				t.Fatal(err)
			}
			for range story.strangers {
				if _, ok := way.open(stranger(), nil, agreed); ok {
					t.Fatal("a stranger is heard")
				}
			}
			heard := 0
			for range 100 {
				packet := caller()
				n++
				if _, ok := way.open(packet, nil, agreed); ok {
					heard++
				}
				if _, ok := way.open(packet, nil, agreed); ok {
					t.Fatal("a packet is heard twice")
				}
			}
			if heard == 100 != story.hears || heard%100 != 0 {
				t.Errorf("%s, %+v: %d of 100 packets are heard", s.name, story, heard)
			}
		}
	}
}

func sealedPacket(t *testing.T, with *srtp.Context, number uint16) []byte {
	t.Helper()
	plain, err := (&rtp.Packet{
		Header:  rtp.Header{Version: rtpVersion, PayloadType: payloadPCMA, SequenceNumber: number, SSRC: 77},
		Payload: make([]byte, packetSamples),
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := with.EncryptRTP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// Encryption that begins anew under a key that was used has another source: nothing is encrypted twice alike.
func TestEncryptionThatBeginsAnewHasAnotherSource(t *testing.T) {
	ours, theirs := whisper(t, suites[0])
	eventually(t, "packets come", func() bool { return theirs.Stats().Received > 0 })
	source := func() uint32 {
		ours.mu.Lock()
		defer ours.mu.Unlock()
		return ours.out.header.SSRC
	}
	before, encrypted, plain := source(), ours.format, ours.format
	plain.Crypto = Crypto{}
	at := theirs.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, f := range []Format{encrypted, plain, encrypted} {
		ours.Agree(at, f)
	}
	eventually(t, "another source", func() bool { return source() != before })
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 77, 1, 2, 3})
	f.Add([]byte{0x9f, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 77, 0xbe, 0xde, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, s := range suites {
			agreed := Crypto{Suite: s.name, theirs: strings.Repeat("k", s.key+s.salt)}
			keys := Keyring{adopted: true}
			way, err := keys.sealed(seals{}, Crypto{}, agreed)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := way.open(packet, make([]byte, largestPacket), agreed); ok {
				t.Errorf("%s believes %x", s.name, packet)
			}
		}
	})
}

func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 " + inline(30) + "|2^20")
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := parseCrypto(value)
		s, known := suiteNamed(c.Suite)
		if ok && (!known || len(c.theirs) != s.key+s.salt) {
			t.Errorf("%q is taken as %v", value, c)
		}
	})
}

// BenchmarkSeal is what encryption adds to each packet.
func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		b.Run(s.name, func(b *testing.B) {
			var keys Keyring
			context, err := s.context(keys.of(s))
			if err != nil {
				b.Fatal(err)
			}
			var o outgoing
			o.header = rtp.Header{Version: rtpVersion}
			b.ReportAllocs()
			for b.Loop() {
				o.header.SequenceNumber++
				if _, err := o.header.MarshalTo(o.packet[:]); err != nil {
					b.Fatal(err)
				}
				if _, err := context.EncryptRTP(o.sealed[:0], o.packet[:], &o.read); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
