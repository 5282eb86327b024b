package media

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"releve"
)

// Why not pion/sdp, which is the field's: it refuses whole descriptions that telephones
// do send. Fax (m=image, udptl) is unknown to it, lines must come in the RFC's order, and
// the last line must end. A call is worth more than the order of its lines; what is read
// here is the little that a voice call needs, and everything else is passed over.

const (
	audio         = "audio"
	plainRTP      = "RTP/AVP"
	feedbackRTP   = "RTP/AVPF" // RFC 4585: the same packets
	defaultTiming = "0 0"
)

// description is what a session description says of a call's sound.
type description struct {
	timing     string // to be repeated in the answer (RFC 3264 §6)
	connection string // of the media that have none of their own
	direction  Direction
	longest    int // maxptime of the media that have none of their own
	media      []medium
}

// medium is one m= line with the lines that follow it.
type medium struct {
	kind       string
	port       uint16
	protocol   string
	formats    []string
	connection string
	direction  Direction
	codecs     map[string]string // rtpmap: the codec of a payload type
	longest    int               // maxptime: milliseconds of a packet; 0: not said
	suppresses bool              // says that it sends nothing in silence
	cryptos    []Crypto          // the keys by which it may be encrypted
}

// wellKnown are the codecs that need no rtpmap (RFC 3551 §6).
var wellKnown = map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}

// others are those that are not ours and that people know by name.
var others = map[string]string{"3": "GSM", "4": "G723", "9": "G722", "13": "CN", "15": "G728", "18": "G729"}

func parseDescription(text []byte) (description, error) {
	d := description{timing: defaultTiming, direction: SendRecv}
	var current *medium
	for line := range strings.Lines(string(text)) {
		kind, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if kind == "m" {
			m, err := parseMedium(value, d)
			if err != nil {
				return description{}, err
			}
			d.media = append(d.media, m)
			current = &d.media[len(d.media)-1]
		} else if current == nil {
			d.line(kind, value)
		} else {
			current.line(kind, value)
		}
	}
	if len(d.media) == 0 {
		return description{}, fmt.Errorf("%w: it has no m= line", ErrSDP)
	}
	return d, nil
}

// parseMedium reads an m= line. What the session says for all media comes before it.
func parseMedium(value string, session description) (medium, error) {
	fields := strings.Fields(value)
	if len(fields) < 4 {
		return medium{}, fmt.Errorf("%w: m=%s has fewer than four parts", ErrSDP, value)
	}
	number, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return medium{}, fmt.Errorf("%w: m=%s has no port", ErrSDP, value)
	}
	return medium{
		kind:       fields[0],
		port:       uint16(port),
		protocol:   fields[2],
		formats:    fields[3:],
		connection: session.connection,
		direction:  session.direction,
		longest:    session.longest,
		codecs:     map[string]string{},
	}, nil
}

// line reads a line that speaks for the whole session.
func (d *description) line(kind, value string) {
	switch kind {
	case "t":
		d.timing = value
	case "c":
		d.connection = value
	case "a":
		d.direction = direction(value, d.direction)
		d.longest = longest(value, d.longest)
	}
}

// line reads a line that speaks for one medium.
func (m *medium) line(kind, value string) {
	switch kind {
	case "c":
		m.connection = value
	case "a":
		m.direction = direction(value, m.direction)
		if mapping, ok := strings.CutPrefix(value, "rtpmap:"); ok {
			number, codec, _ := strings.Cut(mapping, " ")
			m.codecs[number] = canonical(codec)
		}
		if crypto, ok := strings.CutPrefix(value, "crypto:"); ok {
			if c, usable := parseCrypto(crypto); usable && len(m.cryptos) < mostCryptos {
				m.cryptos = append(m.cryptos, c)
			}
		}
		if strings.HasPrefix(value, "silenceSupp:on") { // RFC 3108 §5.6.3.2
			m.suppresses = true
		}
		m.longest = longest(value, m.longest)
	}
}

