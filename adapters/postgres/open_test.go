package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"releve"
)

// A site that lives goes on without programs, and answers its calls; one that has no data yet
// cannot begin, and beside another's nothing is done.
func TestWithWhatAServerBegins(t *testing.T) {
	mine := func(c *Cluster) error {
		return errors.Join(os.MkdirAll(c.dataDir(), 0o755), c.writeIdentity(c.dataDir(), releve.NewDataID()))
	}
	anothers := func(c *Cluster) error {
		return errors.Join(os.MkdirAll(c.dataDir(), 0o755),
			os.WriteFile(filepath.Join(c.dataDir(), "thesis.txt"), []byte("years of work"), 0o644))
	}
	unreadable := func(c *Cluster) error {
		return errors.Join(os.MkdirAll(filepath.Dir(c.dataDir()), 0o755), os.WriteFile(c.dataDir(), nil, 0o644))
	}
	none := func(*Cluster) error { return nil }
	for story, s := range map[string]struct {
		data     func(*Cluster) error
		programs string
		opens    bool
		foreign  bool
		well     bool // to the check
	}{
		"nothing yet":                 {data: none, opens: true, well: true},
		"nothing yet and no programs": {data: none, programs: "/nonexistent"},
		"ours and no programs":        {data: mine, programs: "/nonexistent", opens: true},
		"data that cannot be read":    {data: unreadable, opens: true},
		"another's":                   {data: anothers, foreign: true},
	} {
		o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
		must(t, s.data(newCluster(t, o)))
		o.Hint = s.programs
		c, err := Open(o)
		if (err == nil) != s.opens || errors.Is(err, ErrForeign) != s.foreign || (c != nil) != s.opens {
			t.Errorf("%s: it opens %v: %v", story, c != nil, err)
		}
		if err := Check(o); (err == nil) != s.well || errors.Is(err, ErrForeign) != s.foreign {
			t.Errorf("%s: the check says %v", story, err)
		}
	}
}
