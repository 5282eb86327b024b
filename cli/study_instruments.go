package cli

import (
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"releve"
	"releve/adapters/phone/trial"
	"releve/adapters/survey/ports"
	"releve/adapters/survey/services"
	"releve/app"
	rules "releve/rules/study"
	"releve/server/study"
)

// instruments are those of this server. data is where it will keep its own.
func instruments(own, other netip.Addr, data string) *study.Hands {
	if whole, err := filepath.Abs(data); err == nil {
		data = whole
	}
	return &study.Hands{
		Look:     app.Survey(data),
		Services: services.From(own).Measure,
		PBX: func(ctx context.Context, q releve.StudyQuestion, s releve.StudySecrets, seat releve.Seat) []releve.Measurement {
			return trial.Measure(ctx, own, q, s, seat)
		},
		Listen: func(all []string, key []byte) (study.Listening, map[string]releve.Measurement) {
			return ports.Listen(own, other, all, key)
		},
		Knock: func(ctx context.Context, all []string, key []byte) []rules.Probe {
			return ports.Knock(ctx, own, other, all, key)
		},
		Now: time.Now,
	}
}
