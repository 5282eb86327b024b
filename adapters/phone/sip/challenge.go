package sip

import (
	"fmt"
	"strings"

	"github.com/icholy/digest"
)

// ChallengeError is a challenge that cannot be answered here: another scheme than digest,
// an algorithm or a protection that is not spoken, or no nonce at all.
type ChallengeError struct {
	Code int    // of the response, 401 or 407
	Asks string // what the PBX asked for, in its own words, printable and short
}

func (e *ChallengeError) Error() string {
	return fmt.Sprintf("the PBX asks for an authentication that cannot be given here (%s): "+
		"only digest with MD5, SHA-256 or SHA-512 can", e.Asks)
}

// maxAsks is how much of a challenge is repeated to the operator.
const maxAsks = 120

// answerable are the challenges that can be answered, in their order: a registrar puts the
// one that it likes best on top (RFC 8760 §2.4).
func answerable(res *Response, header string) ([]*digest.Challenge, error) {
	var asked []string
	var all []*digest.Challenge
	for _, h := range res.GetHeaders(header) {
		asked = append(asked, h.Value())
		for _, c := range challenges(h.Value()) {
			if d := c.digest(); d != nil {
				all = append(all, d)
			}
		}
	}
	if len(all) == 0 {
		return nil, &ChallengeError{Code: res.StatusCode, Asks: printable(strings.Join(asked, ", "), maxAsks)}
	}
	return all, nil
}

// printable is a stranger's text as it may stand in a sentence.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, text)
	if short := []rune(text); len(short) > most {
		return string(short[:most]) + "…"
	}
	return text
}

// challenge is one challenge as it was read: its scheme, and its parameters with
// names in lower case and values without quotes.
type challenge struct {
	scheme string
	params map[string]string
}

// digest is the challenge in the library's words, nil for one that cannot be answered.
func (c challenge) digest() *digest.Challenge {
	realm, named := c.params["realm"]
	d := &digest.Challenge{
		Realm: realm, Nonce: c.params["nonce"], Opaque: c.params["opaque"],
		Stale:     strings.EqualFold(c.params["stale"], "true"),
		Userhash:  strings.EqualFold(c.params["userhash"], "true"),
		Algorithm: strings.ToUpper(c.params["algorithm"]),
		QOP: strings.FieldsFunc(strings.ToLower(c.params["qop"]),
			func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }),
	}
	if !strings.EqualFold(c.scheme, "Digest") || !named || d.Nonce == "" || !digest.CanDigest(d) {
		return nil
	}
	return d
}

// challenges reads a WWW-Authenticate or Proxy-Authenticate header (RFC 3261 §20.44,
// RFC 7235 §4.1), which may hold several. It is liberal: names in any case, quotes or
// none, blanks around "=", commas too many or missing; what it does not know it keeps
// and nobody asks for it.
func challenges(text string) []challenge {
	var all []challenge
	s := scanner{text}
	for s.skip(" \t\r\n,;"); s.rest != ""; s.skip(" \t\r\n,;") {
		name := s.until(" \t\r\n,;=\"")
		s.skip(" \t\r\n")
		switch {
		case name == "": // a quote or "=" that belongs to nothing
			s.rest = s.rest[1:]
		case !strings.HasPrefix(s.rest, "="):
			all = append(all, challenge{scheme: name, params: make(map[string]string)})
		default:
			s.rest = s.rest[1:]
			value := s.value()
			if len(all) == 0 {
				continue // a parameter of no scheme
			}
			params := all[len(all)-1].params
			if name = strings.ToLower(name); !holds(params, name) {
				params[name] = value // the first counts: what follows may be somebody's addition
			}
		}
	}
	return all
}

func holds(params map[string]string, name string) bool {
	_, there := params[name]
	return there
}

// scanner reads a header from its start.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) until(stops string) string {
	end := strings.IndexAny(s.rest, stops)
	if end < 0 {
		end = len(s.rest)
	}
	read := s.rest[:end]
	s.rest = s.rest[end:]
	return read
}

// value reads what follows a "=": a quoted string without its quotes and escapes, or all
// up to the next comma, for a token where the grammar wants quotes may hold blanks.
func (s *scanner) value() string {
	s.skip(" \t\r\n")
	if !strings.HasPrefix(s.rest, `"`) {
		return strings.TrimRight(s.until(","), " \t\r\n")
	}
	read := make([]byte, 0, len(s.rest))
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\\' && i+1 < len(s.rest):
			i++
			read = append(read, s.rest[i])
		case c == '"':
			s.rest = s.rest[i+1:]
			return string(read)
		default:
			read = append(read, c)
		}
	}
	s.rest = "" // never closed: all that is left
	return string(read)
}

// quote writes a quoted string (RFC 3261 §25.1).
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// authorization writes credentials (RFC 3261 §20.7): algorithm, qop and nc are tokens,
// all else is quoted and escaped.
func authorization(c *digest.Credentials) string {
	parts := []string{
		"username=" + quote(c.Username), "realm=" + quote(c.Realm), "nonce=" + quote(c.Nonce),
		"uri=" + quote(c.URI),
	}
	if c.Algorithm != "" {
		parts = append(parts, "algorithm="+c.Algorithm)
	}
	if c.Opaque != "" {
		parts = append(parts, "opaque="+quote(c.Opaque))
	}
	if c.QOP != "" {
		parts = append(parts, "cnonce="+quote(c.Cnonce), "qop="+c.QOP, fmt.Sprintf("nc=%08x", c.Nc))
	}
	if c.Userhash {
		parts = append(parts, "userhash=true")
	}
	parts = append(parts, "response="+quote(c.Response)) // last: some PBXs want it there
	return "Digest " + strings.Join(parts, ", ")
}
