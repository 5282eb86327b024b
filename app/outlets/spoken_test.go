package outlets

import (
	"context"
	"strings"
	"testing"

	"releve"
	"releve/rules/alarm"
	"releve/rules/alarm/spoken"
	"releve/screen/view"
	"releve/screen/words"
	"releve/server/alarms"
)

// What is said of an alarm on the telephone is its sentence, but for the server, which is said after it.
func TestWhatIsSpokenIsWhatIsWritten(t *testing.T) {
	for _, kind := range alarm.Kinds() {
		for _, language := range []releve.Language{releve.French, releve.English} {
			written := words.Say(language, releve.Say("alarm-"+string(kind.Code), "seat", "", "other", ""))
			want := strings.Join(strings.Fields(strings.NewReplacer(" .", ".", " ,", ",").Replace(written)), " ")
			if got := spoken.Words(language, "alarm-"+string(kind.Code)); got != want {
				t.Errorf("%s: it says %q, and is written %q; change words.tsv, and run make.sh", kind.Code, got, want)
			}
		}
	}
}

// door takes what is ordered by a key.
type door struct{ ordered []string }

func (d *door) Handle(_ context.Context, by view.Caller, h view.Handling) error {
	d.ordered = append(d.ordered, by.Phone+" "+by.Name+" "+h.Act+" "+h.Alarm+": "+h.Remark)
	return nil
}

// Who takes an alarm in hand on the telephone does it through the door, in the name that stands beside his number.
func TestAnAcknowledgementByTelephone(t *testing.T) {
	c := newConfig(releve.Main)
	c.Call.People = []string{"2345 Infirmière de nuit", "2346  Technicien"}
	var d door
	caller := caller(c, alarms.New(alarms.Options{Seat: releve.Main, File: t.TempDir() + "/alarms.json"}), noPhone{}, &d)
	if len(caller.People) != 2 || caller.People[1].Number != "2346" || caller.People[1].Name != "Technicien" {
		t.Fatalf("on the list: %+v", caller.People)
	}
	key := alarm.Key{Code: "mirror-away"}
	if err := caller.Acknowledge(t.Context(), caller.People[0], key); err != nil {
		t.Fatal(err)
	}
	if want := "2345 Infirmière de nuit ack mirror-away: par téléphone, touche 1"; len(d.ordered) != 1 || d.ordered[0] != want {
		t.Errorf("ordered %q", d.ordered)
	}
	if caller.Wanted(key) {
		t.Error("somebody is wanted for an alarm that there is not")
	}
}

type noPhone struct{ Telephone }
