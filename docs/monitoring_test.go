package docs_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/metrics"
	"releve/screen/view"
)

// promtool runs Debian's, which reads rules as Prometheus does.
func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	program, err := exec.Command("../scripts/promtool.sh").Output()
	if err != nil {
		t.Fatalf("promtool cannot be had: %v", err)
	}
	cmd := exec.Command(strings.TrimSpace(string(program)), args...)
	cmd.Stdin = strings.NewReader(stdin)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return string(said)
}

// seconds into a story at which alerts are looked at: the longest of them waits an hour.
const told = 2 * 3600

// both are the two servers of a site, each with its own look at it.
func both(change func(*view.Site)) (all []view.Site) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		s, err := gallery.Find("protected", time.Unix(told, 0))
		if err != nil {
			panic(err)
		}
		s.Site.Seat = seat
		if s.Site.Licences != nil {
			s.Site.Licences.Until = time.Time{}
		}
		s.Site.Mirror.VerifiedAt = time.Unix(0, 0).Add(time.Minute)
		change(&s.Site)
		all = append(all, s.Site)
	}
	return all
}

// scraped is what a server answers to Prometheus.
func scraped(site view.Site) string {
	answer := httptest.NewRecorder()
	metrics.Handler(func() view.Site { return site }).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.String()
}

// series writes what the servers say, for as long as the story lasts, as promtool reads it.
func series(t *testing.T, sites []view.Site) string {
	t.Helper()
	var b strings.Builder
	for i, site := range sites {
		instance := fmt.Sprintf("instance=\"192.0.2.%d:7080\",job=\"releve\"", 11+i)
		fmt.Fprintf(&b, "    - {series: 'up{%s}', values: '1x%d'}\n", instance, told/60)
		for line := range strings.Lines(scraped(site)) {
			if !strings.HasPrefix(line, "releve_") || strings.HasPrefix(line, "releve_info") {
				continue
			}
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			name, labels, labelled := strings.Cut(name, "{")
			whose := instance
			if labelled {
				whose += "," + strings.TrimSuffix(labels, "}")
			}
			fmt.Fprintf(&b, "    - {series: '%s{%s}', values: '%sx%d'}\n", name, whose, value, told/60)
		}
	}
	return b.String()
}

