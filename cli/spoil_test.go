package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"releve/adapters/postgres"
)

// spoilRow, as spoil-row SEAT in the scripts, changes who called in the database of a
// server that is stopped, behind PostgreSQL's back and with right checksums: 10** becomes 11**.
func (s *scene) spoilRow(args []string) error {
	data := filepath.Join(s.dir, map[string]string{"main": "m", "secondary": "s"}[args[0]], "postgres", "data")
	// The texts of one row stand side by side, each behind a byte with its length (manual §73.6).
	row, spoilt := []byte("\x0b10**\x059"), []byte("\x0b11**\x059")
	file, at, err := find(filepath.Join(data, "base", "*", "*"), row)
	if err != nil {
		return err
	}
	return errors.Join(checksums(data, "--disable"), overwrite(file, at, spoilt), checksums(data, "--enable"))
}

// find is the one place among files where some bytes stand.
func find(pattern string, what []byte) (file string, at int64, err error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", 0, err
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return "", 0, err
		}
		if i := bytes.Index(content, what); i >= 0 {
			return f, int64(i), nil
		}
	}
	return "", 0, fmt.Errorf("no file of %d has %q", len(files), what)
}

func overwrite(file string, at int64, content []byte) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, at)
	return errors.Join(err, f.Close())
}

// checksums runs pg_checksums under the account that the data belongs to.
func checksums(data, what string) error {
	found, err := postgres.Find("")
	if err != nil && !errors.Is(err, postgres.ErrOldMinor) {
		return err
	}
	cmd := exec.Command(filepath.Join(found.Bin, "pg_checksums"), what, "--no-sync", "-D", data)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, errUID := strconv.Atoi(account.Uid)
		gid, errGID := strconv.Atoi(account.Gid)
		if err := errors.Join(errUID, errGID); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_checksums %s: %w: %s", what, err, out)
	}
	return nil
}
