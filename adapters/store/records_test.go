package store_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/proof/sitetest"
	"releve/rules/alarm"
)

// What the database refuses for its own fault stops nothing, and the operator hears of it (R14).
func TestARecordThatIsSetAsideIsSaid(t *testing.T) {
	limit := sitetest.Limit(time.Minute)
	main, _ := sitetest.New(t, nil)
	sitetest.Must(t, main.Create(limit.Within(t), releve.NewDataID()))
	sitetest.Must(t, main.Start(limit.Within(t), postgres.Primary))
	var stored int
	var said []string
	shown := map[string]string{}
	var mu sync.Mutex
	r := store.NewRecords(main.Cluster, releve.Main, "", func(facts []releve.Fact) { stored += len(facts) },
		func(what releve.Sentence) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code+" "+what.Args["count"]+" "+what.Args["seat"])
		}, func(about string, what releve.Sentence) {
			mu.Lock()
			defer mu.Unlock()
			if what.Code != "" {
				shown[about] = what.Code + " " + what.Args["count"]
			} else {
				delete(shown, about)
			}
		}, slog.New(slog.DiscardHandler))
	t.Cleanup(r.Close)
	sitetest.Must(t, r.Open(limit.Within(t), 1, true, "first", func() error { return nil }))
	good, err := releve.NewFact(releve.CallOffered, "a", releve.Main, 1, time.Now(), releve.CallBody{})
	sitetest.Must(t, err)
	bad := good
	bad.ID, bad.Body = releve.NewFactID(), json.RawMessage(`"no body of a call"`)
	page := releve.SpoolPage{Incarnation: "one",
		Records: []releve.SpoolRecord{{Sequence: 1, Fact: bad}, {Sequence: 2, Fact: good}}}
	upTo, ahead, err := r.Drain(limit.Within(t), releve.Main, page)
	sitetest.Must(t, err)
	if upTo != 2 || ahead || stored != 1 {
		t.Errorf("drained to %d, ahead %v, %d stored", upTo, ahead, stored)
	}
	ctx, stop := context.WithCancel(limit.Within(t))
	left := make(chan struct{})
	go func() { r.Watch(ctx); close(left) }()
	late := releve.SpoolPage{Incarnation: "one", Records: []releve.SpoolRecord{{Sequence: 5, Fact: good}}}
	_, _, err = r.Drain(limit.Within(t), releve.Main, late) // 3 and 4 never came
	sitetest.Must(t, err)
	limit.Until(t, "the screens show both", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return shown["notice-records-refused main"] == "notice-records-refused 1" &&
			shown["notice-records-missing main"] == "notice-records-missing 2"
	})
	r.Close()
	limit.Until(t, "the server on duty tells", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(shown) == 0
	})
	stop()
	<-left
	if want := []string{"major event-records-refused 1 main", "major event-records-missing 2 main"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