func TestEachAlertIsRaisedByItsStateAndByNoOther(t *testing.T) {
	away := func(s *view.Site) { s.Word = view.NotProtected }
	raised := map[string]bool{}
	for name, c := range map[string]struct {
		change func(*view.Site)
		want   []string
	}{
		"all is well":              {func(*view.Site) {}, nil},
		"nobody is on duty":        {func(s *view.Site) { s.Main.Duty = releve.OutOfService }, []string{"ReleveNobodyOnDuty"}},
		"two say that they are":    {func(s *view.Site) { s.Secondary.Duty = releve.Active }, []string{"ReleveTwoOnDuty"}},
		"nobody answers":           {func(s *view.Site) { s.Word = view.Stopped }, []string{"ReleveStopped"}},
		"a failure would cost":     {away, []string{"ReleveNotProtected"}},
		"the standby is not ready": {func(s *view.Site) { s.Readiness = &view.Readiness{} }, []string{"ReleveStandbyNotReady"}},
		"the standby is ready":     {func(s *view.Site) { s.Readiness = &view.Readiness{Ready: true} }, nil},
		"answers without the duty": {func(s *view.Site) { s.Secondary.WithoutDuty = true }, []string{"ReleveAnswersWithoutDuty"}},
		"the PBX is silent":        {func(s *view.Site) { s.PBX.Heard = false }, []string{"RelevePBXSilent"}},
		"the main is not bound":    {func(s *view.Site) { s.Main.Registered = nil }, []string{"ReleveNotRegistered"}},
		"the standby is not bound": {func(s *view.Site) { s.Secondary.Registered = nil }, nil},
		"a database is down":       {func(s *view.Site) { s.Main.Data.State = releve.TierDown }, []string{"ReleveTierDown"}},
		"a database starts":        {func(s *view.Site) { s.Main.Data.State = releve.TierStarting }, nil},
		"the mirror is away":       {func(s *view.Site) { s.Mirror.State = view.MirrorAway }, []string{"ReleveMirrorAway"}},
		"the mirror is made":       {func(s *view.Site) { s.Mirror.State = view.MirrorCloning }, nil},
		"the mirror differs":       {func(s *view.Site) { s.Mirror.Differences = 3 }, []string{"ReleveMirrorDiffers"}},
		"never verified":           {func(s *view.Site) { s.Mirror.VerifiedAt = time.Time{} }, nil},
		"verified long ago": {func(s *view.Site) { s.Mirror.VerifiedAt = time.Unix(-4*86400, 0) },
			[]string{"ReleveMirrorNotVerified"}},
		"records wait":          {func(s *view.Site) { s.Main.SpoolStands = true }, []string{"ReleveRecordsWait"}},
		"all channels are busy": {func(s *view.Site) { s.Main.ChannelsBusy = s.Main.Channels }, []string{"ReleveChannelsFull"}},
		"no channels at all":    {func(s *view.Site) { s.Secondary.Channels = 0 }, nil},
		"level backup": {func(s *view.Site) {
			s.Level, s.Mirror.State, s.Secondary.Copied = releve.Backup, view.MirrorCopy, time.Unix(0, 0).Add(time.Minute)
		}, nil},
		"level backup, and the copy is old": {func(s *view.Site) {
			s.Level, s.Mirror.State, s.Secondary.Copied = releve.Backup, view.MirrorCopy, time.Unix(-3*86400, 0)
		}, []string{"ReleveCopyOld"}},
		"the witness is silent": {func(s *view.Site) { s.Arbiter = releve.Witness }, []string{"ReleveWitnessSilent"}},
		"the licence ends": {func(s *view.Site) { s.Licences = &view.Licences{Until: time.Unix(20*86400, 0)} },
			[]string{"ReleveLicenceEnds"}},
		"the licence holds": {func(s *view.Site) { s.Licences = &view.Licences{Until: time.Unix(40*86400, 0)} }, nil},
	} {
		for _, alert := range c.want {
			raised[alert] = true
		}
		played(t, name, series(t, both(c.change)), c.want)
	}
	raised["ReleveServerSilent"] = true
	played(t, "a server is silent to Prometheus",
		strings.Replace(series(t, both(func(*view.Site) {})), "values: '1x", "values: '0x", 1), []string{"ReleveServerSilent"})
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(read(t, "monitoring/alerts.yml"), -1) {
		if !raised[alert[1]] {
			t.Errorf("nothing here raises %s", alert[1])
		}
	}
}

// played has promtool play a story: at its end these alerts are raised, and no other.
func played(t *testing.T, name, series string, want []string) {
	t.Helper()
	rules, err := filepath.Abs("monitoring/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	samples := ""
	slices.Sort(want)
	for _, alert := range want {
		samples += fmt.Sprintf("          - {labels: '{alertname=%q}', value: 1}\n", alert)
	}
	if samples == "" {
		samples = "          []\n"
	}
	story := fmt.Sprintf(`rule_files: [%q]
evaluation_interval: 1m
tests:
- name: %s
  interval: 1m
  input_series:
%s  promql_expr_test:
    - expr: 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'
      eval_time: %ds
      exp_samples:
%s`, rules, name, series, told, samples)
	file := filepath.Join(t.TempDir(), "story.yml")
	if err := os.WriteFile(file, []byte(story), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run(name, func(t *testing.T) { promtool(t, "", "test", "rules", file) })
}

func TestTheAlertsAreRules(t *testing.T) {
	promtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", "monitoring/alerts.yml")
}

// Prometheus' own rules for names, help and units hold for all that a server answers.
func TestTheMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	for _, s := range gallery.States(time.Unix(told, 0)) {
		if said := promtool(t, scraped(s.Site), "check", "metrics"); said != "" {
			t.Errorf("%s: %s", s.Name, said)
		}
	}
}

// The table of the page is the program's.
func TestTheMetricsAreThoseOfTheCode(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | labels | what it says |\n|---|---|---|\n")
	for _, m := range metrics.Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, strings.Join(m.Labels, ", "), m.Help)
	}
	tabled(t, "monitoring.md", b.String(), "TheMetrics")
}

// panel is one drawing of the dashboard, in both languages.
type panel struct {
	kind, en, fr, expr, unit string
	legend                   string
	x, y, w                  int
}

const high = 7 // rows of the grid that a drawing takes

