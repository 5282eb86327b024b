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
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"releve"
	"releve/adapters/arbiter"
	"releve/adapters/diary"
	"releve/adapters/journal"
	"releve/adapters/peer"
	"releve/adapters/postgres"
	"releve/adapters/spool"
	"releve/adapters/store"
	"releve/adapters/systemd"
	"releve/config"
	"releve/doors/account"
	"releve/doors/identity"
	"releve/doors/identity/rotation"
	"releve/rules/takeover"
	"releve/screen/console"
	"releve/server/agent"
	"releve/server/copy"
	"releve/server/order"
	"releve/server/outbox"
	"releve/server/salvage"
	"releve/server/verify"
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
	rights  *account.Rights  // until root is given up; nil without any
	rooted  *releve.Sentence // why this server goes on as root, nil where it does not

	cluster   *postgres.Cluster
	database  *database
	records   *store.Records
	spool     *spool.Spool
	diary     *diary.Diary
	peer      *peer.Peer
	telephony telephony
	agent     *agent.Agent
	salvager  *salvage.Salvager
	prover    *verify.Prover
	sorting   *verify.Sorting
	ledger    *outbox.Ledger
	console   *console.Server
	keys      *rotation.Rotation
	witness   rotation.Shower // nil where the site has none
}

// New makes a server. It opens what belongs to this machine alone: the journal,
// the spool, the sockets. Nothing is answered before Run.
func New(c config.Config, found bool, log *slog.Logger) (*App, error) {
	return open(&App{config: c, log: log, ledger: outbox.NewLedger()}, found)
}

func open(a *App, found bool) (*App, error) {
	if err := a.build(found); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *App) build(found bool) error {
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
	disk := salvage.NewOwnDisk(asides{a.cluster}, a.config.Site.Seat)
	a.closers = append(a.closers, disk.Wait)
	handler := &answers{seat: a.config.Site.Seat, spool: a.spool}
	if err := a.openPorts(handler); err != nil {
		return err
	}
	witness, err := a.openWitness()
	if err != nil {
		return err
	}
	a.makeAgent(saved, witness, found)
	a.makeSalvager(disk)
	a.makeProver()
	handler.agent = a.agent
	handler.pupil = &pupil{a.telephony}
	handler.orders = order.Desk{}
	for _, desk := range []order.Desk{
		copy.Desk(a.cluster), salvage.Desk(disk, a.salvager),
		verify.Desk(verify.Local{Database: ownDatabase{a.cluster}}, a.prover, a.cluster),
	} {
		maps.Copy(handler.orders, desk)
	}
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
		return fmt.Errorf("%w: %w", ErrForbidden, &releve.Fault{Cause: errMuteOwner, Why: releve.Say("level-on-duty", "seat", string(d.Seat))})
	}
	return nil
}

// errMuteOwner is the cause for logs.
var errMuteOwner = errors.New("this server was last on duty and has no telephone at level mirroring")

// acknowledged is told of each fact that the database has.
func (a *App) acknowledged(facts []releve.Fact) {
	facts = slices.DeleteFunc(slices.Clone(facts), func(f releve.Fact) bool { return f.Call == "" })
	a.agent.Stored(facts) // what is no call's is nobody's record
	a.ledger.Add(facts)
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
	keys, wrong := rotation.Begin(c.Peer.Files(), identity.Identity{Site: c.Site.ID, Seat: c.Site.Seat}, a.explain, a.log)
	if wrong != nil {
		return fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	cluster, wrong := newCluster(c, keys.ForPostgres(), found, a.log)
	if wrong != nil {
		return fmt.Errorf("%w: %w", ErrMissing, wrong)
	}
	a.keys = keys
	a.cluster = cluster
	recovers := func() postgres.Progress { return copy.Progress("copy-starts", a.recovering) }
	a.database = &database{Runner: postgres.NewRunner(cluster, recovers, a.explain), log: a.log}
	a.records = store.NewRecords(cluster, c.Site.Seat, a.acknowledged, a.explain, a.log)
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

func newCluster(c config.Config, certificates identity.PostgresFiles, found postgres.Installation, log *slog.Logger) (*postgres.Cluster, error) {
	return postgres.New(postgres.Options{
		Installation: found, Hint: c.Database.Binaries, Dir: filepath.Join(c.Site.Data, "postgres"),
		Listen: address(c.Database.Listen), Upstream: address(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, TLS: certificates,
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
	certificates, err := held.ForPostgres(c.Site.ID, c.Site.Seat, "")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	cluster, err := newCluster(c, certificates, found, nil)
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
	a.database.Copier = copy.New(copy.Options{
		PostgreSQL: a.cluster, Disk: a.database.Disk, Other: address(c.Database.Other), Link: a.peer, Log: a.log,
	})
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
	a.witness = client
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
}

// recovering tells how far a start of PostgreSQL is.
func (a *App) recovering(what releve.Sentence, p *releve.Progress) { a.agent.Recovering(what, p) }

// explain tells the operator a fact. The agent is made after those who use it.
func (a *App) explain(severity string, what releve.Sentence) { a.agent.Explain(severity, what) }

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
	begin(func(ctx context.Context) { outbox.Run(ctx, a.records, a.log, a.spools()...) })
	begin(a.spool.RecordRuns)
	begin(a.salvager.Run)
	begin(a.prover.Run)
	begin(a.sorting.Run)
	begin(func(ctx context.Context) { a.cluster.WatchHolders(ctx, a.explain) })
	begin(func(ctx context.Context) { a.cluster.WatchLog(ctx, a.explain, a.agent.Notice) })
	begin(func(ctx context.Context) { rotation.WatchExpiry(ctx, a.config.Peer.Files(), a.explain) })
	begin(func(ctx context.Context) { a.keys.Run(ctx, a.peer, a.witness, a.cluster) })
	a.openingWords()
	a.console.Start()
	manager := systemd.New(a.log)
	begin(func(ctx context.Context) { manager.Feed(ctx, a.agent.Turned) })
	manager.Ready()
	a.log.Info("serving", "seat", a.config.Site.Seat, "site", a.config.Site.Name, "page", "http://"+a.config.Console.Listen+"/")
	select {
	case <-ctx.Done():
		manager.Stopping()
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
	return []outbox.Source{outbox.Own(a.spool, seat), outbox.Other(a.peer, seat.Other())}
}

// openingWords says what was found on the disk at the start.
func (a *App) openingWords() {
	if cut := a.spool.Opened().CutBytes; cut > 0 {
		a.explain("warning", releve.Say("event-spool-cut", "bytes", fmt.Sprint(cut)))
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