// mostCryptos bounds how many keys of a description are looked at.
const mostCryptos = 16

// canonical writes a codec one way: names are read without regard to case, and "/1", the
// number of channels, may be left out.
func canonical(codec string) string {
	return strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(codec)), "/1")
}

// longest reads a maxptime, or keeps what was said before: what is no number says nothing.
func longest(attribute string, before int) int {
	most, ok := strings.CutPrefix(attribute, "maxptime:")
	if n, err := strconv.Atoi(strings.TrimSpace(most)); ok && err == nil {
		return n
	}
	return before
}

// direction reads an attribute, or keeps what was said before.
func direction(attribute string, before Direction) Direction {
	switch d := Direction(attribute); d {
	case SendRecv, SendOnly, RecvOnly, Inactive:
		return d
	}
	return before
}

// choose takes the first audio that we can speak, to an address that we can reach: an encrypted one before a plain
// one.
func (d description) choose(t Terms) (int, netip.AddrPort, Format, error) {
	at, remote, f, why := d.among(t, true)
	if at >= 0 {
		return at, remote, f, nil
	}
	at, remote, f, whyPlain := d.among(t, false)
	why = cmp.Or(why, whyPlain)
	switch {
	case t.Security == SecurityRequired && (at >= 0 || whyPlain != nil):
		return 0, netip.AddrPort{}, Format{}, cmp.Or(why, error(ErrPlain))
	case at >= 0:
		return at, remote, f, nil
	case why == nil:
		why = fmt.Errorf("%w: %s has no G.711 in packets of 5 ms or more that goes by RTP, or by SRTP with a key that this "+
			"server takes; allow PCMA or PCMU in the PBX", ErrNoCodec, d.summary())
	}
	return 0, netip.AddrPort{}, Format{}, why
}

// among looks for one that is encrypted, or plain. Below 0: there is none; the error is why one that we could speak will not do.
func (d description) among(t Terms, encrypted bool) (at int, remote netip.AddrPort, f Format, why error) {
	for i, m := range d.media {
		f, ok := m.format(t, encrypted)
		if !ok {
			continue
		}
		remote, err := m.remote(t)
		if err != nil {
			why = cmp.Or(why, err)
			continue
		}
		if remote.Addr().IsUnspecified() {
			// The hold of RFC 2543: nowhere to send to.
			f.Direction = muted(f.Direction)
		}
		return i, remote, f, nil
	}
	return -1, netip.AddrPort{}, Format{}, why
}

// muted is a direction without sending.
func muted(d Direction) Direction {
	if d.Receives() {
		return RecvOnly
	}
	return Inactive
}

// format is how we can speak on a medium, in the first of its codecs that is ours.
func (m medium) format(t Terms, encrypted bool) (Format, bool) {
	if m.kind != audio || m.port == 0 {
		return Format{}, false
	}
	crypto, ok := m.crypto(t, encrypted)
	if !ok {
		return Format{}, false
	}
	f := Format{Direction: m.direction.Opposite(), Suppresses: m.suppresses, Crypto: crypto}
	if f.Short = m.short(); f.Short < 0 {
		return Format{}, false
	}
	spoken := false
	for _, number := range m.formats {
		payloadType, err := strconv.ParseUint(number, 10, 7)
		if err != nil {
			continue
		}
		switch codec := m.codec(number); {
		case codec == "TELEPHONE-EVENT/8000" && f.DTMF == 0:
			f.DTMF = uint8(payloadType)
		case codec == "CN/8000":
			f.Noise = uint8(payloadType)
		case (codec == "PCMA/8000" || codec == "PCMU/8000") && !spoken:
			f.PayloadType, f.ALaw, spoken = uint8(payloadType), codec == "PCMA/8000", true
		}
	}
	return f, spoken
}

