package account

import (
	"os"

	"releve"
)

// Program is what a program keeps and reads that root may have started.
type Program struct {
	Dir      string   // what it keeps
	Accounts []string // the first that exists is the account of a directory that nobody owns yet
	Keep     Keep
	Files    Files
}

// StepDown has this process, which root started, act as the account of its directory. With
// an error it stays root; [StaysRoot] says why.
func (p Program) StepDown() (who Account, rights *Rights, err error) {
	if who, err = Find(p.Dir, p.Accounts...); err == nil {
		rights, err = who.Assume(p.Dir, p.Keep, p.Files)
	}
	return who, rights, err
}

// Check says what would keep the program from giving root up when root starts it, nil when
// nothing does, or when it is not root who asks. It changes nothing.
func (p Program) Check() *releve.Sentence {
	if os.Geteuid() != 0 { // who asks is not who would start it
		return nil
	}
	who, err := Find(p.Dir, p.Accounts...)
	if err == nil {
		err = who.Examine(p.Dir, p.Files)
	}
	if err == nil {
		return nil
	}
	why := StaysRoot(err)
	return &why
}
