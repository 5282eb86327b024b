package voice_test

import (
	"fmt"
	"net/netip"
	"testing"

	"releve/app/voice"
	"releve/rules/lines"
)

// A gateway is heard, and heard by, as the PBX is. Where nobody names networks, they follow the sources.
func TestGatewaysBesideThePBX(t *testing.T) {
	plan := lines.Plan([]string{"192.0.2.31/1 1", "192.0.2.31/2 2", "dahdi/1 3", "2001:db8::31/1 4"})
	beside := netip.MustParsePrefix("192.0.2.11/32")
	for _, c := range []struct {
		networks []netip.Prefix
		want     string
	}{
		{nil, "[192.0.2.11/32 192.0.2.31/32 2001:db8::31/128] []"},
		{[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}, "[192.0.2.11/32 192.0.2.31/32 2001:db8::31/128] [192.0.2.0/28 192.0.2.31/32 2001:db8::31/128]"},
	} {
		sources, networks := voice.Beside([]netip.Prefix{beside}, c.networks, plan)
		if got := fmt.Sprint(sources, networks); got != c.want {
			t.Errorf("%s, and not %s", got, c.want)
		}
	}
}
