package witness_test

import (
	"os"
	"path/filepath"
	"testing"

	"releve"
	"releve/adapters/journal"
	"releve/doors/identity"
)

// BenchmarkClaim is one claim over TLS on loopback, granted and on the disk. A
// record is two fsyncs: of the new file, and of the directory that names it.
func BenchmarkClaim(b *testing.B) {
	s := newSite(b)
	record, err := journal.Open(filepath.Join(b.TempDir(), "data"), siteID, identity.Witness)
	if err != nil {
		b.Fatal(err)
	}
	s.start(s.options(record))
	main := s.client(releve.Main, s.at)
	now := must(b, main, seed())
	for b.Loop() {
		if now, err = main.Claim(b.Context(), after(now, handOver)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFsync is what the disk itself takes for one write of the same size.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	record := make([]byte, 512)
	for b.Loop() {
		_, err := f.WriteAt(record, 0)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what a server's look at the register costs the witness and it.
func BenchmarkRead(b *testing.B) {
	s := newSite(b)
	s.start(s.options(&disk{}))
	main := s.client(releve.Main, s.at)
	must(b, main, seed())
	for b.Loop() {
		if _, err := main.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
