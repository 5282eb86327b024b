package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/peer"
	"releve/adapters/phone"
	"releve/app"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
	"releve/proof/practice"
	"releve/rules/takeover"
	"releve/screen/console/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The site of these tests.
const (
	domain            = "ipbx.test"
	number            = "9"
	receptionPassword = "reception-secret"
	standbyPassword   = "standby-secret"
)

// house is an address of the loopback that another run of these tests does not take.
func house(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 62, byte(os.Getpid()), n}) }

func pbx() netip.AddrPort { return netip.AddrPortFrom(house(10), 5060) }

// newSite lays a site out and reads the configuration of its main server.
func newSite(t *testing.T) config.Config {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-") // short: it will hold PostgreSQL's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs under another account
		t.Fatal(err)
	}
	o := site.Defaults()
	o.Dir, o.Name, o.PBX, o.Domain = dir, "Hôpital", pbx(), domain
	o.Networks = []string{"127.0.0.0/8"}
	o.Main.Host, o.Secondary.Host = house(21), house(22)
	o.Main.Data, o.Secondary.Data = "m", "s"
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = number, receptionPassword, standbyPassword
	written, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	return load(t, written.Main)
}

// No disk is as large: the check says what it has room for.
func TestABoundOfKeptLogIsCheckedAgainstTheDisk(t *testing.T) {
	c := newSite(t)
	if err := app.CheckDatabase(c); err != nil {
		t.Fatalf("with what init writes: %v", err)
	}
	c.Mirror.KeptLog = 1 << 60
	err := app.CheckDatabase(c)
	fault, ok := errors.AsType[*releve.Fault](err)
	if !ok || !errors.Is(err, app.ErrMissing) || fault.Why.Code != "kept-log-too-large" || fault.Why.Args["most"] == "" {
		t.Errorf("it is told as %v", err)
	}
}

// Without PostgreSQL nothing else of it is of use yet: it is named before its certificates.
func TestACheckNamesPostgreSQLFirst(t *testing.T) {
	c := newSite(t)
	c.Peer.Certificate = "/none.pem"
	err := app.CheckDatabase(c)
	if fault, ok := identity.FaultOf(err); !ok || !errors.Is(err, app.ErrMissing) || fault.Why.Code != identity.Missing {
		t.Errorf("a certificate that is missing is told as %v", err)
	}
	noPostgres(t, &c)
	err = app.CheckDatabase(c)
	if _, ok := identity.FaultOf(err); ok || !errors.Is(err, app.ErrMissing) || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("both are told as %v", err)
	}
}

// logOf shows a server's log when the test fails.
func logOf(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// holdTCP and holdUDP are somebody else who has a port.
func holdTCP(t *testing.T, address string) func() {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = l.Close() }
}

func holdUDP(t *testing.T, address string) func() {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = c.Close() }
}

// openFiles are what this process holds open: sockets, files, locks.
func openFiles(t *testing.T) []string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, fd := range fds {
		if what, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(what, "/proc/") {
			all = append(all, what)
		}
	}
	slices.Sort(all)
	return all
}

// Whatever fails, what was opened before it is closed again: the same server
// starts once the cause is gone.
func TestAServerThatCannotBeMadeLeavesNothingOpen(t *testing.T) {
	for name, c := range map[string]struct {
		hinder func(*testing.T, *config.Config) (undo func())
		cause  error
		says   string
	}{
		"the peer link's port is taken": {func(t *testing.T, c *config.Config) func() { return holdTCP(t, c.Peer.Listen) }, app.ErrMissing, "7443"},
		"the SIP port is taken":         {func(t *testing.T, c *config.Config) func() { return holdUDP(t, c.SIP.Listen) }, app.ErrMissing, "5060"},
		"the page's port is taken":      {func(t *testing.T, c *config.Config) func() { return holdTCP(t, c.Console.Listen) }, app.ErrMissing, "8080"},
		"PostgreSQL is not there":       {noPostgres, app.ErrMissing, "/nonexistent"},
		"the database is a stranger's":  {strangersDatabase, app.ErrBarred, "data-not-ours"},
		"the data directory is a file":  {dataIsAFile, app.ErrMissing, "data"},
		"the spool is not ours":         {strangersSpool, app.ErrBarred, "spool"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := newSite(t)
			hindered := conf
			undo := c.hinder(t, &hindered)
			before := openFiles(t)
			if _, err := app.New(config.Prepared{Config: hindered}, true, logOf(t)); !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.cause, c.says)
			}
			if after := openFiles(t); !slices.Equal(before, after) {
				t.Errorf("open before:\n%q\nand after:\n%q", before, after)
			}
			undo()
			startAndStop(t, conf)
		})
	}
}

