package media

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"releve"
)

var (
	// ErrSDP says that a session description cannot be understood (SIP: 400).
	ErrSDP = releve.Known("session description not understood", "cause-sdp")
	// ErrNoCodec says that a session description leaves no sound to agree on: no
	// G.711 on a port (SIP: 488).
	ErrNoCodec = releve.Known("no common codec", "cause-no-codec")
	// ErrProtocol says that no packet of this server reaches the address that a
	// description names: one is of IPv6, the other of IPv4 (SIP: 488).
	ErrProtocol = releve.Known("no common network protocol", "cause-protocol")
	// ErrOutside says that a description names an address to which no sound goes (SIP: 488).
	ErrOutside = errors.New("not an address of the PBX")
)

// Warning is the code of RFC 3261 §20.43 that says why a description was not agreed to.
func Warning(err error) (code int, text string) {
	switch {
	case errors.Is(err, ErrNoCodec):
		return 305, "G.711 is needed, in packets of 5 ms or more"
	case errors.Is(err, ErrPlain):
		return 399, "encrypted sound is needed: RTP/SAVP with a=crypto"
	case errors.Is(err, ErrProtocol):
		return 300, "the address in c= is of another IP version"
	case errors.Is(err, ErrOutside):
		return 399, "the address in c= is outside of the networks that sound goes to"
	}
	return 399, "the session description was not understood"
}

// Direction is which way sound flows (RFC 3264 §5.1), seen from this server. The zero
// value is both ways.
type Direction string

// The directions, as the description writes them.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Sends says whether this server sends sound.
func (d Direction) Sends() bool { return d != RecvOnly && d != Inactive }

// Receives says whether this server expects sound.
func (d Direction) Receives() bool { return d != SendOnly && d != Inactive }

// Opposite is the same flow seen from the other end.
func (d Direction) Opposite() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	case Inactive:
		return Inactive
	}
	return SendRecv
}

// Format is what two ends agreed on for the sound of a call.
type Format struct {
	PayloadType uint8 // of G.711
	ALaw        bool  // A-law (PCMA), else µ-law (PCMU)
	DTMF        uint8 // payload type of telephone-event/8000; 0: none, keys are heard as sound
	Offered     uint8 // the one of our own offer, where it is heard too; 0: none
	Noise       uint8 // payload type of comfort noise where the other end gave it one; 0: none but 13
	Short       int   // samples of a packet where maxptime allows no 160; 0: it does
	Suppresses  bool  // the other end says that it sends nothing in silence
	Direction   Direction
	Crypto      Crypto
}

// reports says whether packets of a type report keys. Each end sends with the number that
// the other gave (RFC 3264 §5.1), and some with their own.
func (f Format) reports(payloadType uint8) bool {
	return payloadType != 0 && (payloadType == f.DTMF || payloadType == f.Offered) && payloadType != f.PayloadType
}

// samples is how many a packet of ours carries.
func (f Format) samples() int { return cmp.Or(f.Short, packetSamples) }

// Terms are what the other end's description is held against.
type Terms struct {
	Local netip.AddrPort // where this end hears
	// Caller is where the other end's messages come from. It stands for a name in c=: no
	// call waits for a resolver, and where the sound comes from is learned.
	Caller netip.Addr
	// Networks are where sound may go. What a description names is not enough: anybody
	// could have a flood sent to anybody.
	Networks []netip.Prefix
	// Security says which sound may be encrypted or must be; "": none may.
	Security Security
	// Secure says that our own offer is encrypted.
	Secure bool
	// Keys are those of this end; nil where none are asked for.
	Keys *Keyring
}

// encrypts says whether encrypted sound is agreed to.
func (t Terms) encrypts() bool {
	return t.Security == SecurityOffered || t.Security == SecurityRequired
}

// The payload types of our own offers: RFC 3551 §6, and the usual one for events.
const (
	payloadPCMU  = 0
	payloadPCMA  = 8
	payloadEvent = 101
)

