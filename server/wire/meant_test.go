package wire

import (
	"encoding/json"
	"reflect"
	"testing"

	"releve/screen/view"
	"releve/server/agent"
)

// What the wire can carry, the agent is told, and tells: nothing is left behind in the
// translation, and nothing that a server knows of itself lacks a place on the wire.
func TestNothingIsLostBetweenTheAgentAndTheWire(t *testing.T) {
	var came Word
	if err := json.Unmarshal(read(t, "version4/everything.json"), &came); err != nil {
		t.Fatal(err)
	}
	came.Edition, came.Kept, came.Upon.Edition = 0, false, 0 // the wire's own: see Editions
	if told := wordOf(messageOf(came)); !reflect.DeepEqual(told, came) {
		t.Errorf("of\n%+v\nthere is left\n%+v", came, told)
	}
	for _, c := range []struct {
		ours, wire any
		more       int
	}{{agent.Message{}, Word{}, 3}, {view.Mirror{}, Mirror{}, 0}, {view.Procedure{}, Procedure{}, 0}} {
		if ours, wire := reflect.TypeOf(c.ours), reflect.TypeOf(c.wire); ours.NumField()+c.more != wire.NumField() {
			t.Errorf("%s has %d fields, %s has %d", ours, ours.NumField(), wire, wire.NumField())
		}
	}
}
