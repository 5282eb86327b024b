package rotation

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

const testSite = "THISSITE"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// believer is a link whose other end believes a generation.
type believer struct {
	used       *identity.Credentials
	generation string
	stands     bool
}

func (b *believer) Use(c *identity.Credentials) { b.used = c }
func (b *believer) Agreed() (string, bool)      { return b.generation, b.stands }

// keptCertificates is what PostgreSQL was given.
type keptCertificates struct{ given []identity.PostgresFiles }

func (k *keptCertificates) Recertify(_ context.Context, c identity.PostgresFiles) error {
	k.given = append(k.given, c)
	return nil
}

// keysIn is the key change of the main in a directory of files, and what it tells.
func keysIn(t *testing.T, dir string) (*Rotation, *believer, *keptCertificates, *[]releve.Sentence) {
	t.Helper()
	files, link, database, told := identitytest.Files(dir, releve.Main), &believer{}, &keptCertificates{}, &[]releve.Sentence{}
	k, err := Begin(files, identity.Identity{Site: testSite, Seat: releve.Main}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k.link, k.database, k.explain = link, database, func(what releve.Sentence) { *told = append(*told, what) }
	return k, link, database, told
}

// Files that are put in the place of others count at the next look, once they go together.
func TestFilesThatAreExchangedCountOnceTheyGoTogether(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	identitytest.New(t, dir, testSite)
	identitytest.New(t, next, testSite)
	k, link, database, told := keysIn(t, dir)
	k.look(t.Context())
	if link.used != nil || len(database.given) != 0 || len(*told) != 0 {
		t.Fatalf("nothing has changed, and it uses %v, gives %d, tells %v", link.used, len(database.given), *told)
	}
	for _, name := range []string{"ca.pem", "main.pem", "main.key"} {
		identitytest.Copy(t, next, dir, name)
		k.look(t.Context())
		if link.used != nil {
			t.Fatalf("with %s, half of the files count", name)
		}
	}
	for range keysUnfit {
		k.look(t.Context())
	}
	if len(*told) != 1 || (*told)[0].Code != "event-certificates-unfit" || (*told)[0].Args["fault"] != identity.Incomplete {
		t.Errorf("files that do not go together are told as %v", *told)
	}
	identitytest.Copy(t, next, dir, "secondary.pem")
	k.look(t.Context())
	if link.used == nil || len(database.given) != 1 || (*told)[len(*told)-1].Code != "event-certificates-taken" {
		t.Errorf("they go together: uses %v, gives %d, tells %v", link.used, len(database.given), *told)
	}
}

// Nobody takes away what the other server believes, nor gives a server another's files.
func TestFilesThatTheOtherWouldNotBelieveAreNotUsed(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	identitytest.New(t, dir, testSite)
	identitytest.New(t, next, testSite)
	k, link, _, told := keysIn(t, dir)
	link.generation, link.stands = k.current.Generations()[0], true
	identitytest.Copy(t, next, dir, identitytest.Names(releve.Main)...)
	for range keysUnfit {
		k.look(t.Context())
	}
	if link.used != nil || len(*told) != 1 || (*told)[0].Args["fault"] != identity.OtherNotReady {
		t.Errorf("uses %v, tells %v", link.used, *told)
	}
	link.stands = false // it is not heard: there is nothing to keep up
	k.look(t.Context())
	if link.used == nil {
		t.Error("they are not used although the other is not heard")
	}
	link.used = nil
	for from, to := range map[string]string{"main.pem": "secondary.pem", "main.key": "secondary.key", "secondary.pem": "main.pem", "secondary.key": "main.key"} {
		text, err := os.ReadFile(filepath.Join(next, from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.look(t.Context())
	if link.used != nil {
		t.Error("the other's files are used as its own")
	}
}

// PostgreSQL shows one certificate to everybody: that of the keys which the other believes.
func TestPostgreSQLShowsWhatTheOtherBelieves(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	identitytest.New(t, dir, testSite)
	identitytest.New(t, next, testSite)
	identitytest.Both(t, next, dir, identitytest.Names(releve.Main)...)
	k, link, database, _ := keysIn(t, dir)
	generations := k.current.Generations()
	if len(generations) != 2 {
		t.Fatal(generations)
	}
	for _, generation := range []string{generations[1], generations[0], generations[0], generations[1]} {
		link.generation, link.stands = generation, true
		k.look(t.Context())
		want, err := k.current.ForPostgres(testSite, releve.Main, generation)
		if err != nil || string(k.given.Shown) != string(want.Shown) {
			t.Errorf("it does not show that of %s: %v", generation, err)
		}
	}
	if len(database.given) != 2 {
		t.Errorf("it was given others %d times, want twice", len(database.given))
	}
}
