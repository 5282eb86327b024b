package phone

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"

	"releve/adapters/phone/sip"
)

// errUnknownBody says that a body has a part that must be understood and is not.
var errUnknownBody = errors.New("a body of a type that this server does not read")

// maxNesting bounds how deep bodies in bodies are looked into.
const maxNesting = 4

// description is the session description that a message brings, nil for none. It may be
// one part of several, of which those that are optional are passed over (RFC 5621 §3, §8.2).
func description(msg sip.Message) ([]byte, error) {
	if len(msg.Body()) == 0 {
		return nil, nil
	}
	header := textproto.MIMEHeader{}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Encoding", "Content-Transfer-Encoding"} {
		header.Set(name, sip.Value(msg, name))
	}
	return part(header, msg.Body(), maxNesting)
}

// part reads one body, or one part of it.
func part(header textproto.MIMEHeader, body []byte, depth int) ([]byte, error) {
	kind, params := mediaType(header.Get("Content-Type"))
	disposition, how := mediaType(header.Get("Content-Disposition"))
	encoding := strings.ToLower(strings.TrimSpace(header.Get("Content-Encoding")))
	understood := encoding == "" || encoding == "identity"
	switch {
	case !understood:
	case kind == "application/sdp" && (disposition == "" || disposition == "session"):
		return decode(header.Get("Content-Transfer-Encoding"), body)
	case strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth > 0:
		return parts(kind == "multipart/alternative", params["boundary"], body, depth-1)
	}
	if strings.EqualFold(how["handling"], "optional") {
		return nil, nil
	}
	return nil, errUnknownBody
}

// parts reads a body of several parts. Of alternatives one is enough, the last that is
// understood (RFC 2046 §5.1.4); of others all that are required must be.
func parts(alternative bool, boundary string, body []byte, depth int) (found []byte, err error) {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	bad := error(nil)
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errUnknownBody
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, errUnknownBody
		}
		inside, err := part(p.Header, text, depth)
		switch {
		case err != nil:
			bad = err
		case inside != nil && (found == nil || alternative):
			found = inside
		}
	}
	if alternative && found != nil {
		bad = nil
	}
	return found, bad
}

func decode(encoding string, body []byte) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "binary", "8bit", "7bit":
		return body, nil
	case "base64":
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), ""))
		if err != nil {
			return nil, errUnknownBody
		}
		return plain, nil
	}
	return nil, errUnknownBody
}

// mediaType reads "type/subtype;name=value" in any case. Parameters that cannot be read
// do not hide the type.
func mediaType(text string) (string, map[string]string) {
	kind, params, err := mime.ParseMediaType(text)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(text), ";")
	}
	return strings.TrimSpace(kind), params
}
