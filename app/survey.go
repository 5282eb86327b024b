package app

import (
	"context"
	"path/filepath"
	"slices"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/survey/disk"
	"releve/adapters/survey/machine"
	"releve/adapters/survey/services"
	"releve/config"
	"releve/server/study"
)

// Survey looks at this machine as a study does; data is where a server keeps its own.
func Survey(data string) func(context.Context, releve.Seat) []releve.Measurement {
	return func(ctx context.Context, seat releve.Seat) []releve.Measurement {
		return slices.Concat(machine.Here().Measure(seat), []releve.Measurement{postgres.Study(seat)}, disk.Measure(ctx, data, seat))
	}
}

// makeNight replays the site's study each night, at the hour at which the mirror is verified.
func (a *App) makeNight() {
	c := a.config
	a.night = study.NewNight(study.NightOptions{
		Seat: c.Site.Seat, Hour: c.Mirror.Verify.SinceMidnight(), File: filepath.Join(c.Site.Data, "replayed.json"),
		Adopted: a.licences.Study, Runs: a.front.RunsAt,
		Look: Survey(c.Site.Data), Services: services.From(config.Address(c.Peer.Listen).Addr()).Measure,
		Link: a.peer, Front: a.front, Log: a.log,
	})
}
