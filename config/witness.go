package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"releve"
	"releve/doors/identity"
)

// WitnessFile is the file of a witness: of the third machine of a site, which
// keeps its register (RULES R5).
type WitnessFile struct {
	Site struct {
		ID       string          `toml:"id"` // that of both servers
		Name     string          `toml:"name"`
		Language releve.Language `toml:"language"`
	} `toml:"site"`
	Witness struct {
		Listen      string `toml:"listen"`  // host:port, TCP, for the two servers
		Data        string `toml:"data"`    // directory of the register
		Account     string `toml:"account"` // unix account when started as root
		CA          string `toml:"ca"`
		Certificate string `toml:"certificate"`
		Key         string `toml:"key"`
	} `toml:"witness"`
}

// IsWitness says whether a file was written for a witness rather than a server:
// it has a table [witness] and no telephone. A file that cannot be read is none.
func IsWitness(file string) bool {
	text, err := readFile(file)
	if err != nil {
		return false
	}
	entries, _ := parse(text)
	tables := map[string]bool{}
	for _, e := range entries {
		table, _, _ := strings.Cut(e.key, ".")
		tables[table] = true
	}
	return tables["witness"] && !tables["pbx"] && !tables["sip"] && !tables["peer"]
}

// LoadWitness reads a witness's file as Load does a server's.
func LoadWitness(file string) (WitnessFile, []Mistake) {
	var w WitnessFile
	w.Site.Language, w.Witness.Account = Defaults().Site.Language, "releve"
	r := newReader(file)
	text, err := readFile(file)
	if err != nil {
		r.sayAt(0, "", releve.Say("unreadable", "cause", releve.Reason(err)))
		return w, r.mistakes
	}
	r.read(text, &w)
	resolvePaths(filepath.Dir(file), &w.Witness.Data, &w.Witness.CA, &w.Witness.Certificate, &w.Witness.Key)
	r.checkWitnessFile(w)
	return w, inOrder(r.mistakes)
}

func (r *reader) checkWitnessFile(w WitnessFile) {
	r.required("site.id", w.Site.ID)
	r.required("site.name", w.Site.Name)
	r.oneOf("site.language", string(w.Site.Language), "fr", "en")
	r.address("witness.listen", w.Witness.Listen)
	r.required("witness.data", w.Witness.Data)
	r.required("witness.account", w.Witness.Account)
	if info, err := os.Stat(w.Witness.Data); w.Witness.Data != "" && err == nil && !info.IsDir() {
		r.wrong("witness.data", "data.no-directory", "path", w.Witness.Data)
	}
	own := credentials{"witness", w.Witness.CA, w.Witness.Certificate, w.Witness.Key}
	r.checkCredentials(own, identity.Identity{Site: w.Site.ID, Seat: identity.Witness})
	r.checkWhole("witness.certificate", w.Files())
}

// Files are those by which the witness and the servers know each other.
func (w WitnessFile) Files() identity.Files {
	return identity.Files{Authority: w.Witness.CA, Certificate: w.Witness.Certificate, Key: w.Witness.Key}
}

// At is where the witness is, and From this server's own address towards it; the
// zero values when the file does not say.
func (w Witness) At() (at netip.AddrPort, from netip.Addr) {
	at, _ = netip.ParseAddrPort(w.Address) // checked by Load
	from, _ = netip.ParseAddr(w.From)
	return at, from
}
