package cli

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/console"
	"releve/screen/view"
)

// orders are the commands by which something is ordered of a server that runs, and what that is at its door.
var orders = map[string]view.Deed{
	"return": view.RunProcedure, "switchover": view.RunProcedure, "solo": view.RunProcedure, "takeover": view.RunProcedure, "restore": view.RunProcedure,
	"switchover cleared": view.RunProcedure, "copy": view.RunProcedure, "mirror rebuild": view.RunProcedure, "mirror resume": view.RunProcedure,
	"arbiter use pair": view.RunProcedure, "arbiter use witness": view.RunProcedure,
	"level use base": view.RunProcedure, "level use mirroring": view.RunProcedure, "level use backup": view.RunProcedure,
	"level use high-availability": view.RunProcedure,
	"drill":                       view.MakeDrill, "abdicate": view.Abdicate, "mirror verify": view.VerifyMirror, "check": view.CheckCalls,
	"salvage extract": view.LookForSalvage, "salvage apply": view.ApplySalvage, "salvage discard": view.DiscardSalvage,
	"licence install": view.InstallLicence, "study adopt": view.AdoptStudy, "notify test": view.TestOutlets,
	"alarms ack": view.HandleAlarm, "alarms close": view.HandleAlarm, "alarms shelve": view.HandleAlarm, "alarms unshelve": view.HandleAlarm,
	"screen add": view.ChangeAccount, "screen remove": view.ChangeAccount,
	"maintenance start": view.Maintain, "maintenance end": view.Maintain,
	"user add": view.ChangeAccount, "user remove": view.ChangeAccount, "user password": view.ChangeAccount, "user role": view.ChangeAccount,
	"user codes": view.ChangeAccount,
}

// lookers are the commands that order nothing of a server: they look, or work on files of their own.
var lookers = strings.Fields(`
	init serve unit pbx pbx/guide pbx/list certificates certificates/show certificates/renew certificates/rekey status alarms alarms/show
	maintenance maintenance/show notify notify/show calls calls/count explain mirror salvage salvage/list salvage/show study arbiter arbiter/use level level/use lines
	licence licence/show licence/verify licence/issue licence/key user user/list screen screen/list drill/show demo completion man version help witness`)

// TestEveryCommandIsAnOrderOrNone: whoever adds a command says whether it orders something, and then it goes through
// the one door.
func TestEveryCommandIsAnOrderOrNone(t *testing.T) {
	covered := map[view.Deed]bool{
		view.Rehearse:          true, // by --dry-run
		view.AbortProcedure:    true, // in the page alone,
		view.ChangeOwnPassword: true, // for on the machine one is nobody's account
	}
	there := map[string]bool{}
	everyCommand(releve.English, func(c *cobra.Command) {
		name := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "releve"), " ")
		if c.HasParent() && c.Parent().Name() == "witness" || c.HasParent() && strings.HasPrefix(name, "study ") && name != "study adopt" {
			return // of the witness, and of a study before there is a server
		}
		there[name] = true
		deed, ordered := orders[name]
		looks := name == "" || slices.Contains(lookers, strings.ReplaceAll(name, " ", "/"))
		if ordered == looks {
			t.Errorf("releve %s: say whether it orders something of a server", name)
		}
		covered[deed] = true
	})
	for name := range orders {
		if !there[name] {
			t.Errorf("there is no releve %s", name)
		}
	}
	for _, name := range lookers {
		if !there[strings.ReplaceAll(name, "/", " ")] {
			t.Errorf("there is no releve %s to look by", name)
		}
	}
	for deed := range maps.Values(console.Ordered()) {
		if !covered[deed] {
			t.Errorf("no command orders %q", deed)
		}
	}
}
