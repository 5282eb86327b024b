package phone

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/adapters/phone/register"
)

// A PBX is back only after it was missed more than once and for a while: then the
// bindings are doubted, once.
func TestAPBXIsBackAfterASilence(t *testing.T) {
	lost := errors.New("no answer")
	for _, c := range []struct {
		name    string
		answers []error // one each 700 ms
		back    int
	}{
		{"well", []error{nil, nil, nil}, 0},
		{"never heard before", []error{lost, lost, lost, nil}, 0},
		{"late once", []error{nil, lost, nil}, 0},
		{"silent", []error{nil, lost, lost, lost, nil, nil}, 1},
		{"silent twice", []error{nil, lost, lost, nil, lost, lost, nil}, 2},
		{"nobody waited", []error{nil, context.Canceled, context.Canceled, context.Canceled, nil}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, back := &Lines{}, 0
				for _, err := range c.answers {
					if l.backAgain(err) {
						back++
					}
					time.Sleep(700 * time.Millisecond)
				}
				if back != c.back {
					t.Errorf("back %d times, not %d", back, c.back)
				}
			})
		})
	}
}

// At level mirroring nobody is there to call as.
func TestWithoutAStandbyNoTestCallIsMade(t *testing.T) {
	nobody := func() *register.Line {
		return register.NewLine(nil, Account{}, nil, nil, slog.New(slog.DiscardHandler))
	}
	l := NewLines(&Phone{}, nil, nobody(), nobody())
	_, err := l.CallAsStandby(t.Context(), "9", "x")
	if cause, told := errors.AsType[*releve.Cause](err); !told || cause.Sentence().Code != "cause-no-standby" {
		t.Errorf("got %v", err)
	}
}
