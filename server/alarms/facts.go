package alarms

import (
	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
)

// facts are what there is to see of the site.
func facts(site view.Site) alarm.Facts {
	own, other := site.Main, site.Secondary
	if site.Seat == releve.Secondary {
		own, other = other, own
	}
	f := alarm.Facts{
		Level: site.Level, Owner: site.Owner, Stopped: site.Word == view.Stopped, Why: site.Why,
		Own: server(own), Other: server(other), Witnessed: site.Arbiter == releve.Witness, PBX: site.PBX.Heard,
		InSync: site.Mirror.State == view.MirrorInSync, Differs: site.Mirror.Differences, Moves: site.Procedure.Runs(),
	}
	if r := site.Readiness; r != nil && !r.Ready {
		for _, reason := range r.Reasons {
			if reason.State == "broken" || reason.State == "pending" {
				f.Unready = append(f.Unready, alarm.Unready{What: reason.What, Pending: reason.State == "pending"})
			}
		}
	}
	return f
}

func server(s view.Server) alarm.Server {
	return alarm.Server{
		Seat: s.Seat, Heard: s.Heard, WithoutDuty: s.WithoutDuty, Data: s.Data, Interfaces: s.Interfaces, Processing: s.Processing,
		Doing: s.Doing, SpoolStands: s.SpoolStands, Witness: s.Witness,
	}
}
