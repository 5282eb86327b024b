package dahdi

import (
	"strings"
	"testing"

	"releve"
)

// Whatever a file holds, a port is plugged or dead, its number is one, and only a line that names it makes it.
func FuzzASpan(f *testing.F) {
	f.Add("Span 1: WCTDM/0 \"\" (MASTER) \n\n\t   1 WCTDM/0/0 FXSKS (In use) RED \n")
	f.Add("Span 1: x \"\"\" NOTOPEN \n\t-1 a FXSLS\n\t 99999999999999999999 a FXSLS\n")
	f.Add("Span ")
	f.Fuzz(func(t *testing.T, text string) {
		ports := map[int]releve.LineState{}
		err := parse(text, ports)
		if err != nil && len(ports) > 0 {
			t.Errorf("%v, and yet %v", err, ports)
		}
		for port, state := range ports {
			if port < 1 || state != releve.LinePlugged && state != releve.LineDead {
				t.Errorf("port %d is %q", port, state)
			}
		}
		if len(ports) > strings.Count(text, "FXS") {
			t.Errorf("%d ports of %q", len(ports), text)
		}
	})
}
