package cli

import (
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"releve"
	rules "releve/rules/version"
	"releve/screen/view"
	"releve/screen/words"
)

// version is this program's number, and what the Go tool wrote into the binary.
type version struct {
	Version  string `json:"version"`
	Beside   string `json:"beside"` // the oldest that may stand beside it
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified"`       // built from files that are no revision
	Go       string `json:"go"`
}

func readVersion() version {
	own := rules.Own(0)
	v := version{Version: own.Number, Beside: own.Beside}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func newVersion(s *settings) *cobra.Command {
	var other bool
	c := &cobra.Command{
		Use: "version", Args: s.noArgs,
		Example: "  releve version --output json\n  releve version --other -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			if other {
				return s.otherVersion(c)
			}
			return shown(s, c, readVersion(), nil, func(v version) string { return fmt.Sprintln("releve", v.Version, v.Go) })
		},
	}
	c.Flags().BoolVar(&other, "other", false, "")
	return c
}

// beside is the other server's version, and how it goes with that of the server that was asked.
type beside struct {
	Seat releve.Seat `json:"seat"`
	releve.Version
	Own  releve.Version    `json:"own"`
	Fits string            `json:"fits"` // same; beside: while the pair is upgraded; apart
	Why  []releve.Sentence `json:"why,omitempty"`
}

// otherVersion asks the server of this machine what the other told it: a server has no door
// through which anybody may ask.
func (s *settings) otherVersion(c *cobra.Command) error {
	server, err := s.server()
	if err != nil {
		return err
	}
	site, err := server.Site(c.Context())
	if err != nil {
		return err
	}
	own, other := site.Own(), site.Other()
	switch {
	case !other.Heard:
		return s.complaint(codeUnreachable, "version-unheard", "seat", words.Seat(s.lang(), other.Seat))
	case other.Version.Number == "":
		return s.complaint(codeUnreachable, "version-untold", "seat", words.Seat(s.lang(), other.Seat))
	}
	return shown(s, c, besides(own, other, site.Owner), nil, s.versionText)
}

// besides judges as both servers do; the database that a site goes by is its owner's.
func besides(own, other view.Server, owner releve.Seat) beside {
	b := beside{Seat: other.Seat, Version: other.Version, Own: own.Version, Fits: "same"}
	at := map[releve.Seat]releve.Version{own.Seat: own.Version, other.Seat: other.Version}
	for _, seat := range []releve.Seat{own.Seat, other.Seat} {
		if f := rules.Programs(seat, at[seat], at[seat.Other()]); f.Code != "" {
			b.Fits, b.Why = "beside", append(b.Why, f)
		}
	}
	database := rules.Databases(owner, at[owner], at[owner.Other()])
	if database.Code != "" {
		b.Why = append(b.Why, database)
	}
	if database.Code != "" || rules.Apart(own.Version, other.Version) {
		b.Fits = "apart"
	}
	return b
}

func (s *settings) versionText(b beside) string {
	said := s.say("version-other", "seat", words.Seat(s.lang(), b.Seat), "number", b.Number) + "\n"
	if b.PostgreSQL > 0 {
		said = s.say("version-other-database", "seat", words.Seat(s.lang(), b.Seat), "number", b.Number, "major", strconv.Itoa(b.PostgreSQL)) + "\n"
	}
	for _, why := range b.Why {
		said += fmt.Sprintln(words.Say(s.lang(), why))
	}
	return said
}
