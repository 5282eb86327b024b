package metrics_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/metrics"
	"releve/screen/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is what a site says: the value of each series, by its name and the values of its labels.
func said(t *testing.T, site view.Site) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.New(func() view.Site { return site }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

func TestEachStateOfASiteCanBeRead(t *testing.T) {
	for _, s := range gallery.States(time.Now()) {
		for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
			s.Site.Seat = seat
			all := said(t, s.Site)
			if n := all["releve_duty active"] + all["releve_duty passive"] + all["releve_duty out-of-service"]; n != 1 {
				t.Errorf("%s: the %s has %v duties", s.Name, seat, n)
			}
			if n := all["releve_word protected"] + all["releve_word not-protected"] + all["releve_word stopped"]; n != 1 {
				t.Errorf("%s: the %s says %v words", s.Name, seat, n)
			}
		}
	}
}

func TestEachServerTellsOfItself(t *testing.T) {
	now := time.Now()
	s, err := gallery.Find("protected", now)
	if err != nil {
		t.Fatal(err)
	}
	s.Site.Secondary.ChannelsBusy = 1
	for seat, want := range map[releve.Seat]map[string]float64{
		releve.Main:      {"releve_duty active": 1, "releve_registered reception": 1, "releve_channels_busy": 3, "releve_vote": 0},
		releve.Secondary: {"releve_duty passive": 1, "releve_registered standby": 1, "releve_channels_busy": 1, "releve_vote": 1},
	} {
		s.Site.Seat = seat
		all := said(t, s.Site)
		for name, value := range want {
			if got, is := all[name]; !is || got != value {
				t.Errorf("%s: %s is %v (%v), want %v", seat, name, got, is, value)
			}
		}
	}
}

// What a level does not have is not said, rather than said to be nought.
func TestWhatALevelDoesNotHaveIsNotSaid(t *testing.T) {
	s, err := gallery.Find("base", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all := said(t, s.Site)
	for _, name := range []string{"releve_other_heard", "releve_mirror_lag_bytes", "releve_mirror_differences", "releve_ready", "releve_witness_heard"} {
		if value, is := all[name]; is {
			t.Errorf("%s is %v at level base", name, value)
		}
	}
	if _, is := all["releve_calls_offered_total"]; !is {
		t.Error("the calls of level base are not said")
	}
}
