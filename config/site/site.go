// Package site makes a new site: what `releve init` writes.
package site

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"releve"
	"releve/config"
)

// Options are what a site has of its own. Start from [Defaults].
type Options struct {
	Dir      string // where the files are written; made when it is not there
	Name     string
	Language releve.Language

	Main, Secondary Server

	PBX               netip.AddrPort
	Domain            string // "": the PBX's address
	ReceptionNumber   string
	ReceptionUser     string
	ReceptionPassword string
	StandbyUser       string
	StandbyPassword   string
	Expires           config.Duration
	Evidence          config.Evidence

	Channels        int
	ExtensionDigits int
	Operator        string // "": none

	Binaries string // of PostgreSQL; "" searches
	Account  string // of PostgreSQL under root
}

// Server is what belongs to one seat. Two servers on one address, as for a
// rehearsal on one machine, need ports that all differ.
type Server struct {
	Host              netip.Addr
	Data              string // relative paths start from Options.Dir
	SIPPort           uint16
	PeerPort          uint16
	DatabasePort      uint16
	ConsolePort       uint16
	RTPFirst, RTPLast int
}

// Defaults is a site of two machines, where only names, addresses, the number and
// the passwords are left to say.
func Defaults() Options {
	c := config.Defaults()
	server := Server{
		SIPPort: 5060, PeerPort: 7443, ConsolePort: 8080,
		DatabasePort: 5442, // not PostgreSQL's own, which a database of the machine may have
		RTPFirst:     c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast,
	}
	o := Options{
		Language: c.Site.Language, Main: server, Secondary: server,
		ReceptionUser: "reception", StandbyUser: "standby",
		Expires: c.PBX.Expires, Evidence: c.PBX.Evidence,
		Channels: c.SIP.Channels, ExtensionDigits: c.Attendant.ExtensionDigits,
		Account: c.Database.Account,
	}
	o.Main.Data, o.Secondary.Data = "data/main", "data/secondary"
	return o
}

// Written is what Init made.
type Written struct {
	SiteID          string
	Main, Secondary string   // the two configurations
	Files           []string // all files, in the order of writing
}

// MistakesError is a site that would not start with these options.
type MistakesError struct{ Mistakes []config.Mistake }

func (e *MistakesError) Error() string { return e.Text(releve.English) }

// Text is every mistake, one a line.
func (e *MistakesError) Text(language releve.Language) string {
	lines := make([]string, 0, len(e.Mistakes))
	for _, m := range e.Mistakes {
		lines = append(lines, m.Text(language))
	}
	return strings.Join(lines, "\n")
}

// years is how long certificates last: longer than the servers, so that nobody
// is called at night for a date.
const years = 10

// Init writes a site: two configurations and the certificates of both servers.
// It writes all of it or nothing and never over a file that is there: the error
// then wraps fs.ErrExist. Options that make no site are a [*MistakesError].
func Init(o Options) (Written, error) {
	if o.Domain == "" && o.PBX.IsValid() {
		o.Domain = o.PBX.Addr().String()
	}
	id := rand.Text()
	files, err := o.files(id, time.Now())
	if err != nil {
		return Written{}, err
	}
	w := Written{SiteID: id, Main: filepath.Join(o.Dir, "main.toml"), Secondary: filepath.Join(o.Dir, "secondary.toml")}
	if w.Files, err = writeAll(o.Dir, files); err != nil {
		return Written{}, err
	}
	if mistakes := loadBoth(w); len(mistakes) > 0 {
		return Written{}, errors.Join(&MistakesError{mistakes}, remove(w.Files))
	}
	return w, nil
}

// loadBoth reads what was written as a server will: what it would not start with
// is not left behind.
func loadBoth(w Written) (mistakes []config.Mistake) {
	for _, file := range []string{w.Main, w.Secondary} {
		_, found := config.Load(file)
		for _, m := range found {
			m.File, m.Line = "releve init", 0 // the file will be gone
			same := func(other config.Mistake) bool { return other.Text(releve.English) == m.Text(releve.English) }
			if !slices.ContainsFunc(mistakes, same) {
				mistakes = append(mistakes, m)
			}
		}
	}
	return mistakes
}
