package acceptance

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// A mirror that stays away while the main records more than its disk holds: the main warns,
// gives up the log that it keeps for the mirror, and goes on; the mirror is copied anew by
// itself when it is back (M4).
func keptLogOutgrowsTheDisk(t *testing.T, s *site) {
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 5, time.Time{})
	began := time.Now()
	postmaster, err := s.main.postmaster()
	if err != nil {
		t.Fatal(err)
	}
	s.secondary.kill9(t)
	s.main.says(t, "why-alone")
	least := s.main.record(t, 2*smallDisk, func() { s.main.eventSaid(t, "event-kept-log-grows", began, 10*time.Second) })
	t.Logf("at least %d MB of %d were free", least>>20, smallDisk>>20)
	if least < 16<<20 {
		t.Errorf("%d bytes were free at the least: without 16 MB, PostgreSQL ends", least)
	}
	s.main.eventSaid(t, "event-kept-log-given-up", began, 10*time.Second)
	eventually(t, 10*time.Second, "what was given up stands on the page", func() error { return s.main.notices(t, true) })
	for _, e := range s.main.mustView(t).Events {
		if e.Severity == releve.Critical && !e.At.Before(began) {
			t.Errorf("%s %v", e.What.Code, e.What.Args)
		}
	}
	if now, err := s.main.postmaster(); err != nil || now != postmaster {
		t.Errorf("PostgreSQL is process %d and was %d (%v)", now, postmaster, err)
	}
	load.waitGreeted(t, 10, time.Now())

	back := time.Now()
	s.secondary.start(t)
	s.waitMirrored(t)
	t.Logf("copied anew and in sync after %v", time.Since(back).Round(time.Millisecond))
	eventually(t, 10*time.Second, "nothing of it stands on the page", func() error { return s.main.notices(t, false) })
	calls := load.finish(t)
	checkGreeted(t, calls, s.main)
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// record writes so many bytes of log, in rows that are just not compressed, and tells how little of the disk was ever free.
// Once half of what may be kept is, it waits: a disk that takes the whole between two looks of the main gives it nothing to warn of.
func (s *server) record(t *testing.T, bytes int, half func()) (least uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	db, err := s.openDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx) //nolint:errcheck // it was never to be kept
	if _, err := db.Exec(ctx, "SET synchronous_commit = local"); err != nil {
		t.Fatal(err)
	}
	var disk syscall.Statfs_t
	least = smallDisk
	for written := 0; written < bytes; written += 24 << 20 {
		for _, statement := range []string{
			"CREATE TABLE much AS SELECT repeat(md5(g::text), 60) AS t FROM generate_series(1, 12000) AS g", "DROP TABLE much",
		} {
			if _, err := db.Exec(ctx, statement); err != nil {
				t.Fatalf("after %d MB: %v", written>>20, err)
			}
		}
		if err := syscall.Statfs(s.databaseDir(), &disk); err != nil {
			t.Fatal(err)
		}
		least = min(least, disk.Bavail*uint64(disk.Bsize))
		if half != nil && s.keptShare(ctx, t, db) > 0.55 {
			half()
			half = nil
		}
	}
	if half != nil {
		t.Errorf("%d MB were written, and the log that is kept was never seen near its bound", bytes>>20)
	}
	return least
}

// keptShare is how much of the log that may be kept for the mirror is, as PostgreSQL has it.
func (s *server) keptShare(ctx context.Context, t *testing.T, db *pgx.Conn) (share float64) {
	t.Helper()
	if err := db.QueryRow(ctx, `
SELECT coalesce(max(pg_current_wal_insert_lsn() - restart_lsn) / pg_size_bytes(current_setting('max_slot_wal_keep_size')), 0)::float8
FROM pg_replication_slots`).Scan(&share); err != nil {
		t.Fatal(err)
	}
	return share
}

// notices tells whether the page says that log was given up.
func (s *server) notices(t *testing.T, want bool) error {
	t.Helper()
	v, err := s.view()
	if err != nil {
		return err
	}
	said := slices.ContainsFunc(v.Main.Notices, func(n releve.Sentence) bool { return n.Code == "event-kept-log-given-up" })
	if said != want {
		return fmt.Errorf("it says %v", v.Main.Notices)
	}
	return nil
}