// startAndStop shows that a server can be made, and that it gives all back.
func startAndStop(t *testing.T, c config.Config) {
	t.Helper()
	a, err := app.New(config.Prepared{Config: c}, false, logOf(t))
	if err != nil {
		t.Fatalf("with the cause gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
}

func noPostgres(_ *testing.T, c *config.Config) func() {
	c.Database.Binaries = "/nonexistent"
	return func() {}
}

func strangersDatabase(t *testing.T, c *config.Config) func() {
	dir := filepath.Join(c.Site.Data, "postgres", "data")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("15\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return func() {
		for _, beside := range []string{"journal", "spool", "diary"} {
			if _, err := os.Stat(filepath.Join(c.Site.Data, beside)); err == nil {
				t.Errorf("%s was made beside data that is not ours", beside)
			}
		}
		if err := os.RemoveAll(c.Site.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// Whether this process is the only one of its server, the spool says: nothing else is opened
// before it, not even what happens is written.
func strangersSpool(t *testing.T, c *config.Config) func() {
	dir := filepath.Join(c.Site.Data, "spool")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "spool"), []byte("no spool"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := os.Stat(filepath.Join(c.Site.Data, "diary")); err == nil {
			t.Error("a diary was begun by a process that is not the server")
		}
		if err := os.RemoveAll(c.Site.Data); err != nil {
			t.Fatal(err)
		}
	}
}

func dataIsAFile(t *testing.T, c *config.Config) func() {
	if err := os.WriteFile(c.Site.Data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(c.Site.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// A second server with the same data would be two of one seat.
func TestASecondServerWithTheSameDataIsRefused(t *testing.T) {
	c := newSite(t)
	first, err := app.New(config.Prepared{Config: c}, false, logOf(t))
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	if _, err := app.New(config.Prepared{Config: c}, false, logOf(t)); !errors.Is(err, app.ErrBarred) {
		t.Errorf("got %v", err)
	}
	if after := openFiles(t); !slices.Equal(before, after) {
		t.Errorf("open before:\n%q\nand after:\n%q", before, after)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Run(ctx); err != nil {
		t.Error(err)
	}
}

// limits of what these tests wait for, on a machine that is busy.
const (
	startLimit = time.Minute
	stopLimit  = 30 * time.Second
)

// A whole server in this process: it founds its site on a real PostgreSQL, and
// when it is told to stop, neither a goroutine nor a postmaster is left.
func TestAServerStartsServesAndStops(t *testing.T) {
	exchange, err := practice.NewPBX(practice.PBXOptions{
		Listen: pbx(), Realm: domain, Number: number, Log: slog.New(slog.DiscardHandler),
		ReceptionPassword: receptionPassword, StandbyPassword: standbyPassword, PhonePassword: "phone",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exchange.Close() //nolint:errcheck // a socket
	c := newSite(t)
	a, err := app.New(config.Prepared{Config: c}, true, logOf(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		<-ended
	}()
	awaitOwner(t, a, releve.Main)
	postmaster := postmasterOf(t, c)
	site, err := client.New(c.Socket()).Site(t.Context())
	if err != nil || site.Name != "Hôpital" || site.Seat != releve.Main {
		t.Errorf("the control socket says %+v, %v", site, err)
	}
	stop()
	select {
	case err := <-ended:
		ended <- nil
		if err != nil {
			t.Error(err)
		}
	case <-time.After(stopLimit):
		t.Fatal("it does not stop")
	}
	if err := syscall.Kill(postmaster, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("PostgreSQL (process %d) is still there: %v", postmaster, err)
	}
	if b := exchange.Bindings(practice.ReceptionUser); len(b) > 0 {
		t.Errorf("it left its binding at the PBX: %v", b)
	}
}

// Whoever asks while a server is being made has no answer yet, and none that a half of it
// gives: by the link, by SIP, or as a PBX whose call is refused before anybody looks at it.
func TestNobodyIsHeardBeforeAServerCanAnswer(t *testing.T) {
	c := newSite(t)
	asker := newAsker(t, load(t, fileOf(filepath.Dir(c.Site.Data), releve.Secondary)))
	heard := asker.askUntilHeard(t, c)
	a, err := app.New(config.Prepared{Config: c}, true, logOf(t))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case what := <-heard:
		t.Errorf("%s was answered by a server that does not run", what)
	default:
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for range 3 {
		select {
		case what := <-heard:
			t.Logf("%s is answered", what)
		case <-time.After(startLimit):
			t.Fatal("it runs, and does not answer")
		}
	}
}

// asker is the other server, of which only the doors are made.
type asker struct {
	link  *peer.Peer
	phone *phone.Phone
}

func newAsker(t *testing.T, c config.Config) asker {
	t.Helper()
	at := netip.MustParseAddrPort
	link, err := peer.New(peer.Options{
		Listen: at(c.Peer.Listen), Other: at(c.Peer.Other), CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
		OtherCert: c.Peer.OtherCertificate, Seat: c.Site.Seat, SiteID: c.Site.ID, Log: logOf(t), // it serves nothing
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	telephone, err := phone.New(phone.Options{
		Listen: at(c.SIP.Listen), PBX: at(c.PBX.Address), Domain: c.PBX.Domain,
		RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast, Log: logOf(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telephone.Close() })
	return asker{link, telephone}
}

// askUntilHeard asks a server in three ways, each again and again until it has an answer,
// and gives the names of the ways as they do.
func (a asker) askUntilHeard(t *testing.T, c config.Config) <-chan string {
	t.Helper()
	const unanswered = 50 * time.Millisecond
	heard := make(chan string, 3)
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	t.Cleanup(func() {
		stop()
		asking.Wait()
	})
	to := netip.MustParseAddrPort(c.SIP.Listen)
	for what, ask := range map[string]func(ctx context.Context) bool{
		"a status on the link": func(ctx context.Context) bool {
			err := a.link.Exchange(ctx, struct{}{}, new(struct{}))
			return err == nil
		},
		"a question over SIP": func(ctx context.Context) bool {
			question, err := a.link.SealQuestion("nonce")
			if err != nil {
				t.Error(err)
			}
			_, code, err := a.phone.CheckOther(ctx, to, question)
			return err == nil && code != 0
		},
		"a call that asks for too much": func(ctx context.Context) bool { return refusedFrom(ctx, pbx(), to) },
	} {
		asking.Go(func() {
			for ctx.Err() == nil {
				once, end := context.WithTimeout(ctx, unanswered)
				if ask(once) {
					heard <- what
					end()
					return
				}
				end()
			}
		})
	}
	return heard
}

// refusedFrom sends a call as a PBX does and says whether it was refused before the context ended.
func refusedFrom(ctx context.Context, from, to netip.AddrPort) bool {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr(), 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // a socket
	us := conn.LocalAddr()
	fmt.Fprintf(conn, "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%s;rport\r\nFrom: <sip:201@b>;tag=1\r\n"+
		"To: <sip:9@d>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nRequire: everything\r\n\r\n", number, to, us, us, us)
	until, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(until)
	answer := make([]byte, 2048)
	for {
		n, err := conn.Read(answer)
		if err != nil {
			return false
		}
		if strings.HasPrefix(string(answer[:n]), "SIP/2.0 420") {
			return true
		}
	}
}

// awaitOwner waits until the server says that a seat is on duty with a database.
func awaitOwner(t *testing.T, a *app.App, owner releve.Seat) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	for v := range a.Watch(ctx) {
		if v.Owner == owner && v.Main.Duty == releve.Active && v.Main.Data.State == "well" {
			return
		}
	}
	t.Fatalf("nobody on duty within %s: %+v", startLimit, a.View())
}

// postmasterOf reads the first line of PostgreSQL's lock file.
func postmasterOf(t *testing.T, c config.Config) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Site.Data, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || syscall.Kill(pid, 0) != nil {
		t.Fatalf("no PostgreSQL runs as %q: %v", first, err)
	}
	return pid
}

// newMirroringSite lays a site of level mirroring out and reads both configurations.
func newMirroringSite(t *testing.T) (main, secondary config.Config) {
	t.Helper()
	dir := filepath.Dir(newSite(t).Site.Data)
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		file := fileOf(dir, seat)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), `level = "high-availability"`, `level = "mirroring"`, 1)
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, fileOf(dir, releve.Main)), load(t, fileOf(dir, releve.Secondary))
}

// fileOf is where a site's directory has a server's configuration.
func fileOf(dir string, seat releve.Seat) string { return filepath.Join(dir, string(seat)+".toml") }

func load(t *testing.T, file string) config.Config {
	t.Helper()
	c, mistakes := config.Load(file)
	for _, m := range mistakes {
		t.Fatal(m)
	}
	return c
}

// At level mirroring the secondary opens no socket of SIP, and is made although
// somebody else has the port that its file names.
func TestAServerWithoutATelephoneOpensNone(t *testing.T) {
	_, c := newMirroringSite(t)
	defer holdUDP(t, netip.AddrPortFrom(house(22), 5060).String())()
	startAndStop(t, c)
}

// A server that was last on duty cannot become one without a telephone.
func TestAServerOnDutyIsNotMadeMute(t *testing.T) {
	_, c := newMirroringSite(t)
	j, err := journal.Open(filepath.Join(c.Site.Data, "journal"), c.Site.ID, releve.Secondary)
	if err != nil {
		t.Fatal(err)
	}
	onDuty := takeover.Durable{Seat: releve.Secondary, Owner: releve.Secondary, Term: 2, Vote: true}
	if err := j.SaveWithin(t.Context(), onDuty); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	_, err = app.New(config.Prepared{Config: c}, false, logOf(t))
	fault, told := errors.AsType[*releve.Fault](err)
	if !errors.Is(err, app.ErrBarred) || !told || fault.Why.Code != "level-on-duty" {
		t.Errorf("got %v", err)
	}
	if after := openFiles(t); !slices.Equal(before, after) {
		t.Errorf("open before:\n%q\nand after:\n%q", before, after)
	}
}
