package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"releve"
)

// Presence is what stands in the data directory.
type Presence string

// What can stand there.
const (
	Absent  Presence = "absent"
	Ours    Presence = "ours"
	Foreign Presence = "foreign" // never touched
)

// State is the data directory as the disk shows it, PostgreSQL running or not.
type State struct {
	Presence Presence
	Foreign  *releve.Fault // Presence is Foreign: whose it is and what to do
	Unusable string        // Ours: why it must not be started, "" when it may
	DataID   releve.DataID // Ours
	Copy     bool          // Ours: it has only followed since it was copied whole, so that no row is its own
	Copied   time.Time     // Ours: as of when a copy is that receives no more, zero where that is not known
	Control                // Ours, and zero when Unusable
}

// Control is what is read of the control file.
type Control struct {
	SystemID    string
	MinRecovery releve.LSN
	RedoLSN     releve.LSN
}

const (
	identityFile   = "releve.identity"
	identityFormat = 1
	controlLimit   = 5 * time.Second // reading one small file, on a slow disk
)

// identity marks a data directory as ours. It travels with a base backup and with
// pg_rewind, so both write it anew when they end.
type identity struct {
	Format int           `json:"format"`
	Site   string        `json:"site"`
	Data   releve.DataID `json:"data"`
	Copy   bool          `json:"copy,omitempty"` // it has only followed since it was copied whole
	// Copied is as of when a copy is that receives no more.
	Copied time.Time `json:"copied,omitzero"`
}

// mark is what stands beside data that must not be started. It says whose the data is,
// because what made it unusable may have replaced any file within.
type mark struct {
	identity
	Why string `json:"why"`
}

// Whose is State without the control file, which takes PostgreSQL's programs. Data that is
// closed to its own account is opened, for else nobody could tell; what turns out to be
// somebody else's is closed again.
func (c *Cluster) Whose() (State, error) {
	state, err := c.ownership()
	if !errors.Is(err, fs.ErrPermission) {
		return state, err
	}
	back, wrong := c.openToLook()
	if wrong != nil {
		return state, err
	}
	state, err = c.ownership()
	if err != nil || state.Presence != Ours {
		back()
	}
	return state, err
}

// State reads the data directory. An error means that it could not be read, which
// says nothing of what is there.
func (c *Cluster) State() (State, error) {
	state, err := c.ownership()
	if err != nil || state.Presence != Ours || state.Unusable != "" {
		return state, err
	}
	if err := c.matchPrograms(); err != nil {
		return state, err
	}
	state.Control, err = c.Control()
	return state, err
}

// ownership is State without the control file.
func (c *Cluster) ownership() (State, error) {
	entries, err := os.ReadDir(c.dataDir())
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return State{Presence: Absent}, nil
	case err != nil:
		return State{}, fmt.Errorf("cannot read PostgreSQL's data: %w", err)
	}
	var m mark
	for _, path := range []string{c.path("data.unusable"), c.path("data", identityFile)} {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return State{}, fmt.Errorf("cannot read whose data this is: %w", err)
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return c.foreign(releve.Say("data-identity-damaged", "file", path, "cause", releve.Reason(err))), nil
		}
		return c.judge(m), nil
	}
	return c.foreign(releve.Say("data-not-ours")), nil
}

func (c *Cluster) judge(m mark) State {
	switch {
	case m.Format != identityFormat:
		return c.foreign(releve.Say("data-other-version",
			"found", strconv.Itoa(m.Format), "expected", strconv.Itoa(identityFormat)))
	case m.Site != c.opts.SiteID:
		return c.foreign(releve.Say("data-other-site", "found", m.Site, "expected", c.opts.SiteID))
	}
	return State{Presence: Ours, DataID: m.Data, Unusable: m.Why, Copy: m.Copy, Copied: m.Copied}
}

// ErrForeign says that the data directory holds what is not this site's.
var ErrForeign = releve.Known("the data directory is not this site's", "cause-foreign-data")

func (c *Cluster) foreign(why releve.Sentence) State {
	fault := &releve.Fault{Cause: ErrForeign, Why: why}
	return State{Presence: Foreign, Foreign: fault.With("directory", c.dataDir())}
}

