package config

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"releve"
)

// maxFile bounds a configuration in bytes; one that `releve init` writes has
// about four thousand.
const maxFile = 64 << 10

// Load reads a server's file, with the defaults for what it does not say and the
// paths made absolute, and gives every mistake in it at once, in the order of the
// lines. The Config is to be used only when there is none.
func Load(file string) (Config, []Mistake) { return LoadAt(file, "") }

// LoadAt is Load for a server that runs at a level, whatever its file says of that ("": what it
// says). The level of a running site is changed by an operator, and its journal knows it (SPEC V1).
func LoadAt(file string, level releve.Level) (Config, []Mistake) {
	c := Defaults()
	r := newReader(file)
	text, err := readFile(file)
	if err != nil {
		r.sayAt(0, "", releve.Say("unreadable", "cause", releve.Reason(err)))
		return c, r.mistakes
	}
	r.read(text, &c)
	if level != "" {
		c.runAt(level)
	}
	if c.Mirror.CopyRate == 0 { // no copy is made without a limit
		c.Mirror.CopyRate = Defaults().Mirror.CopyRate
	}
	c.forgetUnused()
	resolvePaths(filepath.Dir(file),
		&c.Site.Data, &c.Database.Binaries,
		&c.Peer.CA, &c.Peer.Certificate, &c.Peer.Key, &c.Peer.OtherCertificate, &c.Mail.CA, &c.Syslog.CA, &c.Webhook.CA,
		&c.PBX.CA, &c.PBX.Certificate, &c.PBX.Key)
	r.check(&c)
	return c, inOrder(r.mistakes)
}

func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, releve.Known("it is not a plain file", "cause-no-plain-file")
	case info.Size() > maxFile:
		return nil, releve.Known("it is too long", "cause-file-long", "bytes", strconv.FormatInt(info.Size(), 10), "most", strconv.Itoa(maxFile))
	}
	return os.ReadFile(file)
}

// resolvePaths takes a relative path from the directory of the file, so that a
// server finds the same files wherever it is started.
func resolvePaths(dir string, paths ...*string) {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// reader collects the mistakes of one file.
type reader struct {
	file     string
	lines    map[string]int    // where each table and key stands
	items    map[string][]item // the values of each list, with their lines
	said     map[string]bool   // the keys and tables that have their mistake
	meant    map[string]bool   // those that an unknown one was probably meant to be
	mistakes []Mistake
}

func newReader(file string) *reader {
	return &reader{file: file, lines: map[string]int{}, items: map[string][]item{}, said: map[string]bool{}, meant: map[string]bool{}}
}

// wrong reports a mistake at a key: at its line, or at its table's when the key
// is missing. The first mistake of a key explains it; others would only follow.
func (r *reader) wrong(key, code string, pairs ...string) { r.say(key, releve.Say(code, pairs...)) }

func (r *reader) say(key string, why releve.Sentence) {
	table, _, _ := strings.Cut(key, ".")
	if !r.explained(key) && !r.explained(table) {
		r.said[key] = true
		r.sayAt(cmp.Or(r.lines[key], r.lines[table]), key, why)
	}
}

// explained says whether a mistake told of the key already: its own, or that of a
// misspelt one that was probably meant to be it.
func (r *reader) explained(key string) bool {
	return r.said[key] || r.meant[key] && r.lines[key] == 0
}

// sayItem reports a mistake at a value of a list. Each value has its own.
func (r *reader) sayItem(key string, i item, code string, pairs ...string) {
	r.said[key] = true
	r.sayAt(i.line, key, releve.Say(code, pairs...))
}

func (r *reader) sayAt(line int, key string, why releve.Sentence) {
	r.mistakes = append(r.mistakes, Mistake{File: r.file, Line: line, Key: key, Why: why})
}

// read puts what the file says into c, a pointer to a struct of structs.
func (r *reader) read(text []byte, c any) {
	entries, slips := parse(text)
	for _, slip := range slips {
		r.meant[slip.key] = true
		r.sayAt(slip.line, slip.key, releve.Say("syntax", "cause", slip.message))
	}
	known := fieldsOf(c)
	for _, e := range entries {
		field, ok := known[e.key]
		switch {
		case !ok:
			r.unknown(known, e)
		case r.lines[e.key] != 0:
			r.sayAt(e.line, e.key, releve.Say("twice", "line", strconv.Itoa(r.lines[e.key])))
		default:
			r.lines[e.key], r.items[e.key] = e.line, e.list
			r.take(field, e)
		}
	}
}

func (r *reader) take(field reflect.Value, e entry) {
	if (field.Kind() == reflect.Struct) != (e.kind == unstable.Table) {
		r.wrong(e.key, "type.table")
		return
	}
	if expected := set(field, e); expected != "" {
		r.lines[e.key] = cmp.Or(lineOfOther(e.list), e.line)
		r.wrong(e.key, "type."+expected)
	}
}

// lineOfOther is where a list that should hold texts holds something else; 0 when it
// does not.
func lineOfOther(list []item) int {
	for _, i := range list {
		if i.kind != unstable.String {
			return i.line
		}
	}
	return 0
}

// unknown reports a key or a table that the program does not know, and for what
// an unknown table holds the table alone.
func (r *reader) unknown(known fields, e entry) {
	head := strings.TrimSuffix(strings.TrimSuffix(e.key, lastOf(e.key)), ".")
	if _, ok := known[head]; !ok && r.said[head] {
		return
	}
	r.said[e.key] = true
	near := known.nearest(e.key)
	if near == "" {
		r.sayAt(e.line, e.key, releve.Say("unknown"))
		return
	}
	r.meant[near] = true
	r.sayAt(e.line, e.key, releve.Say("unknown.near", "near", near))
}
