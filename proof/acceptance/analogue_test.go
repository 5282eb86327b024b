package acceptance

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"releve"
	"releve/proof/practice"
	"releve/proof/practice/gateway"
)

// fxo is the analogue gateway of one server: two ports for lines, of which the PABX rings on one.
type fxo struct {
	*gateway.Gateway
	line *gateway.Line
}

// openFXO starts a gateway at a host, with living lines, and names them in its server's configuration.
func openFXO(t *testing.T, host string, s *server, numbers ...string) fxo {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	at := netip.MustParseAddr(host)
	g := must(gateway.New(gateway.Options{Agent: netip.AddrPortFrom(at, 161), Community: "lines", Ports: len(numbers), Phones: 2, Log: log}))(t)
	t.Cleanup(func() { _ = g.Close() })
	plugged := ""
	for i, number := range numbers {
		g.Feed(i+1, true)
		plugged += strconv.Quote(fmt.Sprintf("%s/%d %s", host, i+1, number)) + ", "
	}
	for key, value := range map[string]string{"lines.plugged": "[" + plugged + "]", "lines.community": `"lines"`} {
		if err := setInFile(s.file, key, value); err != nil {
			t.Fatal(err)
		}
	}
	l := must(gateway.NewLine(gateway.LineOptions{
		Listen: netip.AddrPortFrom(at, 5060), Server: netip.AddrPortFrom(netip.MustParseAddr(s.host), 5060),
		User: "line1", From: "0612345678", Log: log,
	}))(t)
	t.Cleanup(func() { _ = l.Close() })
	return fxo{g, l}
}

// A PABX without SIP rings on the lines of the main, and when nobody answers there, on those of the secondary. That one
// answers none while the main is well, and the call that rings when the main dies (SPEC T2, H2).
func TestCallsOnAnalogueLines(t *testing.T) {
	closeSharedSite()
	s := must(newSite(newDir(t), plan{}))(t)
	t.Cleanup(s.close)
	main := openFXO(t, "127.0.0.51", s.main, "0140200001", "0140200002")
	secondary := openFXO(t, "127.0.0.52", s.secondary, "0140200011", "0140200012")
	s.startBoth(t)
	s.waitNormal(t)
	s.sees(t, s.main, releve.LineWell, releve.LineWell)
	s.sees(t, s.secondary, releve.LineWell, releve.LineWell)

	if r := main.line.Ring(t.Context(), 6, time.Second); !r.Heard() {
		t.Fatalf("on a line of the main nobody answers: %+v", r)
	}
	term := s.main.mustView(t).Term
	if r := secondary.line.Ring(t.Context(), 3, time.Second); r.Answered || r.Code >= 300 && r.Code != 487 {
		t.Errorf("the main is well, and a call on the secondary's line is answered or refused: %+v", r)
	}
	s.checkDuty(t, s.main, term)

	offered := s.secondary.mustView(t).Secondary.CallsOffered
	ended := make(chan practice.Result, 1)
	go func() { ended <- secondary.line.Ring(t.Context(), 10, time.Second) }()
	eventually(t, 20*time.Second, "the call rings on the secondary's line", func() error {
		if now := s.secondary.mustView(t).Secondary.CallsOffered; now == offered {
			return fmt.Errorf("%d calls were offered, and none since", now)
		}
		return nil
	})
	s.main.kill9(t)
	died := time.Now()
	r := <-ended
	if !r.Heard() {
		t.Fatalf("the main has died, and nobody answers on the secondary's line: %+v", r)
	}
	t.Logf("heard %v after the main died", r.OfferedAt.Add(r.FirstSoundAfter).Sub(died))
	s.checkDuty(t, s.secondary, term+1)

	secondary.Feed(2, false)
	s.sees(t, s.secondary, releve.LineWell, releve.LineMissing)
}

// sees waits until a server sees its lines so.
func (s *site) sees(t *testing.T, at *server, want ...releve.LineVerdict) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("the %s sees its lines %v", at.seat, want), func() error {
		var got []releve.LineVerdict
		for _, l := range at.mustView(t).Own().Lines {
			got = append(got, l.Verdict)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("it sees them %v", got)
		}
		return nil
	})
}
