package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"releve"
)

// checksumComplaint is PostgreSQL's complaint of a base backup about a page whose checksum is wrong
// (src/backend/replication/basebackup.c). It tells the first five of each file.
var checksumComplaint = regexp.MustCompile(`checksum verification failed in file "(?:\./)?([^"]+)", block (\d+)`)

// pagesRate is how fast pages are checked, in bytes a second: calls share the disk.
const pagesRate = "64M"

// CheckPages reads every page of the running cluster from the disk and verifies its
// checksum, as a base backup does; the backup itself is thrown away. A page that was
// written since it began is left out: it may be torn, and the log has it. The bad pages
// are a finding, not an error. It may last, up to ctx.
//
// Why not pg_checksums: it wants a cluster that is stopped. Why not pg_amcheck: it wants
// an extension, and finds what is wrong in a page's logic, not in what no query reads.
func (c *Cluster) CheckPages(ctx context.Context, progress Progress) ([]releve.BadPage, error) {
	if _, err := c.control(); err != nil {
		return nil, err
	}
	bad, err := c.checkPages(ctx, c.localInfo(RoleClone), progress)
	if err != nil {
		return bad, err
	}
	return bad, c.remember(bad)
}

// checkPages is CheckPages of the cluster that a connection leads to.
func (c *Cluster) checkPages(ctx context.Context, info string, progress Progress) ([]releve.BadPage, error) {
	var bad []releve.BadPage
	report := linesOf(progress)
	err := c.runMoving(ctx, program{
		name: "pg_basebackup",
		args: []string{"--dbname=" + patiently(info), "--pgdata=-", "--format=tar", "--wal-method=none", "--no-manifest",
			"--checkpoint=fast", "--max-rate=" + pagesRate, "--progress"},
		out: io.Discard,
		line: func(line string) {
			if page, ok := parseBadPage(line); ok {
				bad = append(bad, page)
			}
			report(line)
		},
	}, unguarded)
	if said := (*programError)(nil); len(bad) > 0 && errors.As(err, &said) {
		return bad, nil // that is why it complains at its end
	}
	if err != nil {
		return bad, fmt.Errorf("the pages on the disk could not all be read: %w", err)
	}
	return bad, nil
}

// localInfo is how our own programs reach the cluster that runs here.
func (c *Cluster) localInfo(role string) string {
	return fmt.Sprintf("host=%s port=%d user=%s application_name=%s", quoteConninfo(c.path("run")), c.opts.port(), role, role)
}

func parseBadPage(line string) (releve.BadPage, bool) {
	found := checksumComplaint.FindStringSubmatch(line)
	if found == nil {
		return releve.BadPage{}, false
	}
	page, err := strconv.ParseUint(found[2], 10, 32)
	return releve.BadPage{File: found[1], Page: uint32(page)}, err == nil
}
