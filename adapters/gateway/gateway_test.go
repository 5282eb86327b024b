package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/gateway"
	practice "releve/proof/practice/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, ports, phones int) *practice.Gateway {
	t.Helper()
	g, err := practice.New(practice.Options{
		Agent: netip.MustParseAddrPort("127.0.0.1:0"), Community: "lines", Ports: ports, Phones: phones, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func at(g *practice.Gateway) gateway.Gateway {
	return gateway.Gateway{Address: g.Addr(), Community: "lines"}
}

// More ports than one answer holds, behind ports for telephones: each is found by its number.
func TestThePortsOfAGateway(t *testing.T) {
	g := start(t, 48, 3)
	want := map[int]releve.LineState{}
	for port := 1; port <= 48; port++ {
		want[port] = releve.LineDead
	}
	for _, port := range []int{1, 2, 31, 48} {
		g.Feed(port, true)
		want[port] = releve.LinePlugged
	}
	if got, err := at(g).Ports(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	g.Feed(2, false)
	want[2] = releve.LineDead
	if got, err := at(g).Ports(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("unplugged: %v, %v", got, err)
	}
}

// What stands in for a gateway is read alike by Net-SNMP, which is nobody's of ours.
func TestThePracticeGatewaySpeaksAsNetSNMPReads(t *testing.T) {
	g := start(t, 2, 1)
	g.Feed(2, true)
	walk := exec.CommandContext(t.Context(), "snmpbulkwalk", "-v2c", "-c", "lines", "-Oqn", g.Addr().String(), ".1.3.6.1.2.1.2.2.1")
	walk.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+t.TempDir()) // else it says, the first time, that it made one
	out, err := walk.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[0], ".1.") {
			got = append(got, strings.TrimPrefix(fields[0], ".1.3.6.1.2.1.2.2.1.")+"="+fields[1])
		}
	}
	if said := strings.Join(got, " "); !strings.HasPrefix(said, "3.1=6 3.2=102 3.3=101 3.4=101 8.1=1 8.2=1 8.3=2 8.4=1") {
		t.Errorf("it reads %s", said)
	}
}

func TestAGatewayThatSaysNothingOfUse(t *testing.T) {
	g := start(t, 1, 0)
	stranger := at(g)
	stranger.Community = "public"
	none := at(start(t, 0, 4))
	for story, c := range map[string]struct {
		asked gateway.Gateway
		code  string
	}{
		"another community": {stranger, "lines-gateway-silent"}, "no port for a line": {none, "lines-no-port"},
	} {
		_, err := c.asked.Ports(t.Context())
		if fault, is := errors.AsType[*releve.Fault](err); !is || fault.Why.Code != c.code {
			t.Errorf("%s: %v", story, err)
		}
	}
	g.Quiet(true)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	begun := time.Now()
	if _, err := at(g).Ports(ctx); err == nil || time.Since(begun) > 900*time.Millisecond {
		t.Errorf("it kept us for %s: %v", time.Since(begun), err)
	}
}
