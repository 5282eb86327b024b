package agent

import (
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// TestAStoppedServiceSaysWhyTheStandbyDoesNotTakeOver: each state breaks one thing more
// than the one below it, and the sentence names what must be mended first.
func TestAStoppedServiceSaysWhyTheStandbyDoesNotTakeOver(t *testing.T) {
	well := releve.Tier{State: releve.TierWell}
	down := releve.Tier{State: releve.TierDown}
	standby := view.Server{Seat: releve.Secondary, Duty: releve.Passive, Heard: true, Vote: true, Witness: true, Data: well, Interfaces: well, Processing: well}
	with := func(change func(*view.Server)) view.Server {
		s := standby
		change(&s)
		return s
	}
	doing := func(p takeover.Phase) view.Server {
		return view.Server{Seat: releve.Main, Duty: releve.OutOfService, Heard: true, Doing: releve.Say("phase-" + string(p))}
	}
	dead := view.Server{Seat: releve.Main, Duty: releve.OutOfService}
	for _, c := range []struct {
		name           string
		owner, standby view.Server
		pbx            bool
		want           string
	}{
		{"it may and can", dead, standby, true, "why-stopped-ready"},
		{"the main had been alone", dead, with(func(s *view.Server) { s.Vote = false }), true, "why-stopped-vote"},
		{"its witness is silent", dead, with(func(s *view.Server) { s.Vote, s.Witness = false, false }), true, "why-stopped-witness"},
		{"it takes no calls", dead, with(func(s *view.Server) { s.Vote, s.Processing = false, down }), true, "why-stopped-unwell"},
		{"it has no copy", dead, with(func(s *view.Server) { s.Processing, s.Data = down, releve.Tier{State: releve.TierStarting} }), true, "why-stopped-copy"},
		{"it is off, and the main is not sure", doing(takeover.Unconfirmed), with(func(s *view.Server) { s.Heard = false }), true, "why-stopped-silent"},
		{"the main is not sure yet", doing(takeover.Unconfirmed), standby, true, "why-stopped-starting"},
		{"the PBX is silent to it", dead, with(func(s *view.Server) { s.Processing = down }), false, "why-stopped-pbx"},
		{"the PBX is silent, and it is off", doing(takeover.Unconfirmed), with(func(s *view.Server) { s.Heard = false }), false, "why-stopped-pbx"},
		{"the site is being founded", doing(takeover.Founding), with(func(s *view.Server) { s.Heard = false }), false, "why-stopped-starting"},
		{"the main starts", doing(takeover.Starting), with(func(s *view.Server) { s.Heard = false }), false, "why-stopped-starting"},
		{"the main stands still", doing(takeover.Stuck), standby, true, "why-stopped-ready"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := takeover.Machine{Durable: takeover.Durable{Arbiter: releve.Witness}}
			got := whyStopped(m, view.Site{PBX: view.PBX{Heard: c.pbx, Address: "192.0.2.10:5060"}}, c.owner, c.standby)
			if got.Code != c.want || got.Args["seat"] != "main" || got.Args["other"] != "secondary" {
				t.Errorf("%+v", got)
			}
		})
	}
}
