package accounts_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/screen/view"
)

// who may order what, by role: the page docs/users.md says the same to people.
var mayOrder = map[view.Deed]string{
	view.HandleAlarm: "operator keeper administrator", view.ChangeAccount: "administrator",
	view.Rehearse: "operator keeper administrator auditor", view.ChangeOwnPassword: "operator keeper administrator auditor",
}

var allDeeds = []view.Deed{
	view.HandleAlarm, view.ChangeAccount, view.ChangeOwnPassword, view.Rehearse, view.RunProcedure, view.AbortProcedure, view.MakeDrill, view.Abdicate, view.VerifyMirror, view.CheckCalls,
	view.LookForSalvage, view.ApplySalvage, view.DiscardSalvage, view.InstallLicence, view.AdoptStudy, view.TestOutlets,
}

// Whoever has not the right has nothing carried out, and stands in both diaries.
func TestWhoMayOrderWhat(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		var want []string
		for _, role := range []string{"screen", "operator", "keeper", "administrator", "auditor"} {
			main.does(add("a-"+role, role))
			token := main.in("a-"+role, good)
			for _, deed := range append(allDeeds, "nothing that there is") {
				may := "keeper administrator"
				if some, less := mayOrder[deed]; less {
					may = some
				}
				allowed := slices.Contains(strings.Fields(may), role) && deed != "nothing that there is"
				ran := false
				o := view.Order{By: view.Caller{Session: token, From: home}, Deed: deed, What: releve.Say("order-verify")}
				err := main.keeper.Order(t.Context(), o, func(context.Context) error { ran = true; return nil })
				if ran != allowed || (err == nil) != allowed || !allowed && !errors.Is(err, view.ErrNoRight) {
					t.Errorf("%s by a-%s: it ran is %t, with %v", deed, role, ran, err)
				}
				if !allowed {
					want = append(want, "main order-verify a-"+role+" "+role+" 10.0.0.7 audit-no-right")
				}
			}
		}
		pass(15 * time.Second)
		for _, s := range []*server{main, secondary} {
			got := slices.DeleteFunc(slices.Clone(s.acts), func(a string) bool { return !strings.Contains(a, "no-right") })
			if !slices.Equal(got, want) {
				t.Errorf("the diary of the %s has %d refusals, not %d", s.seat, len(got), len(want))
			}
		}
	})
}

// On the machine itself the kernel says who it is, and he says how he is called.
func TestWhoOrdersOnTheMachineIsNamed(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		for _, c := range []view.Caller{{Unix: "root"}, {Unix: "releve", Name: "releve"}, {Unix: "root", Name: "A. Martin"}} {
			failing := errors.New("it failed")
			o := view.Order{By: c, Deed: view.RunProcedure, What: releve.Say("order-procedure", "procedure", "return")}
			if err := main.keeper.Order(t.Context(), o, func(context.Context) error { return failing }); !errors.Is(err, failing) {
				t.Error(err)
			}
		}
		pass(15 * time.Second)
		want := "main order-procedure root administrator socket audit-begun; main order-procedure root administrator socket audit-failed; " +
			"main order-procedure releve administrator socket audit-begun; main order-procedure releve administrator socket audit-failed; " +
			"main order-procedure A. Martin (root) administrator socket audit-begun; main order-procedure A. Martin (root) administrator socket audit-failed"
		for _, s := range []*server{main, secondary} {
			if got := strings.Join(s.acts, "; "); got != want {
				t.Errorf("the diary of the %s: %s", s.seat, got)
			}
		}
		if err := main.keeper.Order(t.Context(), view.Order{Deed: view.Rehearse}, nil); !errors.Is(err, view.ErrNobody) {
			t.Errorf("nobody is %v", err)
		}
	})
}

// Two do not decide about what was salvaged at once; the second hears whom he waits for.
func TestOneAtATime(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		goes, done := make(chan struct{}), make(chan error)
		o := view.Order{By: view.Caller{Unix: "root", Name: "Anna"}, Deed: view.ApplySalvage, What: releve.Say("order-salvage-apply", "number", "1")}
		order := func(run func(context.Context) error) error { return main.keeper.Order(t.Context(), o, run) }
		go func() { done <- order(func(context.Context) error { <-goes; return nil }) }()
		synctest.Wait()
		err := order(func(context.Context) error { t.Error("both ran"); return nil })
		if fault, ok := errors.AsType[*releve.Fault](err); !ok || !errors.Is(err, releve.ErrBusy) || fault.Why.Args["user"] != "Anna (root)" {
			t.Errorf("the second heard %v", err)
		}
		close(goes)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := order(func(context.Context) error { return nil }); err != nil {
			t.Errorf("after the first: %v", err)
		}
	})
}

// Whoever was called about an alarm may take one in hand, in the name beside his number, and nothing else.
func TestWhatIsOrderedByTelephone(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		by := view.Caller{Phone: "2345", Name: "Night nurse"}
		for _, deed := range allDeeds {
			ran := false
			err := main.keeper.Order(t.Context(), view.Order{By: by, Deed: deed, What: releve.Say("order-verify")}, func(context.Context) error { ran = true; return nil })
			if may := strings.Contains(mayOrder[deed], "operator"); ran != may || (err == nil) != may {
				t.Errorf("%s by telephone: it ran is %t, with %v", deed, ran, err)
			}
		}
		pass(15 * time.Second)
		for _, s := range []*server{main, secondary} {
			if !slices.ContainsFunc(s.acts, func(a string) bool { return strings.Contains(a, "Night nurse operator telephone 2345") }) {
				t.Errorf("the diary of the %s has %q", s.seat, s.acts)
			}
		}
	})
}