// requireUsable refuses what must not be touched or started.
func (c *Cluster) requireUsable() (State, error) {
	state, err := c.State()
	switch {
	case err != nil:
		return state, err
	case state.Presence == Absent:
		return state, fmt.Errorf("there is no data in %s: create or clone it first", c.dataDir())
	case state.Presence == Foreign:
		return state, state.Foreign
	case state.Unusable != "":
		return state, fmt.Errorf("the data in %s must not be started: %s", c.dataDir(), state.Unusable)
	}
	return state, nil
}

func (c *Cluster) identify(id releve.DataID) identity {
	return identity{Format: identityFormat, Site: c.opts.SiteID, Data: id}
}

func (c *Cluster) writeIdentity(dir string, id releve.DataID) error {
	return c.writeJSON(filepath.Join(dir, identityFile), c.identify(id))
}

// writeCopyIdentity is writeIdentity for a whole copy of the other server's data.
func (c *Cluster) writeCopyIdentity(dir string, id releve.DataID) error {
	of := c.identify(id)
	of.Copy, of.Copied = true, time.Now().UTC()
	return c.writeJSON(filepath.Join(dir, identityFile), of)
}

// writeCopied notes as of when the copy is that receives no more.
func (c *Cluster) writeCopied(at time.Time) error {
	state, err := c.ownership()
	if err != nil {
		return err
	}
	of := c.identify(state.DataID)
	of.Copy, of.Copied = state.Copy, at.UTC()
	return c.writeJSON(filepath.Join(c.dataDir(), identityFile), of)
}

// leaveCopy notes, before anything can be committed here, that rows may be this data's own.
func (c *Cluster) leaveCopy() error {
	state, err := c.ownership()
	if err != nil || state.Presence != Ours || !state.Copy {
		return err
	}
	return c.writeIdentity(c.dataDir(), state.DataID)
}

func (c *Cluster) markUnusable(id releve.DataID, why string) error {
	return c.writeJSON(c.path("data.unusable"), mark{identity: c.identify(id), Why: why})
}

func (c *Cluster) writeJSON(path string, value any) error {
	who, err := c.account()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return who.writeFile(path, append(raw, '\n'), 0o600)
}

// Control reads the control file through pg_controldata.
func (c *Cluster) Control() (Control, error) {
	ctx, cancel := context.WithTimeout(context.Background(), controlLimit)
	defer cancel()
	out, err := c.run(ctx, "", nil, "pg_controldata", "-D", c.dataDir())
	if err != nil {
		return Control{}, err
	}
	return parseControl(out)
}

func parseControl(out string) (Control, error) {
	if strings.Contains(out, "CRC checksum does not match") { // it prints what it read all the same
		return Control{}, releve.Known("PostgreSQL's control file (global/pg_control) is damaged: "+
			"copy the data anew from the other server", "cause-control")
	}
	fields := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	var errs []error
	position := func(name string) releve.LSN {
		v, err := releve.ParseLSN(fields[name])
		errs = append(errs, err)
		return v
	}
	control := Control{
		SystemID:    fields["Database system identifier"],
		MinRecovery: position("Minimum recovery ending location"),
		RedoLSN:     position("Latest checkpoint's REDO location"),
	}
	if err := errors.Join(errs...); err != nil {
		return Control{}, fmt.Errorf("pg_controldata's answer is not understood: %w", err)
	}
	return control, nil
}

// asideFormat names by their time the things that are kept.
const asideFormat = "20060102T150405.000Z"

// SetAside moves the data directory away whole and says where it is now, ""
// when there was none. Nothing is ever deleted: the rows in it may be the only ones.
func (c *Cluster) SetAside(ctx context.Context, reason string) (string, error) {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	return c.setAside(reason)
}

func (c *Cluster) setAside(reason string) (string, error) {
	state, err := c.ownership()
	switch {
	case err != nil:
		return "", err
	case state.Presence == Absent:
		return "", errors.Join(removeFile(c.path("data.unusable")), removeFile(c.path(damageFile)))
	}
	who, err := c.account()
	if err != nil {
		return "", err
	}
	aside := c.path("data.aside-" + time.Now().UTC().Format(asideFormat))
	if err := who.writeFile(aside+".reason", []byte(reason+"\n"), 0o600); err != nil {
		return "", err
	}
	if err := rename(c.dataDir(), aside); err != nil {
		return "", err
	}
	c.log.Info("data set aside", "reason", reason, "now", aside)
	return aside, errors.Join(removeFile(c.path("data.unusable")), removeFile(c.path(damageFile)))
}
