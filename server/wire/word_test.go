package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	known "releve/rules/version"
)

// The bytes of a word are held here. One that changes what is sent under a name breaks the
// pair while it is brought to a new version: the field goes into a new version's file beside
// this one, which stays as what the version before sends.
func TestTheWire(t *testing.T) {
	golden := read(t, "version4/everything.json")
	var w Word
	strict := json.NewDecoder(bytes.NewReader(golden))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&w); err != nil {
		t.Fatal(err)
	}
	for _, empty := range unset("word", reflect.ValueOf(w)) {
		t.Errorf("%s is not in everything.json", empty)
	}
	again, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(again, '\n'), golden) {
		t.Errorf("a word with everything in it is sent as\n%s", again)
	}
	if meant := statusOf(w.Status.meant()); meant != w.Status {
		t.Errorf("the status is read as\n%+v\nand was\n%+v", meant, w.Status)
	}
	if lacks := unset("status", reflect.ValueOf(w.Status.meant())); lacks != nil {
		t.Errorf("of a status, the wire has not %q", lacks)
	}
}

// A word of a version before is read: none tells its number, which follows from the link's, or what
// is kept or what a procedure asks for and how long it took, 2 says nothing of the level, and of nothing else less.
func TestAWordOfAVersionBefore(t *testing.T) {
	var now Word
	if err := json.Unmarshal(read(t, "version4/everything.json"), &now); err != nil {
		t.Fatal(err)
	}
	now.Edition, now.Kept, now.Upon.Edition = 0, false, 0
	now.Procedure.Needs, now.Proof.Needs = nil, nil
	now.Procedure.Firm, now.Proof.Firm, now.Procedure.Lost, now.Proof.Lost = false, false, false, false
	now.Procedure.Steps[0].Expected, now.Proof.Steps[0].Expected = 0, 0
	now.Status.Moves, now.Status.Line, now.Server.Copied, now.Server.SinceCopy = false, Line{}, time.Time{}, 0 // of level backup
	now.Server.Outlets, now.Server.Lines = nil, nil
	for version := 3; version >= 2; version-- {
		var before Word
		if err := json.Unmarshal(read(t, fmt.Sprintf("version%d/everything.json", version)), &before); err != nil {
			t.Fatal(err)
		}
		now.Version, now.Server.Version = version, known.OfWire(version)
		if version < 3 {
			now.Status.Level, now.Status.Chosen, now.Server.Levels = "", false, nil
		}
		if !reflect.DeepEqual(before.read(), now) {
			t.Errorf("a word of version %d is read as\n%+v\nand not as\n%+v", version, before.read(), now)
		}
	}
}

// unset are the fields that have no value.
func unset(name string, v reflect.Value) (all []string) {
	switch {
	case !v.IsValid() || v.IsZero():
		return []string{name}
	case v.Kind() == reflect.Pointer:
		return unset(name, v.Elem())
	case v.Kind() == reflect.Slice:
		return unset(name, v.Index(0))
	case v.Kind() == reflect.Struct && v.Type().PkgPath() != "time":
		for i := range v.NumField() {
			all = append(all, unset(name+"."+v.Type().Field(i).Name, v.Field(i))...)
		}
	}
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
