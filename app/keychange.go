package app

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"releve"
	"slices"
	"time"

	"releve/adapters/postgres"
	"releve/config"
	"releve/doors/identity"
)

// The certificate files of a server are changed while it runs: issued anew, or of other keys
// (SPEC K8). What somebody puts in their place counts within seconds, without a restart.

const (
	keysPeriod = 2 * time.Second
	keysUnfit  = 15 // looks in a row: files that are being copied do not go together for a while
	keysLimit  = 30 * time.Second
)

// shower is whatever shows certificates.
type shower interface{ Use(*identity.Credentials) }

// keyLink is the link, which knows what the other server believes.
type keyLink interface {
	shower
	Agreed() (generation string, stands bool)
}

// certified is PostgreSQL.
type certified interface {
	Recertify(context.Context, postgres.Certificates) error
}

// keyChange sees to it that everything of a server goes on with the same files. PostgreSQL,
// which shows one certificate to everybody, is given the one that the other believes.
type keyChange struct {
	watch    *identity.Watch
	who      identity.Identity
	current  *identity.Credentials
	link     keyLink
	witness  shower // nil where the site has none
	database certified
	explain  func(severity string, what releve.Sentence)
	log      *slog.Logger

	generation string // that the other believed when it was last asked
	given      postgres.Certificates
	unfit      int
	told       *releve.Sentence
}

// newKeyChange knows the files before anything else reads them.
func newKeyChange(c config.Config, log *slog.Logger, explain func(string, releve.Sentence)) *keyChange {
	return &keyChange{
		watch: identity.NewWatch(c.Peer.Files()), who: identity.Identity{Site: c.Site.ID, Seat: c.Site.Seat},
		log: log, explain: explain,
	}
}

// begin: PostgreSQL was made with what the files held.
func (k *keyChange) begin(held *identity.Credentials, database certified) error {
	files, err := held.ForPostgres(k.who.Site, k.who.Seat, "")
	k.current, k.given, k.database = held, postgres.Certificates(files), database
	return err
}

func (k *keyChange) run(ctx context.Context) {
	ticker := time.NewTicker(keysPeriod)
	defer ticker.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (k *keyChange) look(ctx context.Context) {
	held, err := k.watch.Look(k.fit)
	k.note(err)
	if held != nil {
		k.take(held)
	}
	if generation, stands := k.link.Agreed(); stands {
		k.generation = generation
	}
	k.certify(ctx)
}

// fit: what the other server believes is not taken away from it.
func (k *keyChange) fit(held *identity.Credentials) error {
	if err := held.Are(k.who); err != nil {
		return err
	}
	if generation, stands := k.link.Agreed(); stands && !slices.Contains(held.Generations(), generation) {
		return identity.Fault(releve.Say(identity.OtherNotReady, "seat", string(k.who.Seat.Other())))
	}
	return nil
}

func (k *keyChange) take(held *identity.Credentials) {
	k.current = held
	k.link.Use(held)
	if k.witness != nil {
		k.witness.Use(held)
	}
	k.explain("info", releve.Say("event-certificates-taken"))
}

// note tells the operator of files that do not go together, once they had the time to.
func (k *keyChange) note(err error) {
	if err == nil {
		k.unfit, k.told = 0, nil
		return
	}
	k.unfit++
	fault, ok := identity.FaultOf(err)
	if !ok || k.unfit < keysUnfit || k.told != nil && k.told.Code == fault.Why.Code {
		return
	}
	k.told = &fault.Why
	what := releve.Say("event-certificates-unfit", "fault", fault.Why.Code)
	maps.Copy(what.Args, fault.Why.Args)
	k.explain("warning", what)
}

// certify gives PostgreSQL what it has not yet; what fails is tried again at the next look.
func (k *keyChange) certify(ctx context.Context) {
	files, err := k.current.ForPostgres(k.who.Site, k.who.Seat, k.generation)
	if err != nil || reflect.DeepEqual(postgres.Certificates(files), k.given) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keysLimit)
	defer cancel()
	if err := k.database.Recertify(ctx, postgres.Certificates(files)); err != nil {
		k.log.Warn("PostgreSQL goes on with its former certificates", "err", err)
		return
	}
	k.given = postgres.Certificates(files)
}
