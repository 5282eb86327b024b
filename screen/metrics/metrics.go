// Package metrics is a server as Prometheus reads it: the numbers of the page, under names that
// alerts and drawings can rely on (docs/monitoring.md). Each server tells of itself and of the site
// as it sees it, so both are read.
//
// Names and units follow Prometheus' own rules: base units, _total for what only rises since the
// start of the server, one series for each state of which one holds.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"releve"
	"releve/screen/view"
)

// Handler answers with what a look at the site shows now, and with this process' own memory, time
// and descriptors.
func Handler(look func() view.Site) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(New(look), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Collector reads the site once for each answer.
type Collector struct{ look func() view.Site }

// New makes it.
func New(look func() view.Site) Collector { return Collector{look} }

// Metric is one name with what it says of a site. It says nothing where there is nothing to say: a
// level without a mirror has no distance to it.
type Metric struct {
	Name   string
	Help   string
	Labels []string
	Rises  bool // only, since the start of the server
	of     func(view.Site) []sample
}

type sample struct {
	value  float64
	labels []string
}

func (m Metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, m.Labels, nil) }

func (m Metric) kind() prometheus.ValueType {
	if m.Rises {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// Describe implements [prometheus.Collector].
func (c Collector) Describe(all chan<- *prometheus.Desc) {
	for _, m := range Table() {
		all <- m.desc()
	}
}

// Collect implements [prometheus.Collector].
func (c Collector) Collect(all chan<- prometheus.Metric) {
	site := c.look()
	for _, m := range Table() {
		for _, s := range m.of(site) {
			all <- prometheus.MustNewConstMetric(m.desc(), m.kind(), s.value, s.labels...)
		}
	}
}

// one is a metric with one number.
func one(value float64) []sample { return []sample{{value: value}} }

func flag(is bool) []sample { return one(number(is)) }

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// only says it where it means something.
func only(means bool, said []sample) []sample {
	if !means {
		return nil
	}
	return said
}

// at is a time in seconds, nothing where there was none.
func at(t time.Time) []sample { return only(!t.IsZero(), one(float64(t.UnixMilli())/1000)) }

// states gives each its own series: 1 for the one that holds, 0 for the others.
func states[S ~string](now S, all ...S) (said []sample) {
	for _, s := range all {
		said = append(said, sample{number(s == now), []string{string(s)}})
	}
	return said
}

func tiers(own view.Server) (said []sample) {
	for _, t := range []struct {
		name string
		is   releve.Tier
	}{{"data", own.Data}, {"interfaces", own.Interfaces}, {"processing", own.Processing}} {
		for _, s := range states(t.is.State,
			releve.TierWell, releve.TierStarting, releve.TierDegraded, releve.TierDown, releve.TierUnknown, releve.TierNone) {
			said = append(said, sample{s.value, append([]string{t.name}, s.labels...)})
		}
	}
	return said
}
