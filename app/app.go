// Package app builds one server out of its configuration: the rooms are made,
// joined, started, and stopped in reverse.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"releve"
	"releve/account"
	"releve/agent"
	"releve/arbiter"
	"releve/config"
	"releve/console"
	"releve/diary"
	"releve/journal"
	"releve/outbox"
	"releve/peer"
	"releve/peer/identity"
	"releve/postgres"
	"releve/salvage"
	"releve/spool"
	"releve/takeover"
	"releve/verify"
	"releve/view"
)

// What New fails with, beside the error's own sentence: something missing on the
// machine, or something there that forbids to go on. Nothing was changed.
var (
	ErrMissing   = errors.New("this machine lacks something")
	ErrForbidden = errors.New("what is on this machine forbids to start")
)

// App is one server.
type App struct {
	config  config.Config
	log     *slog.Logger
	closers []func()
	rights  *account.Rights // until root is given up; nil without any
	secrets []string        // files that nobody else may read, and can
	rooted  *view.Sentence  // why this server goes on as root, nil where it does not

	database  *database
	records   *records
	spool     *spool.Spool
	diary     *diary.Diary
	peer      *peer.Peer
	telephony telephony
	agent     *agent.Agent
	salvager  *salvage.Salvager
	prover    *verify.Prover
	orders    *orders
	stored    *storedFacts
	console   *console.Server
	keys      *keyChange
}

// New makes a server. It opens what belongs to this machine alone: the journal,
// the spool, the sockets. Nothing is answered before Run.
func New(c config.Config, found bool, log *slog.Logger) (*App, error) {
	return open(&App{config: c, log: log, stored: newStoredFacts()}, found)
}

func open(a *App, found bool) (*App, error) {
	if err := a.build(found); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *App) build(found bool) error {
	a.keys = newKeyChange(a.config, a.log, a.explain)
	if err := a.findPostgres(); err != nil { // first: nothing is written beside data that is another's
		return err
	}
	saved, err := a.openDisk()
	if err != nil {
		return err
	}
	if err := a.refuseMuteOwner(saved); err != nil {
		return err
	}
	a.closers = append(a.closers, a.closePostgres) // not before the disk's locks are ours: it may be another's that runs
	disk := newOwnDisk(a.database.cluster, a.config.Site.Seat)
	a.closers = append(a.closers, disk.wait)
	handler := &answers{seat: a.config.Site.Seat, spool: a.spool}
	handler.cluster = a.database.cluster
	if err := a.openPorts(handler); err != nil {
		return err
	}
	witness, err := a.openWitness()
	if err != nil {
		return err
	}
	a.makeAgent(saved, witness, found)
	a.makeSalvager(disk)
	a.makeOrders()
	a.makeProver()
	handler.agent, handler.salvage = a.agent, &salvageDesk{disk, a.salvager}
	handler.pupil = &pupil{a.telephony}
	handler.proof = &proofDesk{verify.Local{Database: ownDatabase{a.database.cluster}}, a.prover}
	return a.forPort(a.config.Console.Listen, a.openFaces)
}

func (a *App) openPorts(h peer.Handler) error {
	if err := a.forPort(a.config.Peer.Listen, func() error { return a.openPeer(h) }); err != nil {
		return err
	}
	return a.rights.Raised(a.openTelephony) // for its port, and for the thread that keeps sound on time
}

