// Package rotation goes on with other certificates while a server runs, and says in time when
// those that it has will end (SPEC K8).
package rotation

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"

	"releve"
	"releve/doors/identity"
)

// The certificate files of a server are changed while it runs: issued anew, or of other keys
// (SPEC K8). What somebody puts in their place counts within seconds, without a restart.

const (
	keysPeriod = 2 * time.Second
	keysUnfit  = 15 // looks in a row: files that are being copied do not go together for a while
	keysLimit  = 30 * time.Second
)

// Shower is whatever shows certificates.
type Shower interface{ Use(*identity.Credentials) }

// Link is the link, which knows what the other server believes.
type Link interface {
	Shower
	Agreed() (generation string, stands bool)
}

// Certified is PostgreSQL.
type Certified interface {
	Recertify(context.Context, identity.PostgresFiles) error
}

// Rotation sees to it that everything of a server goes on with the same files. PostgreSQL,
// which shows one certificate to everybody, is given the one that the other believes.
type Rotation struct {
	watch    *identity.Watch
	who      identity.Identity
	current  *identity.Credentials
	link     Link
	others   []Shower
	database Certified
	explain  func(what releve.Sentence)
	log      *slog.Logger

	generation string // that the other believed when it was last asked
	given      identity.PostgresFiles
	from       origin // of given
	unfit      int
	told       *releve.Sentence
}

// origin is what PostgreSQL's files are made of: of the same come the same, and to write
// keys out each time would cost an idle server a fiftieth of what it does.
type origin struct {
	held       *identity.Credentials
	generation string
}

// Begin knows the files before anything else reads them.
func Begin(files identity.Files, who identity.Identity, log *slog.Logger) (*Rotation, error) {
	r := &Rotation{watch: identity.NewWatch(files), who: who, log: log}
	var err error
	if r.current, err = identity.Load(files); err == nil {
		r.given, err = r.current.ForPostgres(who.Site, who.Seat, "")
		r.from = origin{held: r.current}
	}
	return r, err
}

// ForPostgres is what PostgreSQL is made with.
func (k *Rotation) ForPostgres() identity.PostgresFiles { return k.given }

// Run goes on with what is put in the files' place until ctx ends, and explains it. Others, beside
// the link and the database, are whatever else shows them: the way to a witness.
func (k *Rotation) Run(
	ctx context.Context, link Link, database Certified,
	explain func(what releve.Sentence), others ...Shower,
) {
	k.link, k.database, k.explain, k.others = link, database, explain, others
	k.run(ctx)
}

func (k *Rotation) run(ctx context.Context) {
	ticker := time.NewTimer(releve.UntilBeat(time.Now(), keysPeriod))
	defer ticker.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			ticker.Reset(releve.UntilBeat(time.Now(), keysPeriod))
		}
	}
}

func (k *Rotation) look(ctx context.Context) {
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
func (k *Rotation) fit(held *identity.Credentials) error {
	if err := held.Are(k.who); err != nil {
		return err
	}
	if generation, stands := k.link.Agreed(); stands && !slices.Contains(held.Generations(), generation) {
		return identity.Fault(releve.Say(identity.OtherNotReady, "seat", string(k.who.Seat.Other())))
	}
	return nil
}

func (k *Rotation) take(held *identity.Credentials) {
	k.current = held
	k.link.Use(held)
	for _, other := range k.others {
		other.Use(held)
	}
	k.explain(releve.Say("event-certificates-taken"))
}

// note tells the operator of files that do not go together, once they had the time to.
func (k *Rotation) note(err error) {
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
	k.explain(what)
}

// certify gives PostgreSQL what it has not yet; what fails is tried again at the next look.
func (k *Rotation) certify(ctx context.Context) {
	from := origin{k.current, k.generation}
	if from == k.from {
		return
	}
	files, err := k.current.ForPostgres(k.who.Site, k.who.Seat, k.generation)
	if err != nil {
		return
	}
	if !reflect.DeepEqual(files, k.given) {
		ctx, cancel := context.WithTimeout(ctx, keysLimit)
		defer cancel()
		if err := k.database.Recertify(ctx, files); err != nil {
			k.log.Warn("PostgreSQL goes on with its former certificates", "err", err)
			return
		}
	}
	k.given, k.from = files, from
}
