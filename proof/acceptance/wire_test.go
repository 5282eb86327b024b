package acceptance

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// hideClosedMediaPorts keeps the kernel from answering for the callers: SIPp
// sends sound from a file and opens no socket for what it hears, so each packet to
// a caller would come back as "port unreachable", which no telephone does.
func hideClosedMediaPorts() error {
	return nft(`table ip telephones { chain out { type filter hook output priority 0;
		ip saddr ` + callersNet + ` icmp type destination-unreachable drop; }; }`)
}

func nft(script string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s; `make test` installs nftables", err, out)
	}
	return nil
}

// cut pulls a cable: packets that match one of the rules are dropped until heal is
// called, or the test ends.
func cut(t testing.TB, name string, rules ...string) (heal func()) {
	t.Helper()
	table := "cut_" + name
	script := "table ip " + table + " { chain in { type filter hook input priority 0;\n"
	for _, rule := range rules {
		script += rule + " drop;\n"
	}
	if err := nft(script + "}; }"); err != nil {
		t.Fatal(err)
	}
	heal = sync.OnceFunc(func() {
		if err := nft("delete table ip " + table); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(heal)
	return heal
}

// between are the rules for all UDP between two addresses.
func between(a, b string) []string {
	return []string{
		fmt.Sprintf("ip saddr %s ip daddr %s meta l4proto udp", a, b),
		fmt.Sprintf("ip saddr %s ip daddr %s meta l4proto udp", b, a),
	}
}

// tcpPorts are the rules for TCP connections to some ports, in both directions.
func tcpPorts(ports ...uint16) []string {
	var rules []string
	for _, port := range ports {
		rules = append(rules, fmt.Sprintf("tcp dport %d", port), fmt.Sprintf("tcp sport %d", port))
	}
	return rules
}
