package snmp_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"releve/adapters/snmp"
)

// paths are where the MIB is, and what it needs of others.
func paths(t *testing.T) (own, others string) {
	t.Helper()
	own, err := filepath.Abs("../../docs/monitoring")
	if err != nil {
		t.Fatal(err)
	}
	others, err = filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return own, others
}

func TestTheMIBIsWellWritten(t *testing.T) {
	own, others := paths(t)
	conf := filepath.Join(t.TempDir(), "smi.conf")
	if err := os.WriteFile(conf, []byte("path "+others+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), "smilint", "-c", conf, "-l", "6", "-s", filepath.Join(own, "RELEVE-MIB.txt")).CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}

// The MIB and the program have the same enterprise.
func TestTheMIBIsThatOfTheProgram(t *testing.T) {
	own, others := paths(t)
	for name, want := range map[string]string{
		"releveAlarmActive": ".0.1", "releveAlarmClear": ".0.2", "releveAlarmUnattended": ".0.3", "releveTest": ".0.4", "releveAlarmFirst": ".1.11",
	} {
		cmd := exec.CommandContext(t.Context(), "snmptranslate", "-M", own+":"+others, "-m", "RELEVE-MIB", "-On", "RELEVE-MIB::"+name)
		cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+t.TempDir())
		said, err := cmd.Output()
		want = fmt.Sprintf(".1.3.6.1.4.1.%d.1%s", snmp.Enterprise, want)
		if got := strings.TrimSpace(string(said)); err != nil || got != want {
			t.Errorf("%s is %s, and not %s (%v)", name, got, want, err)
		}
	}
}
