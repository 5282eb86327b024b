package config

import (
	"net/netip"

	"releve"
	"releve/rules/attendant"
	"releve/rules/lines"
	"releve/rules/study"
	"releve/rules/takeover"
)

// What a configuration asks of the rule books.

// Decides is by what the takeover decides.
func (c Config) Decides() takeover.Settings {
	return takeover.Settings{
		Seat: c.Site.Seat, Rounds: c.Takeover.Rounds, Limit: c.Takeover.Limit.Std(),
		Pause: c.Takeover.Pause.Std(), Watch: c.Takeover.Watch.Std(), OwnCalls: c.Takeover.OwnCalls,
		Level: c.Site.Level, Site: c.Site.ID, Arbiter: c.Site.Arbiter,
	}
}

// Script is what callers hear, and whom they may be put through to.
func (a Attendant) Script() (attendant.Script, error) {
	plan, err := attendant.ParsePlan(a.Extensions...)
	return attendant.Script{Language: a.Language, ExtensionDigits: a.ExtensionDigits, Operator: a.Operator, Plan: plan}, err
}

// Analogue are this server's analogue lines.
func (c Config) Analogue() []releve.Line { return lines.Plan(c.Lines.Plugged) }

// Gateways are those of them.
func (c Config) Gateways() []netip.Addr { return lines.Gateways(c.Analogue()) }

// Place is of what a study has to be that comes before a level here.
func (c Config) Place() study.Place {
	own, other := host(c.Peer.Listen), host(c.Peer.Other)
	if c.Site.Seat == releve.Secondary {
		own, other = other, own
	}
	return study.Place{Main: own, Secondary: other, Channels: c.SIP.Channels}
}

// host is a server's address, "" where it listens at all that its machine has.
func host(at string) string {
	addr := Address(at).Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() {
		return ""
	}
	return addr.String()
}
