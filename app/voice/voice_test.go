package voice_test

import (
	"fmt"
	"testing"

	"releve/app/voice"
	"releve/config"
)

// A gateway is heard, and heard by, as the PBX is. Where nobody names networks, they follow the sources.
func TestGatewaysBesideThePBX(t *testing.T) {
	for _, c := range []struct {
		networks []string
		want     string
	}{
		{nil, "[192.0.2.11/32 192.0.2.31/32 2001:db8::31/128] [pbx.test] []"},
		{[]string{"192.0.2.0/28"}, "[192.0.2.11/32 192.0.2.31/32 2001:db8::31/128] [pbx.test] [192.0.2.0/28 192.0.2.31/32 2001:db8::31/128]"},
	} {
		conf := config.Defaults()
		conf.PBX.Sources, conf.PBX.Networks = []string{"192.0.2.11", "pbx.test"}, c.networks
		conf.Lines.Plugged = []string{"192.0.2.31/1 1", "192.0.2.31/2 2", "dahdi/1 3", "2001:db8::31/1 4"}
		if got := fmt.Sprint(voice.Doors(conf)); got != c.want {
			t.Errorf("%s, and not %s", got, c.want)
		}
	}
}
