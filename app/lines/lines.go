// Package lines makes what watches a server's analogue lines out of its configuration: each device of the lines
// with the adapter that can ask it.
package lines

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"releve"
	"releve/adapters/dahdi"
	"releve/adapters/gateway"
	"releve/adapters/survey/machine"
	"releve/config"
	rules "releve/rules/lines"
	"releve/rules/study"
	"releve/server/lines"
)

// New makes it.
func New(c config.Config, site lines.Site, front lines.Front) *lines.Keeper {
	plan := c.Analogue()
	return lines.New(lines.Options{Seat: c.Site.Seat, Plan: plan, Devices: devices(plan, c.Lines.Community), Site: site, Front: front})
}

// devices are those that can be asked: a gateway without a community cannot.
func devices(plan []releve.Line, community string) map[string]lines.Ports {
	all := map[string]lines.Ports{}
	for _, device := range rules.Devices(plan) {
		at, err := netip.ParseAddr(device)
		switch {
		case err != nil:
			cards := dahdi.Cards{Root: "/"}
			all[device] = func(context.Context) (map[int]releve.LineState, error) { return cards.Ports() }
		case community != "":
			all[device] = gateway.Gateway{Address: netip.AddrPortFrom(at, gateway.Port), Community: community}.Ports
		}
	}
	return all
}

// Check refuses lines of a card on a virtual machine (SPEC E2): its clock is not that of the line.
func Check(c config.Config) error { return check(c.Analogue(), machine.Here()) }

func check(plan []releve.Line, here machine.Files) error {
	if !slices.Contains(rules.Devices(plan), rules.Card) {
		return nil
	}
	for _, m := range here.Measure("") {
		if m.Check == "virtual" && m.Text != study.Bare {
			return &releve.Fault{
				Cause: fmt.Errorf("%w: lines of a card on a virtual machine", releve.ErrForbidden), Why: releve.Say("lines-virtual", "name", m.Text),
			}
		}
	}
	return nil
}
