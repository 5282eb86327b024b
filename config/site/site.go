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
	"releve/rules/attendant"
	"releve/rules/licence"
	"releve/rules/pbx"
)

// Options are what a site has of its own. Start from [Defaults].
type Options struct {
	Dir      string // where the files are written; made when it is not there
	Name     string
	Language releve.Language
	Level    releve.Level

	// Demonstration marks the site as one to try Relève with, by its id: licences that
	// everybody can issue hold there, and nowhere else.
	Demonstration bool

	Main, Secondary Server

	Type              pbx.Type // of the PBX
	PBX               netip.AddrPort
	Domain            string // "": the PBX's address
	ReceptionNumber   string
	ReceptionUser     string
	ReceptionPassword string
	StandbyUser       string
	StandbyPassword   string
	Expires           config.Duration
	Evidence          releve.Evidence

	// Networks are where sound may go; none: to the PBX's own address, which Init writes.
	Networks []string

	Channels        int
	ExtensionDigits int
	Operator        string // "": none

	// Extensions is the number plan; without one, Init writes [attendant.Derived] and says
	// in the file that nobody chose it.
	Extensions  []string
	planDerived bool

	Binaries string // of PostgreSQL; "" searches
	Account  string // of PostgreSQL under root

	Witness Witness // without an address: the two servers decide alone
}

// Witness is the third machine of a site that has one (RULES R5).
type Witness struct {
	At   netip.AddrPort
	Data string // relative paths start from where the files are written
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

// Mute says that a seat has no telephone: then its file says nothing of one (SPEC §2).
func (o Options) Mute(seat releve.Seat) bool {
	return config.Config{Site: config.Site{Level: o.Level, Seat: seat}}.Mute()
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
		Language: c.Site.Language, Level: c.Site.Level, Main: server, Secondary: server,
		Type: pbx.Generic, ReceptionUser: "reception", StandbyUser: "standby",
		Expires: c.PBX.Expires, Evidence: c.PBX.Evidence,
		Channels: c.SIP.Channels, ExtensionDigits: c.Attendant.ExtensionDigits,
		Account: c.Database.Account, Witness: Witness{Data: "data/witness"},
	}
	o.Main.Data, o.Secondary.Data = "data/main", "data/secondary"
	return o
}

// Written is what Init made.
type Written struct {
	SiteID          string
	Main, Secondary string   // the two configurations
	Witness         string   // and the witness's; "" without one
	Derived         []string // the number plan, where nobody gave one
	Files           []string // all files, in the order of writing
}

// MistakesError is a site that would not start with these options.
type MistakesError struct{ Mistakes []config.Mistake }

func (e *MistakesError) Error() string {
	lines := make([]string, 0, len(e.Mistakes))
	for _, m := range e.Mistakes {
		lines = append(lines, m.String())
	}
	return strings.Join(lines, "\n")
}

// years is how long certificates last: longer than the servers, so that nobody
// is called at night for a date.
const years = 10

// Init writes a site: two configurations and the certificates of both servers,
// and the witness's when there is one.
// It writes all of it or nothing and never over a file that is there: the error
// then wraps fs.ErrExist. Options that make no site are a [*MistakesError].
func Init(o Options) (Written, error) {
	if o.Domain == "" && o.PBX.IsValid() {
		o.Domain = o.PBX.Addr().String()
	}
	derived := o.derivePlan()
	id := rand.Text()
	if o.Demonstration {
		id = licence.DemonstrationSite + id
	}
	files, err := o.files(id, time.Now())
	if err != nil {
		return Written{}, err
	}
	w := Written{SiteID: id, Main: filepath.Join(o.Dir, "main.toml"), Secondary: filepath.Join(o.Dir, "secondary.toml")}
	if o.Witness.At.IsValid() {
		w.Witness = filepath.Join(o.Dir, "witness.toml")
	}
	w.Derived = derived
	err = w.write(o.Dir, files)
	return w, err
}

// derivePlan gives a site that was given no number plan one to begin with.
func (o *Options) derivePlan() (derived []string) {
	if len(o.Networks) == 0 {
		o.Networks = []string{o.PBX.Addr().String()}
	}
	if len(o.Extensions) == 0 {
		derived = attendant.Derived(o.ExtensionDigits, o.Operator)
		o.Extensions, o.planDerived = derived, true
	}
	return derived
}

// write writes the files and reads them as a server and a witness will: what they
// would not start with is not left behind.
func (w *Written) write(dir string, files []file) (err error) {
	if w.Files, err = writeAll(dir, files); err != nil {
		*w = Written{}
		return err
	}
	if mistakes := w.load(); len(mistakes) > 0 {
		err = errors.Join(&MistakesError{mistakes}, remove(w.Files))
		*w = Written{}
	}
	return err
}

func (w *Written) load() (mistakes []config.Mistake) {
	for _, file := range w.Files {
		for _, m := range mistakesOf(file) {
			m.File, m.Line = "releve init", 0 // the file will be gone
			same := func(other config.Mistake) bool { return other.String() == m.String() }
			if !slices.ContainsFunc(mistakes, same) {
				mistakes = append(mistakes, m)
			}
		}
	}
	return mistakes
}

func mistakesOf(file string) (mistakes []config.Mistake) {
	switch {
	case filepath.Ext(file) != ".toml": // a certificate or a key: read with its configuration
	case config.IsWitness(file):
		_, mistakes = config.LoadWitness(file)
	default:
		_, mistakes = config.Load(file)
	}
	return mistakes
}
