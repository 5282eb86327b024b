package app

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"releve/adapters/peer"
	"releve/screen/view"
	"releve/server/agent"
)

// What the wire can carry, the agent is told, and tells: nothing is left behind in the
// translation, and nothing that a server knows of itself lacks a place on the wire.
func TestNothingIsLostBetweenTheAgentAndTheWire(t *testing.T) {
	raw, err := os.ReadFile("../adapters/peer/testdata/version2/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	var came peer.Word
	if err := json.Unmarshal(raw, &came); err != nil {
		t.Fatal(err)
	}
	version := came.Version
	came.Version = 0 // the link's to say
	if told := wordOf(messageOf(came)); !reflect.DeepEqual(told, came) {
		t.Errorf("of\n%+v\nthere is left\n%+v", came, told)
	}
	if version != peer.Version {
		t.Errorf("the word is of version %d, the link speaks version %d", version, peer.Version)
	}
	for _, c := range []struct {
		ours, wire any
		more       int
	}{{agent.Message{}, peer.Word{}, 1}, {view.Mirror{}, peer.Mirror{}, 0}, {view.Procedure{}, peer.Procedure{}, 0}} {
		if ours, wire := reflect.TypeOf(c.ours), reflect.TypeOf(c.wire); ours.NumField()+c.more != wire.NumField() {
			t.Errorf("%s has %d fields, %s has %d", ours, ours.NumField(), wire, wire.NumField())
		}
	}
}
