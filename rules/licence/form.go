package licence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/mod/sumdb/note"

	"releve"
)

// heading is the first line of every licence. A key that signs other texts too signs no licence
// with them.
const heading = "# Licence of Relève"

const explanation = heading + `
# The signature below is of these lines as they stand. Send it as an attached file:
# a mail that breaks long lines breaks it.
`

// format counts the forms that licences have had. What a later one means is not guessed at.
const format = 1

// body is what stands in a licence.
type body struct {
	Format   int            `toml:"format"`
	Serial   string         `toml:"serial"`
	Site     string         `toml:"site"`
	IssuedTo string         `toml:"issued_to"`
	Level    string         `toml:"level"`
	Channels int            `toml:"channels"`
	From     toml.LocalDate `toml:"from"`
	Until    toml.LocalDate `toml:"until"`
	Issued   time.Time      `toml:"issued"`
	Replaces []string       `toml:"replaces"`
}

// Read reads a file: the whole licence, or a [*releve.Fault] of [ErrRefused] that says what is
// wrong and what to do. Ends of lines and empty lines around the text are not part of it:
// mail and editors change them.
func (known Issuers) Read(file []byte) (Licence, error) {
	if len(file) > Largest {
		return Licence{}, refused("licence.oversized", "most", strconv.Itoa(Largest))
	}
	text := plain(file)
	if !bytes.HasPrefix(text, []byte(heading+"\n")) {
		return Licence{}, refused("licence.none")
	}
	signed, err := note.Open(text, known.verifiers)
	if err != nil {
		return Licence{}, known.unopened(err)
	}
	if len(signed.Sigs) != 1 || len(signed.UnverifiedSigs) != 0 {
		return Licence{}, refused("licence.cut")
	}
	l, err := parse(signed.Text)
	if err != nil {
		return Licence{}, err
	}
	l.Issuer = signed.Sigs[0].Name
	l.Demonstration = l.Issuer == demonstrator
	return l, l.checkDemonstration()
}

// Tidy is a file as it is kept.
func Tidy(file []byte) []byte { return plain(file) }

func plain(file []byte) []byte {
	text := bytes.TrimPrefix(file, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return append(bytes.Trim(text, " \t\n"), '\n')
}

// unopened says why a text is not believed.
func (known Issuers) unopened(err error) error {
	if _, changed := errors.AsType[*note.InvalidSignatureError](err); changed {
		return refused("licence.forged")
	}
	if stranger, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && len(stranger.Note.UnverifiedSigs) > 0 {
		name := stranger.Note.UnverifiedSigs[0].Name
		if slices.Contains(known.names, name) { // by another key than that issuer's
			return refused("licence.forged")
		}
		return refused("licence.unknown-issuer", "issuer", name)
	}
	return refused("licence.cut")
}

// parse reads what an issuer has signed, and nothing else ever comes here.
func parse(text string) (Licence, error) {
	var b body
	strict := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields()
	if err := strict.Decode(&b); err != nil {
		return Licence{}, unparsed(text, err)
	}
	if b.Format > format {
		return Licence{}, refused("licence.later")
	}
	if wrong := b.wrong(); wrong != "" {
		return Licence{}, refused("licence.contents", "field", wrong)
	}
	sum := sha256.Sum256([]byte(text))
	l := Licence{
		ID: hex.EncodeToString(sum[:16]), Serial: b.Serial, Site: b.Site, IssuedTo: b.IssuedTo, Level: releve.Level(b.Level),
		Channels: b.Channels, From: b.From.AsTime(time.UTC), Issued: b.Issued.UTC(), Replaces: b.Replaces,
	}
	if b.Until != (toml.LocalDate{}) {
		l.Until = b.Until.AsTime(time.UTC).AddDate(0, 0, 1)
	}
	if !l.Until.IsZero() && !l.Until.After(l.From) {
		return Licence{}, refused("licence.contents", "field", "until")
	}
	return l, nil
}

// unparsed tells a licence of a later form, which an update reads, from one that its issuer
// wrote wrongly.
func unparsed(text string, err error) error {
	var which struct {
		Format int `toml:"format"`
	}
	if toml.Unmarshal([]byte(text), &which) == nil && which.Format > format {
		return refused("licence.later")
	}
	field := "toml"
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		field = strings.Join(strict.Errors[0].Key(), ".")
	} else if decoding, ok := errors.AsType[*toml.DecodeError](err); ok && len(decoding.Key()) > 0 {
		field = strings.Join(decoding.Key(), ".")
	}
	return refused("licence.contents", "field", field)
}

// wrong names the first field that says what no licence may say.
func (b body) wrong() string {
	for _, f := range []struct {
		name string
		well bool
	}{
		{"format", b.Format == format},
		{"serial", isSerial(b.Serial)},
		{"site", isSerial(b.Site)},
		{"issued_to", isName(b.IssuedTo)},
		{"level", slices.Contains(Levels, releve.Level(b.Level))},
		{"channels", b.Channels >= 1 && b.Channels <= channelsMost},
		{"from", isDay(b.From)},
		{"until", b.Until == toml.LocalDate{} || isDay(b.Until)},
		{"issued", b.Issued.Year() > 2000 && b.Issued.Year() < 10000},
		{"replaces", len(b.Replaces) <= replacesMost && !slices.ContainsFunc(b.Replaces, func(s string) bool { return !isSerial(s) })},
	} {
		if !f.well {
			return f.name
		}
	}
	return ""
}

// isDay: a licence of another millennium is a slip of the pen.
func isDay(d toml.LocalDate) bool { return d.Year > 2000 && d.Year < 3000 }

// isSerial: serials and sites are parts of file names and of sentences.
func isSerial(s string) bool {
	return s != "" && len(s) <= serialMost && s[0] != '.' && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '.' && r != '_'
	}) < 0
}

func isName(s string) bool {
	return strings.TrimSpace(s) == s && s != "" && utf8.RuneCountInString(s) <= nameMost && releve.Plain(s) == s
}

// text is a licence as it is signed.
func (l Licence) text() string {
	var b strings.Builder
	b.WriteString(explanation + "\n")
	fmt.Fprintf(&b, "format = %d\nserial = %s\n", format, quoted(l.Serial))
	fmt.Fprintf(&b, "site = %s\nissued_to = %s\n", quoted(l.Site), quoted(l.IssuedTo))
	fmt.Fprintf(&b, "level = %s\nchannels = %d\nfrom = %s\n", quoted(string(l.Level)), l.Channels, l.FirstDay())
	if !l.Until.IsZero() {
		fmt.Fprintf(&b, "until = %s\n", l.LastDay())
	}
	fmt.Fprintf(&b, "issued = %s\n", l.Issued.UTC().Format(time.RFC3339))
	if len(l.Replaces) > 0 {
		all := make([]string, 0, len(l.Replaces))
		for _, serial := range l.Replaces {
			all = append(all, quoted(serial))
		}
		fmt.Fprintf(&b, "replaces = [%s]\n", strings.Join(all, ", "))
	}
	return b.String()
}

// quoted is a basic string of TOML; what would need more of its escapes than these is refused by
// who reads it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
