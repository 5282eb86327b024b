package journal

import (
	"os"
	"path/filepath"
	"testing"

	"releve"
	"releve/rules/takeover"
)

// What the version before wrote is known to this one, whole, and this one goes on from there:
// a main that was killed while its mirror held the vote, the secondary that then took over, and
// a journal in which nothing is left out.
func TestAJournalOfTheVersionBefore(t *testing.T) {
	const site = "PQYXWP2XVRV3B3LF55VQO4UYSR"
	own, copied := releve.DataID("UTQIQU6ZBLFPSYLDDYIU4EQR3A"), releve.DataID("IRBQWOIGPRSY5HO5VKUDVJEWPK")
	candidate := takeover.Candidate{DataID: copied, Timeline: 1, Position: 0x3000000}
	for _, c := range []struct {
		dir, site string
		sequence  uint64
		want      takeover.Durable
	}{
		{"main", site, 3, takeover.Durable{
			Seat: releve.Main, Term: 1, Owner: releve.Main, Number: 1, Issued: true, Candidate: candidate, DataID: own,
			Promotion: takeover.Promotion{ID: "founded-UTQIQU6ZBLFPSYLDDYIU4EQR3A", Timeline: 1, Done: true}, Arbiter: releve.Pair,
		}},
		{"secondary", site, 5, takeover.Durable{
			Seat: releve.Secondary, Term: 2, Owner: releve.Secondary, Vote: true, Candidate: candidate, DataID: copied,
			Promotion: takeover.Promotion{ID: "secondary-2-IRBQWOIGPRSY5HO5VKUDVJEWPK", Timeline: 2, Fork: 0x3015928, Done: true},
		}},
		{"everything", "SITE", 2, takeover.Durable{
			Seat: releve.Secondary, Term: 1<<64 - 1, Owner: releve.Main, Vote: true, Number: 3, Issued: true,
			Candidate: takeover.Candidate{DataID: "OFFERED", Timeline: 5, Position: 0x16B3748_0000A1B2}, Abdicated: 6, Released: true, DataID: "OWN",
			Promotion: takeover.Promotion{ID: "secondary-7-OWN", Timeline: 8, Fork: 0x9_0A0B0C0D, Done: true},
			Arbiter:   releve.Witness, Incarnation: 10, Claimed: 11, Restored: true, Upstream: "main-12-UPSTREAM",
		}},
	} {
		t.Run(c.dir, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "version1", c.dir))); err != nil {
				t.Fatal(err)
			}
			knows := func(want takeover.Durable, sequence uint64) Takeover {
				t.Helper()
				j, err := Open(dir, c.site, c.want.Seat)
				if err != nil {
					t.Fatal(err)
				}
				if d, known, err := (Takeover{j}).Load(); d != want || !known || err != nil {
					t.Errorf("it knows\n%+v, %v, %v; want\n%+v", d, known, err, want)
				}
				s := <-j.turn
				j.turn <- s
				if s.header.Sequence != sequence {
					t.Errorf("it was saved %d times, want %d", s.header.Sequence, sequence)
				}
				return Takeover{j}
			}
			next := c.want
			next.Term, next.Number = c.want.Term/2+1, c.want.Number+1
			if err := knows(c.want, c.sequence).Save(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			knows(next, c.sequence+1)
		})
	}
}