// crypto is how a medium is encrypted, in the first way that is ours (RFC 4568 §5.1.2). False: it is not of the kind
// that is looked for.
func (m medium) crypto(t Terms, encrypted bool) (Crypto, bool) {
	switch m.protocol {
	case plainRTP, feedbackRTP:
		return Crypto{}, !encrypted
	case secureRTP, secureFeedbackRTP:
		if encrypted && t.encrypts() && len(m.cryptos) > 0 {
			return m.cryptos[0], true
		}
	}
	return Crypto{}, false
}

func (m medium) codec(number string) string {
	if codec, ok := m.codecs[number]; ok {
		return codec
	}
	return wellKnown[number]
}

// short is how many samples of a packet maxptime leaves where it is shorter than ours (RFC
// 8866 §6.4): a whole part of 20 ms, so that the loop sends several at once. 0: ours will
// do; below 0: none is that short.
func (m medium) short() int {
	const millisecond = sampleRate / 1000
	switch {
	case m.longest <= 0 || m.longest >= packetSamples/millisecond:
		return 0
	case m.longest >= 10:
		return 10 * millisecond
	case m.longest >= 5:
		return 5 * millisecond
	}
	return -1
}

// remote is where the other end hears, if sound of ours can and may go there.
func (m medium) remote(t Terms) (netip.AddrPort, error) {
	fields := strings.Fields(m.connection)
	if len(fields) != 3 {
		return netip.AddrPort{}, fmt.Errorf("%w: no c= line says where to send sound", ErrSDP)
	}
	address, err := t.host(fields[2])
	switch {
	case err != nil:
		return netip.AddrPort{}, err
	case address.IsUnspecified(): // a hold
	case address.Is4() != t.Local.Addr().Is4():
		return netip.AddrPort{}, fmt.Errorf("%w: names %s, and this server is at %s", ErrProtocol, address, t.Local.Addr())
	case !within(t.Networks, address):
		return netip.AddrPort{}, releve.Explained(ErrOutside,
			fmt.Sprintf("%v: names %s, outside of [pbx] networks", ErrOutside, address),
			"cause-outside", "address", address.String())
	}
	return netip.AddrPortFrom(address, m.port), nil
}

// host reads the address of a c= line. A name stands for where the messages come from.
func (t Terms) host(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	switch {
	case err != nil && isName(text):
		return t.Caller.Unmap(), nil
	case err != nil || address.IsMulticast() || address.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%w: c= names %.80q, which is not the address of a host; groups are not supported",
			ErrSDP, text)
	}
	return address.Unmap(), nil
}

// isName tells a host's name (RFC 1123 §2.1) from an address that is mistyped: its last
// label does not begin with a digit.
func isName(text string) bool {
	last := text[strings.LastIndexByte(strings.TrimSuffix(text, "."), '.')+1:]
	if len(text) > 255 || last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

// shownCodecs bounds how many codecs are told, and maxCodec the name of one.
const (
	shownCodecs = 16
	maxCodec    = 40
)

// sound names the codecs of the audio, each once.
func (d description) sound() (s releve.Sound) {
	for _, m := range d.media {
		if m.kind != audio || m.port == 0 {
			continue
		}
		for _, number := range m.formats {
			name, _, _ := strings.Cut(cmp.Or(m.codec(number), others[number], number), "/")
			if name == "TELEPHONE-EVENT" {
				s.Keys = s.Keys || m.codec(number) == "TELEPHONE-EVENT/8000"
				continue
			}
			if len(s.Codecs) < shownCodecs && !slices.Contains(s.Codecs, name) {
				s.Codecs = append(s.Codecs, name[:min(len(name), maxCodec)])
			}
		}
	}
	return s
}

// summary is the m= lines, for an error: quoted and cut, for anybody may have written them.
func (d description) summary() string {
	var lines []string
	for _, m := range d.media {
		lines = append(lines, fmt.Sprintf("m=%s %d %s %s", m.kind, m.port, m.protocol, strings.Join(m.formats, " ")))
	}
	return fmt.Sprintf("%.200q", strings.Join(lines, ", "))
}