// Answer agrees to an offer: to its first audio that G.711 can carry, with the offer's
// own payload type numbers; every other medium gets port 0 (RFC 3264 §6). The remote
// address is where to send. Errors: [ErrSDP], [ErrNoCodec], [ErrProtocol], [ErrOutside].
//
// session and version are those of our o= line: the version grows by one with each new
// description in a dialog, the session stays (RFC 3264 §8).
func (t Terms) Answer(offer []byte, session, version uint64) (answer []byte, remote netip.AddrPort, f Format, err error) {
	d, err := parseDescription(offer)
	if err != nil {
		return nil, netip.AddrPort{}, Format{}, err
	}
	chosen, remote, f, err := d.choose(t)
	if err != nil {
		return nil, netip.AddrPort{}, Format{}, err
	}
	var text strings.Builder
	writeHead(&text, t.Local.Addr(), session, version, d.timing)
	for i, m := range d.media {
		if i == chosen {
			writeAudio(&text, t.Local.Port(), m.protocol, []Format{f}, f.Direction)
			t.writeKey(&text, f.Crypto)
		} else {
			writeMedia(&text, m.kind, 0, m.protocol, m.formats)
		}
	}
	return []byte(text.String()), remote, f, nil
}

// Offer proposes A-law, µ-law and keys, for a call that we make or one that came without
// an offer.
func (t Terms) Offer(session, version uint64, direction Direction) []byte {
	var text strings.Builder
	protocol := plainRTP
	if t.Secure {
		protocol = secureRTP
	}
	writeHead(&text, t.Local.Addr(), session, version, defaultTiming)
	writeAudio(&text, t.Local.Port(), protocol, []Format{
		{PayloadType: payloadPCMA, ALaw: true, DTMF: payloadEvent},
		{PayloadType: payloadPCMU, DTMF: payloadEvent},
	}, direction)
	if t.Secure {
		for i, s := range suites {
			t.writeKey(&text, Crypto{Tag: i + 1, Suite: s.name})
		}
	}
	return []byte(text.String())
}

// writeKey names our key of a suite, if any.
func (t Terms) writeKey(text *strings.Builder, c Crypto) {
	if s, known := suiteNamed(c.Suite); known {
		text.WriteString(t.Keys.attribute(c.Tag, s))
	}
}

// ParseAnswer reads what became of an offer of ours: where to send, and in which format. An answer
// is encrypted if the offer was, and only then. Errors: those of Answer.
func (t Terms) ParseAnswer(answer []byte) (remote netip.AddrPort, f Format, err error) {
	d, err := parseDescription(answer)
	if err != nil {
		return netip.AddrPort{}, Format{}, err
	}
	t.Security = SecurityOff
	if t.Secure {
		t.Security = SecurityRequired
	}
	_, remote, f, err = d.choose(t)
	f.Offered = payloadEvent
	return remote, f, err
}

// Sound tells what an offer holds, for people.
func (t Terms) Sound(offer []byte) releve.Sound {
	if len(offer) == 0 {
		return releve.Sound{Late: true}
	}
	d, err := parseDescription(offer)
	if err == nil {
		_, _, _, err = d.choose(t)
	}
	s := d.sound()
	if err != nil {
		s.Unfit = releve.Reason(err)
	}
	return s
}

// writeHead describes the session; timing is the offer's (RFC 3264 §6).
func writeHead(text *strings.Builder, address netip.Addr, session, version uint64, timing string) {
	kind := "IP4"
	if address.Is6() {
		kind = "IP6"
	}
	fmt.Fprintf(text, "v=0\r\no=releve %d %d IN %s %s\r\n", session, version, kind, address)
	fmt.Fprintf(text, "s=-\r\nc=IN %s %s\r\nt=%s\r\n", kind, address, timing)
}

// writeAudio describes our sound: the formats in order of preference, keys once.
func writeAudio(text *strings.Builder, port uint16, protocol string, formats []Format, direction Direction) {
	var numbers []string
	var attributes strings.Builder
	for _, f := range formats {
		numbers = append(numbers, strconv.Itoa(int(f.PayloadType)))
		name := "PCMU"
		if f.ALaw {
			name = "PCMA"
		}
		fmt.Fprintf(&attributes, "a=rtpmap:%d %s/8000\r\n", f.PayloadType, name)
	}
	if event := formats[0].DTMF; event != 0 {
		numbers = append(numbers, strconv.Itoa(int(event)))
		fmt.Fprintf(&attributes, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", event, event)
	}
	writeMedia(text, audio, port, protocol, numbers)
	fmt.Fprintf(text, "%sa=ptime:%d\r\na=%s\r\n",
		attributes.String(), formats[0].samples()*1000/sampleRate, cmp.Or(direction, SendRecv))
}

func writeMedia(text *strings.Builder, kind string, port uint16, protocol string, formats []string) {
	fmt.Fprintf(text, "m=%s %d %s %s\r\n", kind, port, protocol, strings.Join(formats, " "))
}
