package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"releve"
	"strconv"
	"strings"
)

// ErrOldMinor is returned with an Installation that runs, but whose minor version
// can acknowledge a commit alone just after a start (RULES R1).
var ErrOldMinor = releve.Known("this minor version of PostgreSQL is too old", "cause-old-minor")

// Version of PostgreSQL, for example 15.18.
type Version struct{ Major, Minor int }

// String writes 15.18.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Installation is one set of PostgreSQL programs.
type Installation struct {
	Bin     string // directory of initdb, postgres …
	Version Version
	Warning string // why this version should not protect data, "" when it may
}

// programs that we run.
var programs = []string{"initdb", "postgres", "pg_controldata", "pg_basebackup", "pg_verifybackup", "pg_rewind", "pg_waldump"}

// oldest and newest bound what is accepted: the newest is the newest that is tried.
const oldest, newest = 15, 18

// majors in the order tried for data that is still to be made: 15 first, because it is the
// one tested most. Data that is there is served by programs of its own version.
var majors = []int{15, 18, 17, 16}

// startupRaceMended is the first minor version of each major in which commits of
// a starting server wait for the names of its mirrors (releases of 8 May 2025).
// Majors that are not named were mended from their first release.
var startupRaceMended = map[int]int{15: 13, 16: 9, 17: 5}

// Find looks for PostgreSQL 15 to 18 in the directory hint, or when hint is "" in
// Debian's places and then along PATH. An old minor version is returned together
// with an error that wraps ErrOldMinor.
func Find(hint string) (Installation, error) {
	return find(hint, "/usr/lib/postgresql", os.Getenv("PATH"))
}

// ErrOtherMajor says that no programs of the data's major version are there.
var ErrOtherMajor = releve.Known("the data is of another major version than the programs", "cause-other-major")

// FindFor is Find for data of a major version, 0 for none: PostgreSQL reads no other's.
func FindFor(hint string, major int) (Installation, error) {
	switch {
	case major == 0:
		return Find(hint)
	case major < oldest || major > newest:
		return Installation{}, majorFault("database-major-untried", major)
	}
	dirs := candidates("/usr/lib/postgresql", os.Getenv("PATH"))
	if hint != "" {
		dirs = []string{hint}
	}
	for _, dir := range dirs {
		inst, err := inspect(dir)
		if inst.Version.Major == major && (err == nil || errors.Is(err, ErrOldMinor)) {
			return inst, err
		}
	}
	return Installation{}, majorFault("database-other-major", major)
}

func majorFault(code string, major int) error {
	return &releve.Fault{Cause: ErrOtherMajor, Why: releve.Say(code, "found", strconv.Itoa(major),
		"oldest", strconv.Itoa(oldest), "newest", strconv.Itoa(newest))}
}

func find(hint, debian, path string) (Installation, error) {
	if hint != "" {
		return inspect(hint)
	}
	var old *Installation
	var oldErr error
	for _, dir := range candidates(debian, path) {
		inst, err := inspect(dir)
		switch {
		case err == nil:
			return inst, nil
		case errors.Is(err, ErrOldMinor) && old == nil:
			old, oldErr = &inst, err
		}
	}
	if old != nil {
		return *old, oldErr
	}
	return Installation{}, releve.Known(
		fmt.Sprintf("PostgreSQL is not installed (looked in %s and along PATH): run `apt install postgresql-15`", debian),

		"cause-not-installed", "directory", debian)
}

func candidates(debian, path string) []string {
	var dirs []string
	for _, major := range majors {
		dirs = append(dirs, filepath.Join(debian, strconv.Itoa(major), "bin"))
	}
	for _, dir := range filepath.SplitList(path) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	return dirs
}

func inspect(bin string) (Installation, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return Installation{}, err
	}
	if err := missing(bin); err != nil {
		return Installation{}, err
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return Installation{}, fmt.Errorf("%s does not run: %w", filepath.Join(bin, "postgres"), err)
	}
	v, err := parseVersion(string(out))
	if err != nil {
		return Installation{}, err
	}
	return judge(Installation{Bin: bin, Version: v})
}

func missing(bin string) error {
	var names []string
	for _, name := range programs {
		if _, err := exec.LookPath(filepath.Join(bin, name)); err != nil {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	all := strings.Join(names, ", ")
	return releve.Known(
		fmt.Sprintf("no %s in %s: run `apt install postgresql-15`, or set [database] binaries to the directory that has them",
			all, bin),
		"cause-no-programs", "programs", all, "directory", bin)
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(out string) (Version, error) {
	fields := strings.Fields(out)
	if len(fields) < 3 {
		return Version{}, fmt.Errorf("postgres --version said %q: no version in it", strings.TrimSpace(out))
	}
	major, minor, _ := strings.Cut(fields[2], ".")
	v := Version{}
	var errMajor, errMinor error
	v.Major, errMajor = strconv.Atoi(major)
	v.Minor, errMinor = strconv.Atoi(minor)
	if errMajor != nil || errMinor != nil {
		return Version{}, fmt.Errorf("PostgreSQL %s is not a release", fields[2])
	}
	return v, nil
}

func judge(inst Installation) (Installation, error) {
	v := inst.Version
	if v.Major < oldest || v.Major > newest {
		text := fmt.Sprintf("PostgreSQL %s in %s is not one of %d to %d, which Relève was tried with: "+
			"run `apt install postgresql-15`", v, inst.Bin, oldest, newest)
		return Installation{}, releve.Known(text, "cause-untried", "found", v.String(), "directory", inst.Bin,
			"oldest", strconv.Itoa(oldest), "newest", strconv.Itoa(newest))
	}
	if need := startupRaceMended[v.Major]; v.Minor < need {
		inst.Warning = fmt.Sprintf("PostgreSQL %s can acknowledge a commit without the mirror just after a start; "+
			"%d.%d mends it: run `apt upgrade postgresql-%d`",
			v, v.Major, need, v.Major)
		return inst, fmt.Errorf("%w: %s", ErrOldMinor, inst.Warning)
	}
	return inst, nil
}
