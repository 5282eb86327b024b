// Package app builds one server out of its configuration: the rooms are made,
// joined, started, and stopped in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"releve"
	"releve/adapters/diary"
	"releve/adapters/journal"
	"releve/adapters/peer"
	"releve/adapters/phone"
	"releve/adapters/postgres"
	"releve/adapters/spool"
	"releve/adapters/store"
	"releve/adapters/systemd"
	"releve/adapters/witness"
	"releve/app/lines"
	"releve/app/outlets"
	"releve/config"
	"releve/doors/account"
	"releve/doors/identity/rotation"
	"releve/rules/licence"
	"releve/rules/version"
	"releve/screen/console"
	"releve/server/accounts"
	"releve/server/agent"
	"releve/server/alarms"
	"releve/server/backup"
	"releve/server/comparison"
	"releve/server/copy"
	"releve/server/drill"
	"releve/server/guide"
	"releve/server/history"
	"releve/server/licences"
	"releve/server/order"
	"releve/server/outbox"
	"releve/server/readiness"
	"releve/server/retention"
	"releve/server/salvage"
	measuring "releve/server/study"
	"releve/server/wire"
)

// What New fails with, beside the error's own sentence: something missing on the
// machine, or something there that forbids to go on. Nothing was changed.
var (
	ErrMissing = errors.New("this machine lacks something")
	ErrBarred  = releve.Refused(releve.ErrForbidden, "what is on this machine forbids to start")
)

// App is one server.
type App struct {
	config  config.Prepared
	log     *slog.Logger
	closers []func()         // in the order in which things were opened
	rights  *account.Rights  // until root is given up; nil without any
	secrets []string         // files that nobody else may read, and can
	rooted  *releve.Sentence // why this server goes on as root, nil where it does not

	keys      *rotation.Rotation
	journal   journal.Takeover
	diary     *diary.Diary
	front     *agent.Front // of the agent, which is made behind it
	spool     *spool.Spool
	cluster   *postgres.Runner
	ledger    *outbox.Ledger
	records   *store.Records
	aside     salvage.OwnDisk
	peer      *peer.Peer
	editions  wire.Editions
	telephony telephony
	witness   agent.Arbiter     // nil where the site has none
	shown     []rotation.Shower // who else shows this server's certificates
	agent     *agent.Agent
	book      *guide.Book
	salvager  *salvage.Salvager
	prover    *comparison.Prover
	sorting   *comparison.Sorting
	licences  *licences.Keeper
	night     *measuring.Night
	readiness *readiness.Keeper
	drills    *drill.Leader
	backup    *backup.Keeper
	alarms    *alarms.Keeper
	accounts  *accounts.Keeper
	retention *retention.Keeper
	post      outlets.Post
	console   *console.Server
}

// New makes a server. It opens what belongs to this machine alone: the journal,
// the spool, the sockets. Nothing is answered before Run.
func New(c config.Prepared, found bool, log *slog.Logger) (*App, error) {
	return open(&App{config: c, log: log}, found)
}

