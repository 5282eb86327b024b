// Package app builds one server out of its configuration: the rooms are made,
// joined, started, and stopped in reverse.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"releve"
	"releve/agent"
	"releve/arbiter"
	"releve/attendant"
	"releve/calls"
	"releve/config"
	"releve/console"
	"releve/diary"
	"releve/journal"
	"releve/outbox"
	"releve/peer"
	"releve/phone"
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

	database  *database
	records   *records
	spool     *spool.Spool
	diary     *diary.Diary
	peer      *peer.Peer
	phone     *phone.Phone
	telephone *telephone
	calls     *calls.Calls
	agent     *agent.Agent
	salvager  *salvage.Salvager
	prover    *verify.Prover
	stored    *storedFacts
	console   *console.Server

	incoming chan *phone.Incoming
}

// New makes a server. It opens what belongs to this machine alone: the journal,
// the spool, the sockets. Nothing is answered before Run.
func New(c config.Config, found bool, log *slog.Logger) (*App, error) {
	a := &App{config: c, log: log, stored: newStoredFacts(), incoming: make(chan *phone.Incoming, incomingQueue)}
	if err := a.build(found); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// incomingQueue holds calls for the moment between the sockets' opening and Run.
const incomingQueue = 1024

func (a *App) build(found bool) error {
	if err := a.findPostgres(); err != nil { // first: nothing is written beside data that is another's
		return err
	}
	saved, err := a.openDisk()
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.closePostgres) // not before the disk's locks are ours: it may be another's that runs
	disk := newOwnDisk(a.database.cluster, a.config.Site.Seat)
	a.closers = append(a.closers, disk.wait)
	handler := &answers{seat: a.config.Site.Seat, spool: a.spool}
	handler.cluster = a.database.cluster
	if err := a.openSockets(handler); err != nil {
		return err
	}
	if err := a.makeCalls(); err != nil {
		return err
	}
	witness, err := a.openWitness()
	if err != nil {
		return err
	}
	a.makeAgent(saved, witness, found)
	a.makeSalvager(disk)
	a.makeProver()
	handler.agent, handler.salvage = a.agent, &salvageDesk{disk, a.salvager}
	handler.proof = &proofDesk{verify.Local{Database: ownDatabase{a.database.cluster}}, a.prover}
	return a.openFaces()
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

// acknowledged is told of each fact that the database has.
func (a *App) acknowledged(facts []releve.Fact) {
	a.agent.Stored(facts)
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
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	listen, upstream := address(c.Database.Listen), address(c.Database.Other)
	cluster, err := postgres.New(postgres.Options{
		Installation: found, Dir: filepath.Join(c.Site.Data, "postgres"), Listen: listen, Upstream: upstream,
		Seat: c.Site.Seat, SiteID: c.Site.ID, CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
		Account: c.Database.Account, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	a.database = &database{cluster: cluster, upstream: upstream, log: a.log}
	a.records = newRecords(cluster, c.Site.Seat, a.acknowledged, a.log)
	state, err := cluster.State()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if state.Presence == postgres.Foreign {
		return fmt.Errorf("%w: %w", ErrForbidden, state.Foreign)
	}
	return nil
}

func (a *App) closePostgres() {
	a.records.Close()
	_ = a.database.Stop(context.Background()) // the fence ends what does not stop
	a.database.Fence()
}

func (a *App) openSockets(h peer.Handler) (err error) {
	c := a.config
	a.peer, err = peer.New(peer.Options{
		Listen: address(c.Peer.Listen), Other: address(c.Peer.Other), CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
		OtherCert: c.Peer.OtherCertificate, Seat: c.Site.Seat, SiteID: c.Site.ID, Log: a.log, Handler: h,
	})
	if err != nil {
		return missing(err)
	}
	a.database.prepare = link{a.peer}.PrepareCopy
	a.closers = append(a.closers, func() { _ = a.peer.Close() })
	a.phone, err = phone.New(phone.Options{
		Listen: address(c.SIP.Listen), PBX: address(c.PBX.Address), Domain: c.PBX.Domain,
		RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast, Log: a.log,
		OnInvite: a.offered, OnCheck: a.checked,
	})
	if err != nil {
		return missing(err)
	}
	a.closers = append(a.closers, func() { _ = a.phone.Close() })
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

func (a *App) makeCalls() (err error) {
	c := a.config
	a.calls, err = calls.New(calls.Options{
		Seat: c.Site.Seat, Channels: c.SIP.Channels, Duty: a, Spool: a.spool, Log: a.log,
		Profile: calls.Profile{
			Evidence: calls.Evidence(c.PBX.Evidence), ReceptionUser: c.PBX.ReceptionUser, ReceptionNumber: c.PBX.ReceptionNumber,
			StandbyUser: c.PBX.StandbyUser, RefusalCode: c.PBX.RefusalCode, BusyCode: c.PBX.BusyCode,
		},
		Script: attendant.Script{
			Language: c.Attendant.Language, ExtensionDigits: c.Attendant.ExtensionDigits, Operator: c.Attendant.Operator,
		},
	})
	return err
}

// Stance and Verify hand the calls' questions on to the agent, which is made
// after them.
func (a *App) Stance() calls.Stance { return duty{a.agent}.Stance() }

// Verify waits for a verdict.
func (a *App) Verify(ctx context.Context, o calls.Offer) calls.Decision {
	return duty{a.agent}.Verify(ctx, o)
}

func (a *App) makeAgent(saved savedTerm, witness agent.Arbiter, found bool) {
	c := a.config
	expires := c.PBX.Expires.Std()
	a.telephone = &telephone{phone: a.phone, peer: a.peer, other: address(c.SIP.Other), number: c.PBX.ReceptionNumber}
	reception := phone.Account{User: c.PBX.ReceptionUser, Password: c.PBX.ReceptionPassword, Expires: expires}
	standby := phone.Account{User: c.PBX.StandbyUser, Password: c.PBX.StandbyPassword, Expires: expires}
	explain := func(severity string, what view.Sentence) { a.agent.Explain(severity, what) }
	a.telephone.reception = newLine(a.phone, reception, func(own, any bool) bool { return a.agent.MayRegister(own, any) }, explain, a.log)
	a.telephone.standby = newLine(a.phone, standby, func(own, any bool) bool { return a.agent.MayStandBy(own, any) }, explain, a.log)
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
		Found: found, Refusal: c.PBX.RefusalCode, Journal: saved, Database: a.database, Store: a.records, Arbiter: witness,
		Link: &watchedLink{link: link{a.peer}, explain: explain}, Telephone: a.telephone, Voice: voice{a.calls}, Diary: a.diary, Spool: a.spool, Log: a.log,
	})
}

// address reads what the configuration has checked.
func address(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

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

// offered hands a call of the phone on; Run takes it up.
func (a *App) offered(in *phone.Incoming) {
	select {
	case a.incoming <- in:
		<-in.Gone()
	default:
		_ = in.Refuse(a.config.PBX.BusyCode) // more calls at once than any PBX sends
	}
}

// checked answers the other server's question over SIP (H4).
func (a *App) checked(ctx context.Context, nonce string) (string, bool) {
	h := answers{seat: a.config.Site.Seat, agent: a.agent, spool: a.spool}
	q := questionOf(nonce)
	answer := h.Check(ctx, peer.CheckQuestion{Nonce: nonce, Call: q.Call})
	sealed, err := a.peer.SealAnswer(nonce, answer)
	if err != nil {
		a.log.Error("a check over SIP could not be answered", "err", err)
		return "", false
	}
	return sealed, answer.Well
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
	begin(func(ctx context.Context) {
		if err := a.agent.Run(ctx); err != nil {
			failed <- err
		}
	})
	begin(func(ctx context.Context) { a.lost(a.calls.Run(ctx)) })
	begin(func(ctx context.Context) { outbox.Run(ctx, sink{a.records}, a.log, a.spools()...) })
	begin(a.salvager.Run)
	begin(a.prover.Run)
	begin(a.telephone.reception.run)
	begin(a.telephone.standby.run)
	begin(a.notice)
	begin(func(ctx context.Context) { a.take(ctx, clips) })
	a.console.Start()
	a.log.Info("serving", "seat", a.config.Site.Seat, "site", a.config.Site.Name, "page", "http://"+a.config.Console.Listen+"/")
	select {
	case <-ctx.Done():
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
	a.calls.Drop("this server is being stopped")
	_ = a.calls.Drained(ctx)
}

func (a *App) spools() []outbox.Source {
	seat := a.config.Site.Seat
	return []outbox.Source{ownSpool{a.spool, seat}, otherSpool{a.peer, seat.Other()}}
}

// take begins a goroutine for each call.
func (a *App) take(ctx context.Context, clips clips) {
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-a.incoming:
			talks.Go(func() { a.calls.Offer(ctx, incoming{in, clips}) })
		}
	}
}

func (a *App) lost(err error) {
	if err != nil {
		a.log.Error("records of calls were lost", "err", err)
	}
}

// saturatedAfter is how long all channels must be busy before it is said (H4).
const saturatedAfter = 2 * time.Second

// notice says what the calls show and no decision comes of.
func (a *App) notice(ctx context.Context) {
	a.openingWords()
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	saturated, lost := false, int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		s := a.calls.Snapshot()
		now := !s.SaturatedSince.IsZero() && time.Since(s.SaturatedSince) > saturatedAfter
		if now && !saturated {
			a.agent.Explain("warning", view.Say("event-saturated", "channels", fmt.Sprint(s.Channels)))
		} else if saturated && s.SaturatedSince.IsZero() {
			a.agent.Explain("cleared", view.Say("event-unsaturated"))
			saturated = false
		}
		saturated = saturated || now
		if s.RecordsLost > lost {
			lost = s.RecordsLost
			a.agent.Explain("major", view.Say("event-records-lost", "count", fmt.Sprint(lost)))
		}
	}
}

// openingWords says what was found on the disk at the start.
func (a *App) openingWords() {
	if cut := a.spool.Opened().CutBytes; cut > 0 {
		a.agent.Explain("warning", view.Say("event-spool-cut", "bytes", fmt.Sprint(cut)))
	}
}

func (a *App) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}
