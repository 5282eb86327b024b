package postgres

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"releve"
)

// SortOrder asks the running database, and this machine's C library.
func (c *Cluster) SortOrder(ctx context.Context) (releve.SortOrder, error) {
	session, err := c.session(ctx)
	if err != nil {
		return releve.SortOrder{}, err
	}
	defer closeSession(session)
	var o releve.SortOrder
	var provider string
	err = session.QueryRow(ctx, `
SELECT datcollate, datlocprovider::text, coalesce(datcollversion, ''), coalesce(pg_database_collation_actual_version(oid), '')
FROM pg_database WHERE datname = current_database()`).Scan(&o.Collation, &provider, &o.Made, &o.Now)
	if err != nil {
		return o, fmt.Errorf("how the database sorts is not known: %w", err)
	}
	// A provider's letter is that of pg_collation.collprovider: libc, ICU, builtin.
	o.ByBytes = provider == "b" || provider == "c" && (o.Collation == "C" || o.Collation == "POSIX")
	o.Library = map[string]string{"i": "ICU", "b": "PostgreSQL"}[provider]
	if provider == "c" {
		o.Library, err = libcVersion(ctx)
	}
	return o, err
}

// libcVersion is such as "glibc 2.36".
func libcVersion(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "/usr/bin/getconf", "GNU_LIBC_VERSION")
	cmd.Env = environment
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("the version of this machine's C library is not known: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Reindex is what makes every index anew by the rules of the server that it is given on.
func (c *Cluster) Reindex() string {
	return fmt.Sprintf("psql -h %s -p %d -U %s -c 'REINDEX DATABASE %s' -c 'ALTER DATABASE %s REFRESH COLLATION VERSION' %s",
		c.path("run"), c.opts.port(), superuser, database, database, database)
}
