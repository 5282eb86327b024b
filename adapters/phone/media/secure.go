package media

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"releve"
)

// Sound is encrypted by SRTP (RFC 3711) with keys that both descriptions name (SDES, RFC 4568). Each end sends with a
// key of its own. Whoever reads the messages of SIP has the keys too: they are secrets where SIP goes by TLS.

// Security says which calls have encrypted sound.
type Security string

// Off refuses encrypted sound, Offered answers what is offered, Required refuses what is not encrypted.
const (
	SecurityOff      Security = "off"
	SecurityOffered  Security = "offered"
	SecurityRequired Security = "required"
)

// ErrPlain says that a description has no encrypted sound, and it is required (SIP: 488).
var ErrPlain = releve.Known("encrypted sound is required", "cause-plain-sound")

const (
	secureRTP         = "RTP/SAVP"  // RFC 3711
	secureFeedbackRTP = "RTP/SAVPF" // RFC 5124
)

// suite is a way to encrypt (RFC 4568 §6.2, RFC 7714 §14).
type suite struct {
	name      string
	profile   srtp.ProtectionProfile
	key, salt int // bytes
}

// suites are those that we speak, in the order in which we offer them: what most telephones know comes first.
var suites = []suite{
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14},
	{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32, 16, 14},
	{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm, 32, 12},
	{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm, 16, 12},
}

// sealMost is by how much the longest suite makes a packet longer, in bytes.
const sealMost = 16

func suiteNamed(name string) (suite, bool) {
	at := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
	if at < 0 {
		return suite{}, false
	}
	return suites[at], true
}

// Crypto is how the sound of a call is encrypted; the zero value: it is not.
type Crypto struct {
	Tag    int    // of the crypto attribute (RFC 4568 §4)
	Suite  string // its name; "": plain
	theirs string // key and salt of the other end
}

// String leaves the key out: what is logged is read by others.
func (c Crypto) String() string { return c.Suite }

// GoString is as String.
func (c Crypto) GoString() string { return c.Suite }

// parseCrypto reads the value of a crypto attribute, or says that it is none of which we can make anything. Session
// parameters change how packets look, and an unknown one must not be answered (RFC 4568 §6.3.7); so does a master key identifier.
func parseCrypto(value string) (Crypto, bool) {
	fields := strings.Fields(value)
	if len(fields) != 3 {
		return Crypto{}, false
	}
	tag, err := strconv.ParseUint(fields[0], 10, 30)
	s, known := suiteNamed(strings.ToUpper(fields[1]))
	inline, ok := strings.CutPrefix(fields[2], "inline:")
	if err != nil || !known || !ok || strings.Contains(fields[2], ";") {
		return Crypto{}, false
	}
	text, rest, _ := strings.Cut(inline, "|")
	if strings.Contains(rest, ":") { // a master key identifier; what else may follow is the key's lifetime
		return Crypto{}, false
	}
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(key) != s.key+s.salt {
		return Crypto{}, false
	}
	return Crypto{Tag: int(tag), Suite: s.name, theirs: string(key)}, true
}

// Keyring holds the keys with which this end sends in one call, one for each suite: the same in all of its
// descriptions, so that no end loses count of packets over one that is said again (RFC 4568 §7.1.4).
type Keyring struct {
	mu      sync.Mutex
	own     map[string]string
	adopted bool
}

// of is the key of a suite, drawn when it is first asked for.
func (k *Keyring) of(s suite) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, drawn := k.own[s.name]; drawn {
		return key
	}
	key := make([]byte, s.key+s.salt)
	rand.Read(key)
	k.keep(s.name, string(key))
	return string(key)
}

func (k *Keyring) keep(suite, key string) {
	if k.own == nil {
		k.own = map[string]string{}
	}
	k.own[suite] = key
}

// Adopt takes over the keys of a description that another server of ours gave in the same call: its other end knows
// them, and believes what is sent with them from another source too.
func (k *Keyring) Adopt(described []byte) {
	d, err := parseDescription(described)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.adopted = true
	for _, m := range d.media {
		for _, c := range m.cryptos {
			k.keep(c.Suite, c.theirs)
		}
	}
}

