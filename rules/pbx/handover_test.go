package pbx_test

import (
	"testing"

	"releve/rules/pbx"
)

func TestWhichWayCallersArePutThrough(t *testing.T) {
	for _, c := range []struct {
		way           pbx.Handover
		refused, join bool
	}{
		{pbx.Auto, false, false}, {pbx.Auto, true, true}, {pbx.Refer, false, false}, {pbx.Refer, true, false}, {pbx.Bridge, false, true}, {pbx.Bridge, true, true},
	} {
		if got := c.way.Joins(c.refused); got != c.join {
			t.Errorf("%s, refused %t: joins %t", c.way, c.refused, got)
		}
	}
	for code, no := range map[int]bool{405: true, 501: true, 603: true, 202: false, 486: false, 404: false, 481: false} {
		if pbx.NoRefer(code) != no {
			t.Errorf("%d says that there is no REFER: %t", code, !no)
		}
	}
}
