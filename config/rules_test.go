package config_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"releve/config"
)

// What a file says as text is read once it was checked.
func TestWhatAListOfNetworksSays(t *testing.T) {
	written, names := config.Networks([]string{"192.0.2.1", "pbx.example", "198.51.100.9/24", "::ffff:192.0.2.7", "2001:db8::5", "trunk"})
	if got := fmt.Sprint(written); got != "[192.0.2.1/32 198.51.100.0/24 192.0.2.7/32 2001:db8::5/128]" || !slices.Equal(names, []string{"pbx.example", "trunk"}) {
		t.Errorf("networks %s, names %q", got, names)
	}
	if at := config.Address("192.0.2.1:5060"); at != netip.MustParseAddrPort("192.0.2.1:5060") || config.Address("").IsValid() {
		t.Errorf("read as %s, and what is not said as %s", at, config.Address(""))
	}
}
