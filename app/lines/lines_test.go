package lines

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/survey/machine"
	"releve/config"
	rules "releve/rules/lines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheDevicesThatCanBeAsked(t *testing.T) {
	plan := rules.Plan([]string{"192.0.2.31/1 1", "192.0.2.31/2 2", "dahdi/1 3"})
	if all := devices(plan, "lines"); len(all) != 2 || all["192.0.2.31"] == nil || all[rules.Card] == nil {
		t.Errorf("%v", all)
	}
	if all := devices(plan, ""); len(all) != 1 || all[rules.Card] == nil {
		t.Errorf("without a community: %v", all)
	}
	if all := devices(config.Defaults().Analogue(), "lines"); len(all) != 0 {
		t.Errorf("without lines: %v", all)
	}
}

// Cards want a machine of their own; a gateway does not (SPEC E2).
func TestCardsOfAVirtualMachine(t *testing.T) {
	here := func(under bool) machine.Files {
		return machine.Files{Root: t.TempDir(), Hypervisor: func() (string, bool) { return "KVM", under }}
	}
	cards, gateway := rules.Plan([]string{"dahdi/1 3"}), rules.Plan([]string{"192.0.2.31/1 1"})
	err := check(cards, here(true))
	if fault, is := errors.AsType[*releve.Fault](err); !is || fault.Why.Code != "lines-virtual" || !errors.Is(err, releve.ErrForbidden) {
		t.Errorf("cards on a virtual machine: %v", err)
	}
	for story, err := range map[string]error{
		"cards on hardware": check(cards, here(false)), "a gateway": check(gateway, here(true)), "no line": check(nil, here(true)),
	} {
		if err != nil {
			t.Errorf("%s: %v", story, err)
		}
	}
}
