package outbox

import (
	"testing"

	"releve"
)

func TestALedgerThatDoesNotReadIsCutOff(t *testing.T) {
	const most = 16384
	for name, batch := range map[string]int{"all at once": most, "in batches": 512} {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			ledger := l.Listen(t.Context())
			for range most / batch {
				l.Add(make([]releve.Fact, batch))
			}
			if len(l.listeners) != 1 {
				t.Fatal("it is cut off before its bound")
			}
			l.Add(make([]releve.Fact, 1))
			got := 0
			for some := range ledger { // it ends, without a hole
				got += len(some)
			}
			if got != most || len(l.listeners) != 0 {
				t.Errorf("%d facts waited", got)
			}
		})
	}
}
