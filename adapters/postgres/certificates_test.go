package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	keys "releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// pairIn is a pair whose certificates are those of a directory.
func pairIn(t *testing.T, dir string) (main, secondary *Cluster) {
	t.Helper()
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	first := optionsFor(t, releve.Main, mainAddress, secondaryAddress)
	second := optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)
	first.TLS, second.TLS = certificatesIn(t, dir, releve.Main), certificatesIn(t, dir, releve.Secondary)
	return pairOf(t, newCluster(t, first), newCluster(t, second))
}

// Of all certificates of a site one lets a mirror in, and one is believed to be the main's
// PostgreSQL. Asked by libpq, as the mirror asks.
func TestOneCertificateReplicatesAndOneIsReplicatedFrom(t *testing.T) {
	dir := openDir(t)
	identitytest.New(t, dir, testSite)
	main, secondary := pairIn(t, dir)
	var enters, believed []string
	for name, shown := range identitytest.Every(t, dir) {
		o := secondary.opts
		o.Dir = filepath.Join(openDir(t), "pg")
		o.TLS.Mirror, o.TLS.MirrorKey = inPEM(t, shown)
		stranger := newCluster(t, o)
		if stranger.identifies(t, main) {
			enters = append(enters, name)
		}
		if secondary.believes(t, shown) {
			believed = append(believed, name)
		}
	}
	if want := []string{"secondary.mirror"}; !slices.Equal(enters, want) {
		t.Errorf("the main lets %q in, want %q", enters, want)
	}
	if want := []string{"main.postgres"}; !slices.Equal(believed, want) {
		t.Errorf("the mirror believes %q, want %q", believed, want)
	}
}

// identifies says whether a replication connection to an owner is let in.
func (c *Cluster) identifies(t *testing.T, owner *Cluster) bool {
	t.Helper()
	_, err := c.prepare()
	must(t, err)
	_, err = c.run(within(t), "", nil, "psql", "-X", "--command=IDENTIFY_SYSTEM",
		c.conninfo(owner.opts.Listen, RoleMirror, "test")+" dbname=postgres replication=true")
	return err == nil
}

// believes says whether the mirror would talk to what shows a certificate where the other's
// PostgreSQL should be: whether it says, encrypted, who it is.
func (c *Cluster) believes(t *testing.T, shown tls.Certificate) bool {
	t.Helper()
	at := freeAddress(t)
	l, err := net.Listen("tcp", at.String())
	must(t, err)
	defer l.Close()
	told := make(chan bool, 1)
	go func() { told <- impostor(l, shown) }()
	_, _ = c.run(within(t), "", nil, "psql", "-X", "--command=SELECT 1", c.conninfo(at, RoleMirror, "test")+" dbname=postgres")
	_ = l.Close()
	return <-told
}

// impostor takes one connection as PostgreSQL does (manual §55.2.10) and says whether the
// client went on after it had seen the certificate.
func impostor(l net.Listener, shown tls.Certificate) bool {
	raw, err := l.Accept()
	if err != nil {
		return false
	}
	defer raw.Close()
	if _, err := io.ReadFull(raw, make([]byte, 8)); err != nil { // SSLRequest
		return false
	}
	if _, err := raw.Write([]byte("S")); err != nil {
		return false
	}
	conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{shown}})
	n, err := conn.Read(make([]byte, 8)) // of its StartupMessage
	return err == nil && n > 0
}

