package readiness

import (
	"slices"
	"time"

	"releve"
	rules "releve/rules/readiness"
	"releve/screen/view"
)

// facts are what is known at a moment. The standby is whoever is not on duty.
func (k *Keeper) facts(site view.Site, now time.Time) rules.Facts {
	active, standby := site.Main, site.Secondary
	if site.Owner == releve.Secondary {
		active, standby = standby, active
	}
	f := rules.Facts{
		At: now, Standby: standby.Seat, User: k.User,
		OnDuty: active.Duty == releve.Active, Vote: standby.Vote, Doing: standby.Doing, Data: standby.Data, Voice: standby.Processing,
		Bound: slices.Contains(standby.Registered, k.User), InSync: site.Mirror.State == view.MirrorInSync,
		Verified: site.Mirror.VerifiedAt, Differs: site.Mirror.Differences,
		Overflow: k.Overflow(), OverflowWithin: k.Within,
		Version: standby.Version, OwnerVersion: active.Version,
		Word: k.own, Owner: k.theirs,
	}
	if standby.Seat != k.Seat {
		f.Word, f.Owner = k.theirs, k.own
	}
	for _, s := range []view.Server{standby, active} {
		if !s.Heard {
			f.Silent = s.Seat
		}
	}
	if p := site.Procedure; p.Runs() {
		f.Procedure = p.Name
	}
	if l := site.Licences; l != nil {
		f.Licence = rules.Licence{Known: true, Due: l.FallsBack != nil && l.FallsBack.Due}
	}
	return f
}
