package dahdi_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/dahdi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tdm410 is a card with three modules for lines and one for a telephone, as its driver writes it; the second
// line has no feed, and the third is spoken on.
const tdm410 = "Span 1: WCTDM/0 \"Wildcard TDM410P RED\" (MASTER) \n\tIRQ misses: 3\n\n" +
	"\t   1 WCTDM/0/0 FXSKS (EC: MG2 - INACTIVE) \n" +
	"\t   2 WCTDM/0/1 FXSKS RED (EC: MG2 - INACTIVE) \n" +
	"\t   3 WCTDM/0/2 FXSKS (In use) (no pcm) (EC: MG2 - ACTIVE) \n" +
	"\t   4 WCTDM/0/3 FXOKS (In use) \n"

// e1 is a span of another kind, which has no analogue line.
const e1 = "Span 2: TE2/0/1 \"T2XXP (PCI) Card 0 Span 1\" HDB3/CCS/CRC4 RED \n\tTiming slips: 1\n\n\t   5 TE2/0/1/1 Clear (In use) RED \n"

// astribank is a span that is down as a whole.
const astribank = "Span 3: XBUS-00/XPD-10 \"Xorcom XPD [usb:LAB-0003].2: FXO\" RED \n\n\t  36 XPP_FXO/00/10/0 FXSLS \n"

func cards(t *testing.T, spans map[string]string) dahdi.Cards {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "proc/dahdi")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range spans {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	return dahdi.Cards{Root: root}
}

func TestTheLinesOfCards(t *testing.T) {
	got, err := cards(t, map[string]string{"1": tdm410, "2": e1, "3": astribank, "version": "nothing of a span"}).Ports()
	want := map[int]releve.LineState{
		1: releve.LinePlugged, 2: releve.LineDead, 3: releve.LinePlugged, 36: releve.LineDead,
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCardsThatCannotBeRead(t *testing.T) {
	for story, c := range map[string]struct {
		cards dahdi.Cards
		code  string
	}{
		"no driver":          {dahdi.Cards{Root: t.TempDir()}, "lines-no-card"},
		"another's file":     {cards(t, map[string]string{"1": "no span\n"}), "lines-card-unread"},
		"a file without end": {cards(t, map[string]string{"1": tdm410 + strings.Repeat("\n", 64<<10)}), "lines-card-unread"},
	} {
		_, err := c.cards.Ports()
		if fault, is := errors.AsType[*releve.Fault](err); !is || fault.Why.Code != c.code {
			t.Errorf("%s: %v", story, err)
		}
	}
}
