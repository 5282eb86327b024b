package machine_test

import (
	"os"
	"path/filepath"
	"testing"

	"releve"
	"releve/adapters/survey/machine"
)

// tree is a machine's files in a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func measured(f machine.Files) map[string]releve.Measurement {
	all := map[string]releve.Measurement{}
	for _, m := range f.Measure(releve.Main) {
		all[m.Check] = m
	}
	return all
}

func TestAMachineIsReadFromWhatItSaysOfItself(t *testing.T) {
	const dmi = "sys/class/dmi/id/"
	for name, c := range map[string]struct {
		files map[string]string
		under bool
		cpu   string
		want  string
	}{
		"hardware":                         {map[string]string{dmi + "sys_vendor": "Dell Inc.\n"}, false, "", "none"},
		"by the processor":                 {nil, true, "KVM", "kvm"},
		"by the firmware":                  {map[string]string{dmi + "sys_vendor": "VMware, Inc.\n"}, false, "", "vmware"},
		"by both":                          {map[string]string{dmi + "product_name": "Virtual Machine\n"}, true, "MSVM", "hyper-v"},
		"Debian's own board of a real one": {map[string]string{dmi + "board_vendor": "ASUSTeK\n"}, false, "", "none"},
	} {
		f := machine.Files{Root: tree(t, c.files), Hypervisor: func() (string, bool) { return c.cpu, c.under }}
		if m := measured(f)["virtual"]; m.State != releve.Measured || m.Text != c.want {
			t.Errorf("%s: %+v, want %s", name, m, c.want)
		}
	}
	got := measured(machine.Files{Hypervisor: func() (string, bool) { return "", false }, Root: tree(t, map[string]string{
		"proc/meminfo": "MemTotal:        2048000 kB\nMemFree: 1 kB\n", "etc/os-release": "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n",
	})})
	if got["memory"].Value != 2048000*1024 || got["system"].Text != "debian 12" || got["processors"].Value < 1 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsNotToldIsNotMeasured(t *testing.T) {
	got := measured(machine.Files{Root: t.TempDir(), Hypervisor: func() (string, bool) { return "", false }})
	for _, check := range []string{"memory", "system"} {
		if m := got[check]; m.State != releve.Unmeasured || m.Why.Code == "" {
			t.Errorf("%+v", m)
		}
	}
}

func TestThisMachineTellsEverything(t *testing.T) {
	for check, m := range measured(machine.Here()) {
		if m.State != releve.Measured || m.Value == 0 && m.Text == "" {
			t.Errorf("%s: %+v", check, m)
		}
	}
}