func open(a *App, found bool) (*App, error) {
	if err := a.build(found); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// KeepSecret has files with a secret looked at while the server runs: it answers all the same
// when others can read them, and says so until they are closed.
func (a *App) KeepSecret(files ...string) { a.secrets = append(a.secrets, files...) }

// build goes from the disk outwards: what is kept, then the doors, which nobody reads from
// yet, then those who act on what comes.
func (a *App) build(found bool) error {
	cluster, err := a.findPostgres() // first: nothing is written beside data that is another's
	if err != nil {
		return err
	}
	if err := a.openDisk(); err != nil {
		return err
	}
	if err := agent.CheckJournal(a.journal, a.config.Mute()); err != nil {
		return fmt.Errorf("%w: %w", ErrBarred, err)
	}
	a.openDatabase(cluster) // not before the disk's lock is ours: it may be another's that runs
	a.aside = salvage.NewOwnDisk(a.cluster.Cluster, a.config.Site.Seat)
	a.closers = append(a.closers, a.aside.Wait)
	if err := a.forPort(a.config.Peer.Listen, a.openPeer); err != nil {
		return err
	}
	if err := a.rights.Raised(a.openTelephony); err != nil { // for its port, and for the thread that keeps sound on time
		return err
	}
	if err := a.openWitness(); err != nil {
		return err
	}
	a.makeAgent(found)
	a.telephony.prove()
	a.makeSalvager()
	a.makeProver()
	a.makeLicences()
	a.makeNight()
	a.makeDrills()
	a.makeBackup()
	a.alarms.Join(a.agent, a.front, a.peer)
	a.post = outlets.New(a.config.Config, a.alarms, a.agent, a.front, a.peer, a.telephony.people(), a.accounts, a.log)
	return a.forPort(a.config.Console.Listen, a.openConsole)
}

// openDisk opens what this server keeps by itself, PostgreSQL or not. What happens is told to
// the agent's front, which writes it to the diary. Whether this process is the only one of its
// server, the spool's lock says, and nothing is begun before.
func (a *App) openDisk() error {
	site := a.config.Site
	if err := os.MkdirAll(site.Data, 0o755); err != nil {
		return fmt.Errorf("%w: the data directory cannot be made: %w", ErrMissing, err)
	}
	j, err := journal.Open(a.config.Journal(), site.ID, site.Seat)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBarred, err)
	}
	a.journal = journal.Takeover{Journal: j}
	mayRenew := func() bool { return a.front.Protected() } // it is asked once there are facts to be stored
	a.spool, err = spool.Open(filepath.Join(site.Data, "spool"), site.Seat, spool.Options{Log: a.log, MayRenew: mayRenew})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBarred, err)
	}
	a.closers = append(a.closers, func() { _ = a.spool.Close() })
	a.diary, err = diary.Open(filepath.Join(site.Data, "diary"), diary.Options{Seat: site.Seat, Log: a.log})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	a.closers = append(a.closers, func() { _ = a.diary.Close() })
	a.alarms = alarms.New(alarms.Options{Seat: site.Seat, File: filepath.Join(site.Data, "alarms.json"), Log: a.log})
	a.front = agent.NewFront(agent.FrontOptions{
		Settings: a.config.Decides(), Refusal: a.config.PBX.RefusalCode, Diary: a.diary, Alarms: a.alarms, Log: a.log,
	})
	return nil
}

func (a *App) openPeer() (err error) {
	c := a.config
	a.peer, err = peer.New(peer.Options{
		Listen: config.Address(c.Peer.Listen), Other: config.Address(c.Peer.Other), CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
		OtherCert: c.Peer.OtherCertificate, Seat: c.Site.Seat, SiteID: c.Site.ID, Log: a.log,
	})
	if err != nil {
		return missing(err)
	}
	a.closers = append(a.closers, func() { _ = a.peer.Close() })
	a.accounts = accounts.New(accounts.Options{Seat: c.Site.Seat, Dir: c.Site.Data, Site: c.Site.Name, Link: a.peer, Front: a.front, Alarms: a.alarms, Log: a.log})
	return nil
}

// openWitness is the way to the witness. It connects when it is first asked.
func (a *App) openWitness() error {
	c := a.config
	if c.Witness.Address == "" {
		return nil
	}
	at, from := c.Witness.At()
	client, err := witness.NewClient(witness.Options{Address: at, From: from, Site: c.Site.ID, CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key})
	if err != nil {
		return missing(err)
	}
	a.witness, a.shown, a.closers = client, []rotation.Shower{client}, append(a.closers, client.Close)
	return nil
}

// missing: a port in use, or an address that is not this machine's, is for the
// integrator to settle.
func missing(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return err
}