func inPEM(t *testing.T, pair tls.Certificate) (certificate, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// A site from before there was a certificate for each purpose goes on, and what lay in tls/
// then is gone.
func TestASiteOfOneCertificateForAllGoesOn(t *testing.T) {
	dir := openDir(t)
	identitytest.OneForAll(t, dir, testSite, identitytest.Everybody...)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	must(t, os.MkdirAll(filepath.Join(o.Dir, "tls"), 0o755))
	for _, name := range retired {
		must(t, os.WriteFile(filepath.Join(o.Dir, "tls", name), []byte("old"), 0o600))
	}
	second := optionsFor(t, releve.Secondary, o.Upstream, o.Listen)
	o.TLS, second.TLS = certificatesIn(t, dir, releve.Main), certificatesIn(t, dir, releve.Secondary)
	main, secondary := pairOf(t, newCluster(t, o), newCluster(t, second))
	inSync(t, main)
	if info := secondary.conninfo(main.opts.Listen, RoleMirror, "name"); !strings.Contains(info, "sslmode='verify-ca'") {
		t.Error(info)
	}
	for _, name := range retired {
		if _, err := os.Stat(filepath.Join(o.Dir, "tls", name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

// The keys of a site are changed one server at a time while calls are recorded: a commit
// waits no longer than for the mirror to come again, and in the end the former keys open
// nothing, nor keep open what they had opened.
func TestKeysAreChangedUnderCommits(t *testing.T) {
	for story, former := range map[string]func(dir string){
		"one for everything":   func(dir string) { identitytest.OneForAll(t, dir, testSite, identitytest.Everybody...) },
		"one for each purpose": func(dir string) { identitytest.New(t, dir, testSite) },
	} {
		t.Run(story, func(t *testing.T) {
			old, next, together := openDir(t), openDir(t), openDir(t)
			former(old)
			identitytest.New(t, next, testSite)
			every := []string{"ca.pem", "main.pem", "main.key", "secondary.pem", "secondary.key"}
			identitytest.Copy(t, old, together, every...)
			identitytest.Both(t, next, together, every...)
			main, secondary := pairIn(t, old)
			commits := keepCommitting(t, main)
			before, after := generationIn(t, old), generationIn(t, next)
			for _, step := range []struct {
				dir, generation string
			}{{together, before}, {together, after}, {next, after}} {
				for _, c := range []*Cluster{main, secondary} {
					must(t, c.Recertify(within(t), certificatesFor(t, step.dir, c.opts.Seat, step.generation)))
					commits.goOn(t)
				}
				inSync(t, main)
			}
			if longest := commits.stop(); longest > mostStill {
				t.Errorf("a commit took %s, more than %s", longest, mostStill)
			}
			for name, shown := range identitytest.Every(t, old) {
				o := secondary.opts
				o.Dir, o.TLS = filepath.Join(openDir(t), "pg"), certificatesIn(t, next, releve.Secondary)
				o.TLS.Mirror, o.TLS.MirrorKey = inPEM(t, shown)
				if newCluster(t, o).identifies(t, main) {
					t.Errorf("%s of the former keys is let in", name)
				}
				if secondary.believes(t, shown) {
					t.Errorf("%s of the former keys is believed", name)
				}
			}
			want := identitytest.Every(t, next)["secondary.mirror"].Leaf.SerialNumber.String()
			until(t, "all who are connected came by the new keys", func() bool {
				return count(t, openPool(t, main),
					`SELECT count(*) FROM pg_stat_ssl WHERE ssl AND client_serial::text <> $1`, want) == 0 &&
					count(t, openPool(t, main), `SELECT count(*) FROM pg_stat_ssl WHERE ssl`) > 0
			})
		})
	}
}

// mostStill is what ARCHITECTURE promises of a mirror that is away with a word.
const mostStill = 2 * time.Second

func generationIn(t *testing.T, dir string) string {
	t.Helper()
	all, err := keys.Generations(filepath.Join(dir, "ca.pem"))
	must(t, err)
	return all[0]
}

func certificatesFor(t *testing.T, dir string, seat releve.Seat, generation string) Certificates {
	t.Helper()
	held, err := keys.Load(filesIn(dir, seat))
	must(t, err)
	files, err := held.ForPostgres(testSite, seat, generation)
	must(t, err)
	return Certificates(files)
}

// committing is somebody who records one thing after the other.
type committing struct {
	longest time.Duration // its goroutine's, until it has ended
	each    chan struct{}
	end     context.CancelFunc
	done    chan struct{}
}

func keepCommitting(t *testing.T, c *Cluster) *committing {
	t.Helper()
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE kept (n int)")
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end) // before the pool is closed, which waits for it
	w := &committing{each: make(chan struct{}), end: end, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			begun := time.Now()
			if _, err := pool.Exec(ctx, "INSERT INTO kept VALUES (1)"); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			w.longest = max(w.longest, time.Since(begun))
			select {
			case w.each <- struct{}{}:
			default:
			}
		}
	}()
	return w
}

// goOn waits for some more commits.
func (w *committing) goOn(t *testing.T) {
	t.Helper()
	for range 5 {
		select {
		case <-w.each:
		case <-w.done:
			t.Fatal("nothing is committed any more")
		case <-time.After(limit):
			t.Fatal("no commit has returned")
		}
	}
}

func (w *committing) stop() time.Duration {
	w.end()
	<-w.done
	return w.longest
}
