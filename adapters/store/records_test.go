package store_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/proof/sitetest"
)

// What the database refuses for its own fault stops nothing, and the operator hears of it (R14).
func TestARecordThatIsSetAsideIsSaid(t *testing.T) {
	limit := sitetest.Limit(time.Minute)
	main, _ := sitetest.New(t, nil)
	sitetest.Must(t, main.Create(limit.Within(t), releve.NewDataID()))
	sitetest.Must(t, main.Start(limit.Within(t), postgres.Primary))
	var stored int
	var said []string
	r := store.NewRecords(main.Cluster, releve.Main, "", func(facts []releve.Fact) { stored += len(facts) }, func(severity string, what releve.Sentence) {
		said = append(said, severity+" "+what.Code+" "+what.Args["count"]+" "+what.Args["seat"])
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(r.Close)
	sitetest.Must(t, r.Open(limit.Within(t), 1, true, "first", func() error { return nil }))
	good, err := releve.NewFact(releve.CallOffered, "a", releve.Main, 1, time.Now(), releve.CallBody{})
	sitetest.Must(t, err)
	bad := good
	bad.ID, bad.Body = releve.NewFactID(), json.RawMessage(`"no body of a call"`)
	page := releve.SpoolPage{Incarnation: "one", Records: []releve.SpoolRecord{{Sequence: 1, Fact: bad}, {Sequence: 2, Fact: good}}}
	upTo, ahead, err := r.Drain(limit.Within(t), releve.Main, page)
	sitetest.Must(t, err)
	if upTo != 2 || ahead || stored != 1 {
		t.Errorf("drained to %d, ahead %v, %d stored", upTo, ahead, stored)
	}
	if want := []string{"major event-records-refused 1 main"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