func (a *App) makeAgent(found bool) {
	c := a.config
	runs := postgres.Takeover{Runner: a.cluster}
	own := database{runs, copy.New(copy.Options{
		PostgreSQL: a.cluster, Disk: runs.Disk, Other: config.Address(c.Database.Other), Link: a.peer, Copied: a.records.Settled, Log: a.log,
	})}
	telephone, voice := a.telephony.ports()
	o := agent.Options{
		Site: agent.SiteWords{
			Name: c.Site.Name, Levels: c.Levels, PBX: c.PBX.Address,
			Reception: c.PBX.ReceptionNumber, Reached: c.PBX.ReceptionUser, StandbyUser: c.PBX.StandbyUser,
			Version: func() releve.Version { return version.Own(a.cluster.Major()) },
		},
		Found: found, Journal: a.journal, Database: own, Ward: own, Store: a.records,
		Link:      wire.Other{Link: a.peer, Editions: &a.editions, Ended: peer.NewAcquaintance(a.front.Explain).Note},
		Telephone: telephone, Voice: voice, Spool: a.spool, Arbiter: a.witness,
		Vouch:   func(level releve.Level, name string) error { return a.licences.Vouch(level, name) }, // made later
		Inherit: a.telephony.heir().Inherit,
		Past:    filepath.Join(c.Site.Data, "procedures.json"),
	}
	a.agent = agent.New(a.front, o)
}

func (a *App) makeSalvager() {
	other := salvage.Other{Link: a.peer}
	a.salvager = salvage.New(salvage.Options{
		Own: a.aside, Other: other, Book: store.Book{Records: a.records}, Forward: other.Carry, Tell: a.front.Explain, Log: a.log,
	})
}

func (a *App) makeProver() {
	c, other := a.config, comparison.Other{Link: a.peer}
	pair := func() comparison.Pair { return comparison.PairOf(a.front.Machine()) }
	a.sorting = comparison.NewSorting(a.cluster, a.peer, pair, a.front.Explain, a.log)
	a.prover = comparison.New(comparison.Options{
		Own: comparison.Of(a.cluster.Cluster), Other: other, Seat: c.Site.Seat, Pair: pair,
		Hour: c.Mirror.Verify.SinceMidnight(), File: filepath.Join(c.Site.Data, "verified.json"),
		Forward: other.Prove, Tell: a.front.Explain, Show: a.front.Proving, Log: a.log,
		Verified: func(r comparison.Record) {
			a.front.Verified(agent.Verified{Data: r.Data, At: r.At, Differences: r.Differences})
			a.sorting.Again()
		},
	})
}

// makeLicences: what they say is shown, and stops nobody.
func (a *App) makeLicences() {
	c := a.config
	a.licences = licences.New(licences.Options{
		Dir: filepath.Join(c.Site.Data, "licences"), Site: c.Site.ID, Issuers: licence.Built(), Link: a.peer, Front: a.front, Log: a.log,
		Boot: a.front.Now, Place: c.Place(), Faller: agent.Faller{Agent: a.agent},
		Runs: func() licence.Running { return licence.Running{Level: a.front.RunsAt(), Channels: c.SIP.Channels} },
	})
	a.retention = retention.New(c.Records.Kept(), a.licences, a.front, a.records, a.log)
}

// makeDrills: whether the standby could take over is looked at, and tried.
func (a *App) makeDrills() {
	c := a.config
	begins, ends, _ := c.Drill.Hours.Span()
	a.readiness = readiness.New(readiness.Options{
		Seat: c.Site.Seat, Site: a.agent, Front: a.front, Link: a.peer, User: c.PBX.StandbyUser,
		Own:      readiness.Own{Dir: c.Site.Data, Expires: rotation.FirstEnd(c.Peer.Files())},
		Overflow: a.telephony.Seen, Within: c.Drill.Overflow.Std(),
	})
	a.drills = drill.New(drill.Options{
		Seat: c.Site.Seat, Site: a.agent, Front: a.front, Link: a.peer, File: filepath.Join(c.Site.Data, "drills.json"), Log: a.log,
		Schedule: drill.Schedule{Every: c.Drill.Every.Std(), Begins: begins, Ends: ends, Overdue: c.Drill.Overdue.Std()},
	})
}