// openDisk opens what this server keeps by itself, PostgreSQL or not.
func (a *App) openDisk() (savedTerm, error) {
	site := a.config.Site
	if err := os.MkdirAll(site.Data, 0o755); err != nil {
		return savedTerm{}, fmt.Errorf("%w: the data directory cannot be made: %w", ErrMissing, err)
	}
	j, err := journal.Open(filepath.Join(site.Data, "journal"), site.ID, site.Seat)
	if err != nil {
		return savedTerm{}, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	a.spool, err = spool.Open(filepath.Join(site.Data, "spool"), site.Seat, spool.Options{Log: a.log, MayRenew: a.mayRenew})
	if err != nil {
		return savedTerm{}, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	a.closers = append(a.closers, func() { _ = a.spool.Close() })
	a.diary, err = diary.Open(filepath.Join(site.Data, "diary"), diary.Options{Seat: site.Seat, Log: a.log})
	if err != nil {
		return savedTerm{}, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	a.closers = append(a.closers, func() { _ = a.diary.Close() })
	return savedTerm{j}, nil
}

// refuseMuteOwner: a server that was last on duty cannot become one without a telephone:
// nobody else may answer in its term.
func (a *App) refuseMuteOwner(saved savedTerm) error {
	d, known, err := saved.Load()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if a.config.Mute() && known && d.Owns() {
		return fmt.Errorf("%w: %w", ErrForbidden, &view.Fault{Cause: errMuteOwner, Why: view.Say("level-on-duty", "seat", string(d.Seat))})
	}
	return nil
}

// errMuteOwner is the cause for logs.
var errMuteOwner = errors.New("this server was last on duty and has no telephone at level mirroring")

// acknowledged is told of each fact that the database has.
func (a *App) acknowledged(facts []releve.Fact) {
	facts = slices.DeleteFunc(slices.Clone(facts), func(f releve.Fact) bool { return f.Call == "" })
	a.agent.Stored(facts) // what is no call's is nobody's record
	a.stored.add(facts)
}

// mayRenew: a spool whose facts are all stored may go once they are on two disks.
func (a *App) mayRenew() bool {
	if a.agent == nil {
		return false
	}
	m := a.agent.Machine()
	return m.Protected()
}

// findPostgres finds its programs and looks at whose the data is. It changes nothing.
func (a *App) findPostgres() error {
	c := a.config
	found, err := postgres.Find(c.Database.Binaries)
	if errors.Is(err, postgres.ErrOldMinor) {
		a.log.Warn("PostgreSQL should be updated", "err", err)
	} else if err != nil {
		found = postgres.Installation{}
	}
	held, wrong := identity.Load(c.Peer.Files())
	if wrong != nil {
		return fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	cluster, wrong := newCluster(c, held, found, a.log)
	if wrong != nil {
		return fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	if wrong := a.keys.begin(held, cluster); wrong != nil {
		return fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	upstream := address(c.Database.Other)
	a.database = &database{cluster: cluster, upstream: upstream, starts: newAttempts(c.Site.Seat), log: a.log}
	a.database.starts.explain = a.explain
	a.records = newRecords(cluster, c.Site.Seat, a.acknowledged, a.log)
	state, unknown := cluster.Whose()
	switch {
	case unknown != nil:
		a.log.Error("the database will not start", "err", unknown)
	case state.Presence == postgres.Foreign:
		return fmt.Errorf("%w: %w", ErrForbidden, state.Foreign)
	case state.Presence == postgres.Absent && found.Bin == "":
		return fmt.Errorf("%w: %w", ErrMissing, err)
	case found.Bin == "": // a site that lives answers its calls all the same
		a.log.Error("the database will not start", "err", err)
	}
	return nil
}

func newCluster(c config.Config, held *identity.Credentials, found postgres.Installation, log *slog.Logger) (*postgres.Cluster, error) {
	certificates, err := held.ForPostgres(c.Site.ID, c.Site.Seat, "")
	if err != nil {
		return nil, err
	}
	return postgres.New(postgres.Options{
		Installation: found, Hint: c.Database.Binaries, Dir: filepath.Join(c.Site.Data, "postgres"),
		Listen: address(c.Database.Listen), Upstream: address(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, TLS: postgres.Certificates(certificates),
		Account: c.Database.Account, CopyRate: int64(c.Mirror.CopyRate), KeepWAL: int64(c.Mirror.KeptLog), Log: log,
	})
}

// CheckDatabase finds what would keep the database from starting, without changing anything.
// Its error is of ErrMissing or ErrForbidden.
func CheckDatabase(c config.Config) error {
	found, err := postgres.Find(c.Database.Binaries)
	if err != nil && !errors.Is(err, postgres.ErrOldMinor) {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	held, err := identity.Load(c.Peer.Files())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	cluster, err := newCluster(c, held, found, nil)
	if err == nil {
		err = cluster.Examine()
	}
	if err == nil {
		err = cluster.ExamineKept()
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrPermission): // who asks may have fewer rights than the server
		return nil
	case errors.Is(err, postgres.ErrForeign):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return fmt.Errorf("%w: %w", ErrMissing, err)
}

func (a *App) closePostgres() {
	a.records.Close()
	_ = a.database.Stop(context.Background()) // the fence ends what does not stop
	a.database.Fence()
}

func (a *App) openPeer(h peer.Handler) (err error) {
	c := a.config
	a.peer, err = peer.New(peer.Options{
		Listen: address(c.Peer.Listen), Other: address(c.Peer.Other), CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
		OtherCert: c.Peer.OtherCertificate, Seat: c.Site.Seat, SiteID: c.Site.ID, Log: a.log, Handler: h,
	})
	if err != nil {
		return missing(err)
	}
	a.keys.link = a.peer
	a.database.prepare = link{a.peer}.PrepareCopy
	a.closers = append(a.closers, func() { _ = a.peer.Close() })
	return nil
}

// openWitness is the way to the witness, nil where the site has none. It connects
// when it is first asked.
func (a *App) openWitness() (agent.Arbiter, error) {
	c := a.config
	if c.Witness.Address == "" {
		return nil, nil
	}
	o := arbiter.Options{Address: address(c.Witness.Address), Site: c.Site.ID, CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key}
	if c.Witness.From != "" {
		o.From = netip.MustParseAddr(c.Witness.From)
	}
	client, err := arbiter.NewClient(o)
	if err != nil {
		return nil, missing(err)
	}
	a.closers = append(a.closers, client.Close)
	a.keys.witness = client
	return client, nil
}

// missing: a port in use, or an address that is not this machine's, is for the
// integrator to settle.
func missing(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return err
}

func (a *App) makeAgent(saved savedTerm, witness agent.Arbiter, found bool) {
	c := a.config
	telephone, voice := a.telephony.ports()
	a.agent = agent.New(agent.Options{
		Site: agent.SiteWords{
			Name: c.Site.Name, Level: c.Site.Level, Arbiter: c.Site.Arbiter, PBX: c.PBX.Address,
			Reception: c.PBX.ReceptionNumber, Reached: c.PBX.ReceptionUser, StandbyUser: c.PBX.StandbyUser,
		},
		Settings: takeover.Settings{
			Seat: c.Site.Seat, Rounds: c.Takeover.Rounds, Limit: c.Takeover.Limit.Std(),
			Pause: c.Takeover.Pause.Std(), Watch: c.Takeover.Watch.Std(), OwnCalls: c.Takeover.OwnCalls,
			Level: c.Site.Level, Site: c.Site.ID, Arbiter: c.Site.Arbiter,
		},
		Found: found, Refusal: c.PBX.RefusalCode, Journal: saved, Database: a.database, Ward: a.database, Store: a.records, Arbiter: witness,
		Link: &watchedLink{link: link{a.peer}, explain: a.explain}, Telephone: telephone, Voice: voice, Diary: a.diary, Spool: a.spool, Log: a.log,
	})
	a.database.recovers = a.agent.Recovering
}

// explain tells the operator a fact. The agent is made after those who use it.
func (a *App) explain(severity string, what view.Sentence) { a.agent.Explain(severity, what) }

// address reads what the configuration has checked; what it does not need is the zero
// value.
func address(s string) netip.AddrPort {
	if s == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(s)
}

// savedTerm is the journal as the agent needs it.
type savedTerm struct{ journal *journal.Journal }

func (s savedTerm) Load() (takeover.Durable, bool, error) {
	raw, known, err := s.journal.Load()
	if err != nil || !known {
		return takeover.Durable{}, false, err
	}
	var d takeover.Durable
	return d, true, json.Unmarshal(raw, &d)
}

func (s savedTerm) Save(ctx context.Context, d takeover.Durable) error {
	return s.journal.SaveWithin(ctx, d)
}

// Run serves until ctx ends, then gives back the vote if it can, ends the calls
// and stops what New and Run began.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	clips, err := loadClips()
	if err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var rooms sync.WaitGroup
	failed := make(chan error, 1)
	begin := func(f func(context.Context)) { rooms.Go(func() { f(work) }) }
	a.telephony.serve() // all whom a message may reach are made now, and nobody has sent one yet
	a.peer.Serve()
	begin(func(ctx context.Context) {
		if err := a.agent.Run(ctx); err != nil {
			failed <- err
		}
	})
	a.telephony.run(clips, begin)
	begin(func(ctx context.Context) { outbox.Run(ctx, sink{a.records, a.explain}, a.log, a.spools()...) })
	begin(func(ctx context.Context) { recordRuns(ctx, a.spool, a.config.Site.Seat, a.log) })
	begin(a.salvager.Run)
	begin(a.prover.Run)
	begin(a.orders.run)
	begin(newHolders(a.database.cluster, a.config.Site.Seat, a.explain, a.log).run)
	begin(newRooms(a.database.cluster, a.config.Site.Seat, a.explain, a.agent.Notice, a.log).run)
	look := func() ([]identity.Lasting, error) { return certificatesIn(a.config.Peer) }
	begin(func(ctx context.Context) { noticeCertificates(ctx, look, a.explain) })
	begin(func(ctx context.Context) { noticeSecrets(ctx, a.secrets, a.explain, a.agent.Notice) })
	begin(a.keys.run)
	a.openingWords()
	a.console.Start()
	manager := newSupervisor(a.log)
	begin(func(ctx context.Context) { manager.feed(ctx, a.agent.Turned) })
	manager.tell(daemon.SdNotifyReady)
	a.log.Info("serving", "seat", a.config.Site.Seat, "site", a.config.Site.Name, "page", "http://"+a.config.Console.Listen+"/")
	select {
	case <-ctx.Done():
		manager.tell(daemon.SdNotifyStopping)
		a.leave()
	case err = <-failed:
	}
	cancel()
	rooms.Wait()
	return err
}

// leaveLimit is how long a server that is stopped tries to be heard giving the
// vote back, and to let callers go.
const leaveLimit = 3 * time.Second

func (a *App) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	a.agent.Stop(ctx)
	a.telephony.leave(ctx)
}

func (a *App) spools() []outbox.Source {
	seat := a.config.Site.Seat
	return []outbox.Source{ownSpool{a.spool, seat}, otherSpool{a.peer, seat.Other()}}
}

// openingWords says what was found on the disk at the start.
func (a *App) openingWords() {
	if cut := a.spool.Opened().CutBytes; cut > 0 {
		a.explain("warning", view.Say("event-spool-cut", "bytes", fmt.Sprint(cut)))
	}
	if a.rooted != nil {
		a.explain("warning", *a.rooted)
	}
}

func (a *App) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}
