package sip

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	gosip "github.com/emiago/sipgo/sip"
)

// Addresses, URIs and their parameters are read here and not by the library, which
// finds tags inside quotes and writes parameters otherwise than they came: what is
// written into a dialog must be what was read (RFC 3261 §12.1.1, §25.1).

// Address is one value of From, To, Contact and their like (RFC 3261 §20.10).
type Address struct {
	URI    URI
	Text   string            // the URI as it came
	Params map[string]string // of the header, not of the URI; names in lower case, values without quotes
}

var errQuote = errors.New("a quote that never closes")

// ParseAddress reads one name-addr or addr-spec.
func ParseAddress(value string) (Address, error) {
	uri, rest, err := cutAddress(strings.TrimSpace(value))
	if err != nil {
		return Address{}, fmt.Errorf("%.200q is not a SIP address: %w", value, err)
	}
	a := Address{Text: uri}
	if a.URI, err = ParseURI(uri); err != nil {
		return Address{}, err
	}
	a.Params, err = parameters(rest)
	return a, err
}

// cutAddress takes a value apart: the URI, and the parameters behind it.
func cutAddress(text string) (uri, rest string, err error) {
	open := indexOutside(text, "<")
	if open == quoteOpen {
		return "", "", errQuote
	}
	if open < 0 {
		// Without brackets all parameters are the header's (RFC 3261 §20.10).
		uri, rest, _ = strings.Cut(text, ";")
		if rest != "" {
			rest = ";" + rest
		}
		return strings.TrimSpace(uri), rest, nil
	}
	end := indexOutside(text[open:], ">")
	if end < 0 {
		return "", "", errors.New("a bracket that never closes")
	}
	return text[open+1 : open+end], strings.TrimSpace(text[open+end+1:]), nil
}

// parameters reads ";name=value;name". Names know no case (RFC 3261 §7.3.1); the first
// of several counts.
func parameters(text string) (map[string]string, error) {
	all := make(map[string]string)
	parts, err := split(text, ';')
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(parts[0]) != "" {
		return nil, fmt.Errorf("%.40q before the parameters", parts[0])
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" || strings.ContainsAny(name, " \t\"") {
			return nil, fmt.Errorf("%.40q is not a parameter", part)
		}
		if _, known := all[name]; !known {
			all[name] = unquote(strings.TrimSpace(value))
		}
	}
	return all, nil
}

// WithoutParams is a value of From, To and their like without its parameters, every other
// byte as it came.
func WithoutParams(value string) string {
	value = strings.TrimSpace(value)
	_, rest, err := cutAddress(value)
	if err != nil {
		return value
	}
	return strings.TrimSpace(strings.TrimSuffix(value, rest))
}

// quoteOpen is what indexOutside returns where a quote never closes.
const quoteOpen = -2

// indexOutside finds the first of some characters that stands outside quotes.
func indexOutside(text, chars string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(chars, c) >= 0:
			return i
		}
	}
	if quoted {
		return quoteOpen
	}
	return -1
}

// split cuts a text at a separator outside quotes. It gives one part at least.
func split(text string, separator byte) (parts []string, err error) {
	parts = make([]string, 0, strings.Count(text, string(separator))+1)
	for {
		i := indexOutside(text, string(separator))
		if i == quoteOpen {
			return nil, errQuote
		}
		if i < 0 {
			return append(parts, text), nil
		}
		parts, text = append(parts, text[:i]), text[i+1:]
	}
}

// unquote takes the quotes and their escapes off (RFC 3261 §25.1, quoted-string).
func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	var b strings.Builder
	for i := 1; i < len(text)-1; i++ {
		if text[i] == '\\' && i+1 < len(text)-1 {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// ParseURI reads a URI so that it is written again as it came, which the library's own
// reading does not do where a parameter is quoted. A URI that is neither SIP's nor a
// telephone number is kept whole.
func ParseURI(text string) (URI, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || rest == "" || !token(scheme) || strings.ContainsAny(text, " \t\r\n<>") && indexOutside(text, " \t\r\n<>") != -1 {
		return URI{}, fmt.Errorf("%.200q is not a URI", text)
	}
	u := URI{Scheme: scheme}
	if !isSIP(u) {
		u.Host = rest
		return u, nil
	}
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		u.User, u.Password, _ = strings.Cut(rest[:at], ":")
		rest = rest[at+1:]
	}
	host, params, headers := cutTail(rest)
	err := setHost(&u, host)
	for _, p := range params {
		u.UriParams = append(u.UriParams, pair(p))
	}
	for _, h := range headers {
		u.Headers = append(u.Headers, pair(h))
	}
	return u, err
}

func isSIP(u URI) bool {
	return strings.EqualFold(u.Scheme, "sip") || strings.EqualFold(u.Scheme, "sips")
}

// cutTail takes "host;params?headers" apart.
func cutTail(text string) (host string, params, headers []string) {
	if i := indexOutside(text, "?"); i >= 0 {
		headers, text = strings.Split(text[i+1:], "&"), text[:i]
	}
	parts, err := split(text, ';')
	if err != nil {
		parts = strings.Split(text, ";")
	}
	return parts[0], parts[1:], headers
}

func setHost(u *URI, text string) error {
	u.Host = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		port, err := strconv.ParseUint(text[i+1:], 10, 16)
		if err != nil {
			return fmt.Errorf("port %.20q in a URI", text[i+1:])
		}
		u.Host, u.Port = text[:i], int(port)
	}
	if u.Host == "" || strings.ContainsAny(u.Host, "\"' ") {
		return errors.New("a URI without a host")
	}
	return nil
}

// pair keeps a parameter in the form in which the library writes what came: it puts
// quotes of its own around a value with a blank, and drops an "=" without a value.
func pair(text string) gosip.HeaderKV {
	name, value, _ := strings.Cut(text, "=")
	if value == "" || strings.ContainsAny(value, " \t") {
		return gosip.HeaderKV{K: text}
	}
	return gosip.HeaderKV{K: name, V: value}
}

// URIParam is a parameter of a URI, whose names know no case (RFC 3261 §19.1.4).
func URIParam(u URI, name string) (value string, there bool) {
	for _, p := range u.UriParams {
		key, rest, _ := strings.Cut(p.K, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return unquote(rest + p.V), true
		}
	}
	return "", false
}

func unescape(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// User is the user part of a URI without its escapes (RFC 3261 §19.1.2), and of a tel
// URI the number (RFC 3966). Where an escape hides what would write in a terminal, the
// escapes stay.
func User(u URI) string {
	user := u.User
	if strings.EqualFold(u.Scheme, "tel") {
		user, _, _ = strings.Cut(u.Host, ";")
	}
	return Plain(user)
}

// Plain is a text without its escapes, unless one hides what would write in a terminal.
func Plain(text string) string {
	if plain := unescape(text); harmless(plain) {
		return plain
	}
	return text
}

// harmless says whether a text has nothing in it that a terminal would obey.
func harmless(text string) bool {
	return utf8.ValidString(text) &&
		strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) < 0
}
