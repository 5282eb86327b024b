package postgres

import (
	"errors"
	"io/fs"
)

// Open finds the programs and looks at whose the data is. It fails where the data is another's,
// and where there is none yet and no programs to make it. Whatever else will keep PostgreSQL
// from starting is only said: a site that lives answers its calls all the same. It changes
// nothing.
func Open(o Options) (*Cluster, error) {
	found, lack := Find(o.Hint)
	if lack != nil && !errors.Is(lack, ErrOldMinor) {
		found = Installation{}
	}
	o.Installation = found
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	if errors.Is(lack, ErrOldMinor) {
		c.log.Warn("PostgreSQL should be updated", "err", lack)
	}
	state, unknown := c.Whose()
	switch {
	case unknown != nil:
		c.log.Error("the database will not start", "err", unknown)
	case state.Presence == Foreign:
		return nil, state.Foreign
	case state.Presence == Absent && found.Bin == "":
		return nil, lack
	case found.Bin == "":
		c.log.Error("the database will not start", "err", lack)
	}
	return c, nil
}

// Check finds what would keep PostgreSQL from starting, as far as who asks may look: he may have
// fewer rights than the server. It changes nothing.
func Check(o Options) error {
	found, err := Find(o.Hint)
	if err != nil && !errors.Is(err, ErrOldMinor) {
		return err
	}
	o.Installation = found
	c, err := New(o)
	if err == nil {
		err = c.Examine()
	}
	if err == nil {
		err = c.ExamineKept()
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