// attribute is how a description names our key of a suite.
func (k *Keyring) attribute(tag int, s suite) string {
	return fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", tag, s.name, base64.StdEncoding.EncodeToString([]byte(k.of(s))))
}

// goesOn says that the call was another server's before: its other end may have counted packets for long.
func (k *Keyring) goesOn() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.adopted
}

// seals are the two ways of an encrypted call.
type seals struct {
	out *srtp.Context // of the engine's loop alone, once it is made
	in  *srtp.Context
	// looks is on how many packets it is still tried how often the other end's numbers have rolled over.
	looks int
	// anew says that out counts from its beginning: under a key that was used before, only another source may.
	anew bool
}

// The numbers of packets roll over every 22 minutes, and how often they have is part of what proves one (RFC 3711 §3.3.1),
// told nowhere. rollsMost is a day. looksMost bounds what strangers can have tried before the caller is heard.
const (
	rollsMost = 64
	looksMost = 256
)

// replayWindow is how many packets back one may still come, once (RFC 3711 §3.3.2).
const replayWindow = 128

// sealed makes what a call needs that goes from one agreement to another. What does not change keeps its count of packets.
func (k *Keyring) sealed(before seals, was, now Crypto) (seals, error) {
	s, known := suiteNamed(now.Suite)
	if !known {
		return seals{}, nil // plain
	}
	var err error
	if before.out == nil || was.Suite != now.Suite {
		before.anew = true
		if before.out, err = s.context(k.of(s)); err != nil {
			return seals{}, err
		}
	}
	if before.in == nil || was.Suite != now.Suite || was.theirs != now.theirs {
		if k.goesOn() && before.in == nil {
			before.looks = looksMost
		}
		before.in, err = s.context(now.theirs, srtp.SRTPReplayProtection(replayWindow))
	}
	return before, err
}

// open gives what a packet of an encrypted call says. False: it is not of who has the key, or came before.
func (s *seals) open(packet, into []byte, c Crypto) ([]byte, bool) {
	if s.in == nil {
		return nil, false
	}
	plain, err := s.in.DecryptRTP(into[:0], packet, nil)
	if err != nil && s.looks > 0 {
		s.looks--
		if ahead := c.ahead(packet); ahead != nil {
			s.in = ahead
			plain, err = s.in.DecryptRTP(into[:0], packet, nil)
		}
	}
	if err == nil {
		s.looks = 0
	}
	return plain, err == nil
}

// ahead is a way in for a packet of somebody whose numbers have rolled over before he was heard here; nil: it is not his.
func (c Crypto) ahead(packet []byte) *srtp.Context {
	var header rtp.Header
	s, known := suiteNamed(c.Suite)
	if _, err := header.Unmarshal(packet); err != nil || !known {
		return nil
	}
	from := func(rolls uint32) *srtp.Context {
		in, err := s.context(c.theirs, srtp.SRTPReplayProtection(replayWindow))
		if err != nil {
			return nil
		}
		in.SetROC(header.SSRC, rolls)
		return in
	}
	for rolls := uint32(1); rolls <= rollsMost; rolls++ {
		in := from(rolls)
		if in == nil {
			return nil
		}
		if _, err := in.DecryptRTP(nil, packet, nil); err == nil {
			return from(rolls) // in which this packet has not come yet
		}
	}
	return nil
}

func (s suite) context(key string, options ...srtp.ContextOption) (*srtp.Context, error) {
	return srtp.CreateContext([]byte(key[:s.key]), []byte(key[s.key:]), s.profile, options...)
}

// unseal gives the packet that was sent: as it is where the call is not encrypted. False: it is not the caller's.
func (s *Stream) unseal(packet, into []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.format.Crypto.Suite == "" {
		return packet, true
	}
	plain, proven := s.seals.open(packet, into, s.format.Crypto)
	if !proven {
		s.stats.Unproven++
	}
	return plain, proven
}
