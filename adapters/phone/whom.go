package phone

import (
	"net/url"
	"strings"

	"releve/adapters/phone/sip"
)

// whom is an address of a header as evidence is read from it: any URI that may stand there,
// sip, sips or tel, in whatever form a PBX writes it (RFC 3261 §20.10, §20.39, RFC 3966). It
// answers nobody, so what cannot be read is passed over.
type whom struct {
	user    string            // or telephone number, without escapes and parameters
	params  map[string]string // of the URI, names in small letters
	headers map[string]string // of the URI
	around  map[string]string // parameters of the header value itself
}

// readWhom reads one value of a header such as To, Diversion or History-Info.
func readWhom(value string) (w whom) {
	text, rest := cutAddress(value)
	w.around = paramsOf(rest, ";")
	scheme, text, found := strings.Cut(text, ":")
	if !found {
		return w
	}
	text, headers, _ := strings.Cut(text, "?")
	w.headers = paramsOf(headers, "&")
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "tel":
		number, params, _ := strings.Cut(text, ";")
		w.user, w.params = Bare(number), paramsOf(params, ";")
	case "sip", "sips":
		user, host, found := cutLast(text, "@")
		if !found {
			user, host = "", text
		}
		_, params, _ := strings.Cut(host, ";")
		w.user, w.params = Bare(user), paramsOf(params, ";")
	}
	return w
}

// cutAddress parts a value into its URI and the parameters after it. Without angle
// brackets all parameters are the header's (RFC 3261 §20).
func cutAddress(value string) (uri, rest string) {
	after := afterName(value)
	if inside, found := strings.CutPrefix(after, "<"); found {
		uri, rest, _ = strings.Cut(inside, ">")
		return strings.TrimSpace(uri), rest
	}
	uri, rest, _ = strings.Cut(after, ";")
	if scheme, _, _ := strings.Cut(uri, ":"); strings.EqualFold(scheme, "sip") && strings.Contains(rest, "@") {
		uri, rest = after, "" // a number with parameters of its own before the host
	}
	return strings.TrimSpace(uri), rest
}

// afterName passes over the name in front of an address, quoted or not.
func afterName(value string) string {
	value = strings.TrimSpace(value)
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			return value[i:]
		}
	}
	return value
}

// visual are the separators of a number. It is made once: making it costs twenty times what it does.
var visual = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", " ", "")

// Bare is the user part of a URI as somebody would dial it: its password and parameters
// left out, escapes undone, and of a number the marks that only the eye needs (RFC 3966 §5.1.1).
func Bare(user string) string {
	user, _, _ = strings.Cut(user, ":")
	user, _, _ = strings.Cut(user, ";")
	user, _, _ = strings.Cut(strings.TrimSpace(sip.Plain(user)), ";")
	number := visual.Replace(user)
	if number != "" && strings.Trim(strings.TrimPrefix(number, "+"), "0123456789*#") == "" {
		return number
	}
	return user
}

// paramsOf reads a list of name=value, with or without quotes and escapes.
func paramsOf(text, separator string) map[string]string {
	params := map[string]string{}
	for part := range strings.SplitSeq(text, separator) {
		name, value, _ := strings.Cut(part, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			params[name] = value
		}
	}
	return params
}

func cutLast(text, at string) (before, after string, found bool) {
	if i := strings.LastIndex(text, at); i >= 0 {
		return text[:i], text[i+len(at):], true
	}
	return text, "", false
}