var panels = []panel{
	{"stat", "Protected", "Protégé", `min(releve_word{job="releve",word="protected"})`, "bool_yes_no", "", 0, 0, 4},
	{"stat", "Standby could take over", "Relève possible", `min(releve_ready{job="releve"})`, "bool_yes_no", "", 4, 0, 4},
	{"stat", "On duty", "De service", `releve_duty{job="releve",duty="active"} == 1`, "none", "{{instance}}", 8, 0, 4},
	{"stat", "Lost by a failure now", "Perdu si panne maintenant", `max(releve_mirror_lost_calls{job="releve"})`, "none", "", 12, 0, 4},
	{"stat", "PBX answers", "Le PABX répond", `releve_pbx_heard{job="releve"}`, "bool_yes_no", "{{instance}}", 16, 0, 4},
	{"stat", "Last verification", "Dernière vérification", `max(releve_mirror_verified_timestamp_seconds{job="releve"}) * 1000`, "dateTimeFromNow", "", 20, 0, 4},
	{"timeseries", "Calls in progress", "Appels en cours", `releve_channels_busy{job="releve"}`, "none", "{{instance}}", 0, 7, 12},
	{"timeseries", "Calls offered", "Appels présentés", `rate(releve_calls_offered_total{job="releve"}[5m]) * 60`, "cpm", "{{instance}}", 12, 7, 12},
	{"timeseries", "Calls refused", "Appels refusés", `rate(releve_calls_refused_total{job="releve"}[5m]) * 60`, "cpm", "{{instance}}", 0, 14, 12},
	{"timeseries", "Distance of the mirror", "Retard du miroir", `releve_mirror_lag_bytes{job="releve"}`, "bytes", "{{instance}}", 12, 14, 12},
	{"timeseries", "Records that wait", "Enregistrements en attente", `releve_spool_waiting_records{job="releve"}`, "none", "{{instance}}", 0, 21, 12},
	{"timeseries", "Duty", "Service", `releve_duty{job="releve",duty="active"}`, "bool_on_off", "{{instance}}", 12, 21, 12},
	{"timeseries", "Processor", "Processeur", `rate(process_cpu_seconds_total{job="releve"}[5m])`, "percentunit", "{{instance}}", 0, 28, 12},
	{"timeseries", "Memory", "Mémoire", `process_resident_memory_bytes{job="releve"}`, "bytes", "{{instance}}", 12, 28, 12},
}

func dashboard(title string, say func(panel) string) string {
	type object = map[string]any
	var drawn []object
	for i, p := range panels {
		drawn = append(drawn, object{
			"id": i + 1, "type": p.kind, "title": say(p), "datasource": object{"type": "prometheus", "uid": "${datasource}"},
			"gridPos":     object{"x": p.x, "y": p.y, "w": p.w, "h": high},
			"fieldConfig": object{"defaults": object{"unit": p.unit}, "overrides": []any{}},
			"targets":     []object{{"refId": "A", "expr": p.expr, "legendFormat": p.legend}},
		})
	}
	text, err := json.MarshalIndent(object{
		"title": title, "uid": "releve", "schemaVersion": 39, "refresh": "10s", "time": object{"from": "now-6h", "to": "now"},
		"templating": object{"list": []object{{"name": "datasource", "type": "datasource", "query": "prometheus"}}},
		"panels":     drawn,
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

// The dashboards are made of one table, and each of their questions can be asked.
func TestTheDashboardsAskWhatThereIs(t *testing.T) {
	for file, made := range map[string]string{
		"monitoring/grafana.en.json": dashboard("Relève", func(p panel) string { return p.en }),
		"monitoring/grafana.fr.json": dashboard("Relève (français)", func(p panel) string { return p.fr }),
	} {
		holds(t, file, made, "TheDashboards")
	}
	known := []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}
	for _, m := range metrics.Table() {
		known = append(known, m.Name)
	}
	asked := read(t, "monitoring/alerts.yml")
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, p := range panels {
		asked += p.expr
		rules += fmt.Sprintf("  - {record: panel:%d, expr: '%s'}\n", i, p.expr)
	}
	for _, name := range regexp.MustCompile(`\b(releve|process)_\w+`).FindAllString(asked, -1) {
		if !slices.Contains(known, name) {
			t.Errorf("%s is asked for and said by nobody", name)
		}
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}
