package sim

import (
	"context"
	"errors"
	"time"

	"releve"
	"releve/rules/takeover"
)

// ward proves a database's health and brings it back from its mirror. Stories are of sites
// that do without: where the other relieves, nothing is restored.
type ward struct{ postgres }

// Health is what a test says that it is.
func (w ward) Health(ctx context.Context) (ill error) {
	err := w.asks(ctx, func() { ill = w.database.ill })
	return errors.Join(err, ill)
}

// Restore sets the data aside, with whatever is wrong with it, and copies the mirror, which
// goes on as it is.
func (w ward) Restore(ctx context.Context, tell func(releve.Sentence, *releve.Progress)) (id releve.DataID, err error) {
	w.Fence()
	defer tell(releve.Sentence{}, nil)
	err = w.work(ctx, time.Millisecond, 20*time.Millisecond, func() error {
		c := &w.database
		c.broken, c.ill = false, nil
		c.kind, c.id, c.log, c.history = takeover.DiskUnusable, "", nil, nil
		return nil
	})
	if err != nil {
		return "", err
	}
	err = w.lasts(ctx, 100*time.Millisecond, 600*time.Millisecond, func() error {
		o := &w.other().database
		if !o.lives(standby) || !w.network.both() {
			return errors.New("there is no mirror to copy from")
		}
		id = w.newID()
		w.copyOf(o, id)
		w.database.begin(standby)
		w.ledger.restored(w.server)
		return nil
	})
	return id, err
}
