package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"

	"releve"
)

// birth is what a new cluster holds, run in single-user mode: no server that
// anybody could reach, and no commit that waits for a mirror not yet there. The
// grants to releve_clone are those pg_rewind documents (manual, pg_rewind, Notes).
// Each statement is one line: single-user mode ends a statement at a newline.
const birth = `
CREATE ROLE releve LOGIN IN ROLE pg_monitor
CREATE ROLE releve_mirror LOGIN REPLICATION
CREATE ROLE releve_clone LOGIN REPLICATION
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO releve_clone
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO releve_clone
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO releve_clone
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO releve_clone
CREATE DATABASE releve OWNER releve
REVOKE CONNECT ON DATABASE releve FROM PUBLIC
`

// Create makes an empty cluster with checksums, our roles and an empty database,
// and leaves it stopped. It refuses where there is already data.
func (c *Cluster) Create(ctx context.Context, id releve.DataID) error {
	end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	state, err := c.ownership()
	switch {
	case err != nil:
		return err
	case state.Presence == Foreign:
		return fmt.Errorf("refusing to create data: %w", state.Foreign)
	case state.Presence == Ours:
		return fmt.Errorf("refusing to create data: %s already holds this site's", c.dataDir())
	}
	fresh, err := c.freshDir()
	if err != nil {
		return err
	}
	if err := c.initialise(ctx, fresh, id); err != nil {
		return fmt.Errorf("cannot create the database: %w", err)
	}
	return c.swapIn(fresh)
}

func (c *Cluster) initialise(ctx context.Context, dir string, id releve.DataID) error {
	_, err := c.run(ctx, "", nil, "initdb", "-D", dir, "--data-checksums",
		"--encoding=UTF8", "--locale=C.UTF-8", "--lc-collate=C",
		"--username="+superuser, "--auth-local=peer", "--auth-host=reject")
	if err != nil {
		return err
	}
	_, err = c.run(ctx, birth, nil, "postgres", "--single", "-D", dir, "-c", "exit_on_error=on", superuser)
	if err != nil {
		return err
	}
	_, err = c.run(ctx, publication, nil, "postgres", "--single", "-D", dir, "-c", "exit_on_error=on", database)
	if err != nil {
		return err
	}
	return c.writeIdentity(dir, id)
}

// freshDir makes way for data in the making. What an earlier attempt left there
// was never a database, so it alone is deleted.
func (c *Cluster) freshDir() (string, error) {
	who, err := c.prepare()
	if err != nil {
		return "", err
	}
	fresh := c.beside()
	if err := os.RemoveAll(fresh); err != nil {
		return "", fmt.Errorf("cannot remove an unfinished copy: %w", err)
	}
	return fresh, who.mkdir(fresh)
}

// swapIn makes finished data the data. The place is empty: whoever had data
// there has set it aside.
func (c *Cluster) swapIn(fresh string) error {
	if err := errors.Join(removeFile(c.path("data.unusable")), removeFile(c.path(damageFile))); err != nil {
		return err
	}
	if err := rename(fresh, c.dataDir()); err != nil {
		return fmt.Errorf("cannot put the new data in its place: %w", err)
	}
	return nil
}