// makeBackup makes who keeps the copy of level backup young.
func (a *App) makeBackup() {
	c := a.config.Copy
	a.backup = backup.New(backup.Options{
		At: c.At.SinceMidnight(), Oldest: c.Oldest.Std(), Copied: a.cluster.CopiedAt, Since: a.records.CallsSince,
		Order: a.agent.Order, Front: a.front, Log: a.log,
	})
}

// answers is whoever answers the other server: each room its own orders.
func (a *App) answers() peer.Handler {
	all := order.Desk{}
	for _, desk := range []order.Desk{
		copy.Desk(a.cluster), salvage.Desk(a.aside, a.salvager), a.telephony.Desk(), a.telephony.heir().Desk(),
		comparison.Desk(comparison.Local{Database: comparison.Of(a.cluster.Cluster)}, a.prover, a.cluster), a.licences.Desk(), measuring.Desk(),
		a.readiness.Desk(), a.drills.Desk(), a.alarms.Desk(), a.accounts.Desk(), a.post.Desk(), a.book.Desk(), history.Reader{Own: a.diary}.Desk(),
	} {
		maps.Copy(all, desk)
	}
	return wire.Answers{Seat: a.config.Site.Seat, Agent: a.agent, Editions: &a.editions, Spool: a.spool, Orders: all}
}

// Run serves until ctx ends, then gives back the vote if it can, ends the calls
// and stops what New and Run began.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	prompts, err := phone.LoadPrompts()
	if err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var rooms sync.WaitGroup
	failed := make(chan error, 1)
	begin := func(f func(context.Context)) { rooms.Go(func() { f(work) }) }
	a.telephony.serve(prompts) // all whom a message may reach are made now, and nobody has sent one yet
	a.peer.Serve(a.answers())
	begin(func(ctx context.Context) {
		if err := a.agent.Run(ctx); err != nil {
			failed <- err
		}
	})
	a.telephony.run(begin)
	seat := a.config.Site.Seat
	begin(func(ctx context.Context) {
		outbox.Run(ctx, a.records, a.log, outbox.Own(a.spool, seat), outbox.Other(a.peer, seat.Other()))
	})
	begin(func(ctx context.Context) { a.spool.Watch(ctx, a.front.Explain, a.front.Notice) })
	for _, room := range []func(context.Context){
		a.spool.RecordRuns, a.records.Watch, a.salvager.Run, a.prover.Run, a.sorting.Run, a.licences.Run, a.backup.Run, a.night.Run, a.readiness.Run,
		a.drills.Run, a.alarms.Run, a.accounts.Run, a.retention.Run, a.post.Run, a.book.Run, lines.New(a.config.Config, a.agent, a.front).Run,
	} {
		begin(room)
	}
	begin(func(ctx context.Context) { a.cluster.WatchHolders(ctx, a.front.Explain) })
	begin(func(ctx context.Context) { a.cluster.WatchLog(ctx, a.front.Explain, a.front.Notice) })
	begin(func(ctx context.Context) { a.keys.Run(ctx, a.peer, a.cluster, a.front.Explain, a.shown...) })
	begin(func(ctx context.Context) { rotation.WatchExpiry(ctx, a.config.Peer.Files(), a.front.Explain) })
	begin(func(ctx context.Context) { a.console.Prove(ctx, a.front.Interfaces) })
	begin(func(ctx context.Context) { account.WatchSecrets(ctx, a.secrets, a.front.Explain, a.front.Notice) })
	if a.rooted != nil {
		a.front.Explain(*a.rooted)
	}
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

func (a *App) close() {
	for _, end := range slices.Backward(a.closers) {
		end()
	}
	a.closers = nil
}
