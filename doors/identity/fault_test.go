package identity

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAFaultIsFoundAmongOtherErrors(t *testing.T) {
	full := &releve.Fault{Cause: errors.New("full"), Why: releve.Say("database-disk-full")}
	err := fmt.Errorf("asking: %w", errors.Join(full, fault(Expired, "seat", "main", "date", "2036-01-02")))
	found, ok := FaultOf(err)
	if !ok || found.Why.Code != Expired || found.Why.Args["seat"] != "main" || !errors.Is(err, ErrNotAccepted) {
		t.Errorf("found %v", found)
	}
	if found, ok := FaultOf(full); ok || errors.Is(full, ErrNotAccepted) {
		t.Errorf("%v tells of a certificate", found)
	}
	if why, ok := releve.Inner(releve.Reason(fmt.Errorf("asking: %w", found))); !ok || why.Code != Expired {
		t.Errorf("in another sentence it is %v", why)
	}
}
