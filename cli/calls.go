package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// wanted are the flags that say which calls are looked for.
type wanted struct{ from, to, caller, ended, seat string }

func (w *wanted) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.from, "from", "", "")
	c.Flags().StringVar(&w.to, "to", "", "")
	c.Flags().StringVar(&w.caller, "caller", "", "")
	c.Flags().StringVar(&w.ended, "ended", "", "")
	c.Flags().StringVar(&w.seat, "seat", "", "")
}

// query checks them.
func (w *wanted) query(s *settings) (q releve.CallQuery, err error) {
	if q.From, err = s.moment("--from", w.from); err != nil {
		return q, err
	}
	if q.To, err = s.moment("--to", w.to); err != nil {
		return q, err
	}
	if !q.To.IsZero() && !q.From.Before(q.To) {
		return q, s.complaint(codeUsage, "bad-span", "from", w.from, "to", w.to)
	}
	if len([]rune(w.caller)) > releve.ShownMost {
		return q, s.complaint(codeUsage, "bad-caller", "value", w.caller, "most", strconv.Itoa(releve.ShownMost))
	}
	if w.ended != "" {
		if err := s.oneOf("--ended", w.ended, releve.Outcomes...); err != nil {
			return q, err
		}
	}
	if w.seat != "" {
		if err := s.oneOf("--seat", w.seat, string(releve.Main), string(releve.Secondary)); err != nil {
			return q, err
		}
	}
	q.Caller, q.Outcome, q.Seat = w.caller, w.ended, releve.Seat(w.seat)
	return q, nil
}

func newCalls(s *settings) *cobra.Command {
	var limit int
	var table bool
	var which wanted
	c := &cobra.Command{
		Use: "calls", Args: s.noArgs,
		Example: "  releve calls -c main.toml --limit 20\n  releve calls -c main.toml --output json\n" +
			"  releve calls -c main.toml --from 2026-11-24 --to 2026-11-25 --caller 06 --ended abandoned\n" +
			"  releve calls -c main.toml --from 2026-11-01 --limit 10000 --csv > november.csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.atLeastOne(limit); err != nil {
				return err
			}
			q, err := which.query(s)
			if err != nil {
				return err
			}
			server, err := s.server()
			if err != nil {
				return err
			}
			calls, err := server.Search(c.Context(), q, limit)
			if err == nil && table {
				return text.CallsCSV(c.OutOrStdout(), calls)
			}
			return shown(s, c, calls, err, func(all []releve.Call) string { return text.Calls(all, s.lang()) })
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "")
	c.Flags().BoolVar(&table, "csv", false, "")
	which.flags(c)
	c.AddCommand(newCount(s))
	return c
}

// counted is how much is counted when nobody says from when.
var counted = map[string]time.Duration{
	"hour": 24 * time.Hour, "day": 14 * 24 * time.Hour, "week": 12 * 7 * 24 * time.Hour, "month": 183 * 24 * time.Hour,
}

func newCount(s *settings) *cobra.Command {
	var by, since, until string
	c := &cobra.Command{
		Use: "count", Args: s.noArgs,
		Example: "  releve calls count -c main.toml\n  releve calls count -c main.toml --by hour --from 2026-11-24 --to 2026-11-25\n" +
			"  releve calls count -c main.toml --by month --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.oneOf("--by", by, view.Periods...); err != nil {
				return err
			}
			w := wanted{from: since, to: until}
			q, err := w.query(s)
			if err != nil {
				return err
			}
			if q.To.IsZero() {
				q.To = time.Now()
			}
			if q.From.IsZero() {
				q.From = q.To.Add(-counted[by])
			}
			if _, ok := view.Calendar(by, q.From, q.To); !ok {
				return s.complaint(codeUsage, "bad-periods", "by", by, "from", q.From.Format(time.RFC3339), "to", q.To.Format(time.RFC3339))
			}
			server, err := s.server()
			if err != nil {
				return err
			}
			counts, err := server.Count(c.Context(), by, q.From, q.To)
			return shown(s, c, counts, err, func(all []releve.CallCount) string { return text.Counts(all, by, s.lang()) })
		},
	}
	c.Flags().StringVar(&by, "by", "day", "")
	c.Flags().StringVar(&since, "from", "", "")
	c.Flags().StringVar(&until, "to", "", "")
	return c
}
