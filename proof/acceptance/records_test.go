package acceptance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"releve"
)

// checkRecordsCounted has both servers count the calls of the site, which are the same on both, and finds
// those that somebody put through among them.
func (s *site) checkRecordsCounted(t testing.TB) {
	t.Helper()
	eventually(t, 20*time.Second, "both servers count the same calls", func() error {
		var counts [2][]releve.CallCount
		for i, by := range []*server{s.main, s.secondary} {
			said := by.mustRun(t, "calls", "count", "--by", "hour", "--to", "23:59:59", "--output", "json")
			if err := json.Unmarshal([]byte(said), &counts[i]); err != nil {
				return err
			}
		}
		main, secondary := total(counts[0]), total(counts[1])
		var found []releve.Call
		text := s.main.mustRun(t, "calls", "--ended", "transferred", "--limit", "10000", "--output", "json")
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			return err
		}
		if main.Calls == 0 || !reflect.DeepEqual(main, secondary) || len(found) < main.Outcomes["transferred"] {
			return fmt.Errorf("the main counts %+v, the secondary %+v, and %d are found that were put through", main, secondary, len(found))
		}
		return nil
	})
}

// total adds up the calls of periods.
func total(counts []releve.CallCount) releve.CallCount {
	all := releve.CallCount{Outcomes: map[string]int{}}
	for _, c := range counts {
		all.Calls, all.Callers = all.Calls+c.Calls, all.Callers+c.Callers
		for outcome, n := range c.Outcomes {
			all.Outcomes[outcome] += n
		}
	}
	return all
}
