// Package machine reads what a server is: processors, memory, system, and whether it is a
// machine within another. Nothing of it needs root.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"releve"
	"releve/rules/study"
)

// Files are where the kernel and the system tell of themselves, and the processor's own word.
type Files struct {
	Root       string // "/", or what a test puts in its place
	Hypervisor func() (name string, under bool)
}

// Here is this machine.
func Here() Files { return Files{"/", processorSays} }

// processorSays asks CPUID: leaf 1 has a bit that a hypervisor sets, leaf 0x40000000 its name.
func processorSays() (string, bool) {
	return cpuid.CPU.HypervisorVendorID.String(), cpuid.CPU.Supports(cpuid.HYPERVISOR)
}

// Measure looks at the machine.
func (f Files) Measure(seat releve.Seat) []releve.Measurement {
	return []releve.Measurement{
		{Check: "processors", Seat: seat, State: releve.Measured, Value: float64(runtime.NumCPU())},
		f.memory(seat), f.system(seat), f.virtual(seat),
	}
}

// memory is what the kernel has to give (proc_meminfo(5)).
func (f Files) memory(seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: "memory", Seat: seat, State: releve.Unmeasured}
	raw, err := os.ReadFile(filepath.Join(f.Root, "proc/meminfo"))
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			var kib float64
			if kib, err = strconv.ParseFloat(fields[1], 64); err == nil {
				m.State, m.Value = releve.Measured, kib*1024
				return m
			}
		}
	}
	m.Why = releve.Say("study-unreadable", "what", "/proc/meminfo", "cause", releve.Reason(err))
	return m
}

// system is what os-release(5) says, as "debian 12".
func (f Files) system(seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: "system", Seat: seat, State: releve.Unmeasured}
	raw, err := os.ReadFile(filepath.Join(f.Root, "etc/os-release"))
	if err != nil {
		m.Why = releve.Say("study-unreadable", "what", "/etc/os-release", "cause", releve.Reason(err))
		return m
	}
	said := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		said[name] = strings.Trim(value, `"'`)
	}
	m.State, m.Text = releve.Measured, strings.TrimSpace(said["ID"]+" "+said["VERSION_ID"])
	return m
}

// makers are what DMI calls the machines of hypervisors (systemd's virt.c has the same words).
var makers = []struct{ word, name string }{
	{"KVM", "kvm"}, {"QEMU", "qemu"}, {"VMware", "vmware"}, {"VMW", "vmware"}, {"innotek GmbH", "virtualbox"}, {"VirtualBox", "virtualbox"},
	{"Xen", "xen"}, {"Bochs", "bochs"}, {"Parallels", "parallels"}, {"BHYVE", "bhyve"}, {"Hyper-V", "hyper-v"}, {"Virtual Machine", "hyper-v"},
	{"Apple Virtualization", "apple"}, {"Amazon EC2", "amazon"}, {"OpenStack", "openstack"}, {"Google Compute Engine", "google"},
}

// virtual asks two that know it apart: the firmware's tables (DMI) and the processor (CPUID).
// Either is enough, for each can be hidden.
func (f Files) virtual(seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: "virtual", Seat: seat, State: releve.Measured, Text: study.Bare}
	name, under := f.Hypervisor()
	if under {
		m.Text = strings.ToLower(name)
	}
	for _, file := range []string{"product_name", "sys_vendor", "board_vendor", "bios_vendor"} {
		raw, err := os.ReadFile(filepath.Join(f.Root, "sys/class/dmi/id", file))
		for _, maker := range makers {
			if err == nil && strings.Contains(string(raw), maker.word) {
				m.Text = maker.name
				return m
			}
		}
	}
	return m
}
