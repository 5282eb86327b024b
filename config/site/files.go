package site

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"

	"releve"
	"releve/doors/identity"
)

//go:embed *.tmpl
var templates embed.FS

// file is one that Init writes, below Options.Dir.
type file struct {
	name string
	text []byte
}

// files makes the content of the whole site, in memory.
func (o Options) files(id string, now time.Time) ([]file, error) {
	valid := validity(now)
	authority, err := identity.NewAuthority(id, valid)
	if err != nil {
		return nil, err
	}
	key, err := authority.Key()
	if err != nil {
		return nil, err
	}
	files := []file{{"tls/ca.pem", authority.Certificate()}, {"tls/ca.key", key}}
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		own, err := o.filesOf(identity.Identity{Site: id, Seat: seat}, authority, valid)
		if err != nil {
			return nil, err
		}
		files = append(files, own...)
	}
	if !o.Witness.At.IsValid() {
		return files, nil
	}
	own, err := o.Witness.files(about{ID: id, Name: o.Name, Language: o.Language}, authority, valid)
	return append(files, own...), err
}

// grace is by how much the clocks of the machines may differ at first.
const grace = 24 * time.Hour

func validity(now time.Time) identity.Validity {
	return identity.Validity{From: now.Add(-grace), Until: now.AddDate(years, 0, 0)}
}

// filesOf makes the configuration, the certificates and the keys of one seat.
func (o Options) filesOf(id identity.Identity, authority *identity.Authority, valid identity.Validity) ([]file, error) {
	certificates, keys, err := authority.Issue(id, valid)
	if err != nil {
		return nil, err
	}
	toml, err := o.toml(id)
	name := string(id.Seat)
	return []file{{name + ".toml", toml}, {"tls/" + name + ".pem", certificates}, {"tls/" + name + ".key", keys}}, err
}

func (o Options) servers(seat releve.Seat) (mine, its Server) {
	if seat == releve.Main {
		return o.Main, o.Secondary
	}
	return o.Secondary, o.Main
}

// toml writes the configuration of one seat.
func (o Options) toml(id identity.Identity) ([]byte, error) {
	data := struct {
		Options
		ID        string
		Seat      releve.Seat
		Mine, Its Server
		Mute      bool // this server takes no calls
		OneVoice  bool // nobody takes over from who does

		PlanDerived bool // nobody gave the extensions
	}{Options: o, ID: id.Site, Seat: id.Seat, Mute: o.Mute(id.Seat), OneVoice: o.Mute(releve.Secondary), PlanDerived: o.planDerived}
	data.Mine, data.Its = o.servers(id.Seat)
	return fillIn("server", o.Language, data)
}

// fillIn writes a file from its template, with the comments in one column.
func fillIn(kind string, language releve.Language, data any) ([]byte, error) {
	if language != releve.French {
		language = releve.English
	}
	t, err := template.New("").Funcs(template.FuncMap{"text": text, "list": list, "at": at, "addrport": addrport}).
		ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	aligned := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if err := t.ExecuteTemplate(aligned, kind+"."+string(language)+".toml.tmpl", data); err != nil {
		return nil, err
	}
	err = aligned.Flush()
	return out.Bytes(), err
}

// text writes a TOML basic string, whose escapes are those of JSON.
func text(v any) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return string(bytes.TrimSpace(out.Bytes())), err
}

// list writes a TOML array of texts.
func list(values []string) (string, error) {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		t, err := text(v)
		if err != nil {
			return "", err
		}
		texts = append(texts, t)
	}
	return "[" + strings.Join(texts, ", ") + "]", nil
}

// at and addrport write an address, and "" for one that was not given: the check
// of the file then says that it is empty.
func at(host netip.Addr, port uint16) string { return addrport(netip.AddrPortFrom(host, port)) }

func addrport(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// writeAll writes the files, each for its owner only, or none of them.
func writeAll(dir string, files []file) (written []string, err error) {
	// PostgreSQL's account must be able to pass through to its data; the secrets
	// have a mode of their own.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "tls"), 0o700); err != nil {
		return nil, err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := writeNew(path, f.text); err != nil {
			return nil, errors.Join(err, remove(written))
		}
		written = append(written, path)
	}
	return written, nil
}

func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and is not written over: choose an empty directory: %w", path, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// remove takes away what this call itself wrote.
func remove(files []string) (err error) {
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
