package guide

import (
	"encoding/json"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"releve/screen/view"
)

// runsKept is how many runs of a procedure are remembered: the site may have grown since older ones.
const runsKept = 5

// Past is how long the steps of each procedure took when it last came to its end here. What is
// expected of the next run is nobody's guess. One without a file forgets with its process.
type Past struct {
	file string

	mu   sync.Mutex
	runs map[string][]map[string]time.Duration // by procedure, the latest last: each step's code to what it took
}

// OpenPast reads what is remembered in a file, "" for none. One that cannot be read is as good as
// none, and replaced by the next run.
func OpenPast(file string) *Past {
	p := &Past{file: file, runs: map[string][]map[string]time.Duration{}}
	var runs map[string][]map[string]time.Duration
	if raw, err := os.ReadFile(file); err == nil && json.Unmarshal(raw, &runs) == nil && runs != nil {
		p.runs = runs
	}
	return p
}

// Expected is what these steps took, each at the median of the runs that had it. It is nil where one
// of them was never seen: half a time is none.
func (p *Past) Expected(procedure string, steps []string) map[string]time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	expected := map[string]time.Duration{}
	for _, step := range steps {
		var took []time.Duration
		for _, run := range p.runs[procedure] {
			if d, had := run[step]; had {
				took = append(took, d)
			}
		}
		if len(took) == 0 {
			return nil
		}
		slices.Sort(took)
		expected[step] = took[len(took)/2]
	}
	return expected
}

// Remember keeps a run that came to its end well. A step that was passed over took no time.
func (p *Past) Remember(done view.Procedure) error {
	run := map[string]time.Duration{}
	for _, s := range done.Steps {
		run[s.What.Code] = max(0, s.Finished.Sub(s.Started))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := append(p.runs[done.Name], run)
	p.runs[done.Name] = runs[max(0, len(runs)-runsKept):]
	if p.file == "" {
		return nil
	}
	raw, err := json.Marshal(p.runs)
	if err == nil {
		err = renameio.WriteFile(p.file, append(raw, '\n'), 0o600)
	}
	return err
}
