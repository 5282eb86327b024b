package metrics

import (
	"releve"
	"releve/screen/view"
)

// Table is every metric, in the order in which docs/monitoring.md shows them.
func Table() []Metric {
	return []Metric{
		{Name: "releve_info", Help: "The server that says this, its site, the level it runs at and its version; always 1.",
			Labels: []string{"site", "seat", "level", "version"}, of: func(s view.Site) []sample {
				return []sample{{1, []string{s.Name, string(s.Seat), string(s.Level), s.Own().Version.Number}}}
			}},
		{Name: "releve_word", Help: "The one word of the page, as this server sees the site.", Labels: []string{"word"},
			of: func(s view.Site) []sample { return states(s.Word, view.Protected, view.NotProtected, view.Stopped) }},
		{Name: "releve_term", Help: "Rises with each change of duty.", of: func(s view.Site) []sample { return one(float64(s.Term)) }},
		{Name: "releve_duty", Help: "The duty of this server.", Labels: []string{"duty"},
			of: func(s view.Site) []sample {
				return states(s.Own().Duty, releve.Active, releve.Passive, releve.OutOfService)
			}},
		{Name: "releve_vote", Help: "Whether this server holds the vote: it may decide alone.",
			of: func(s view.Site) []sample { return flag(s.Own().Vote) }},
		{Name: "releve_without_duty", Help: "Whether this server answers calls without having the duty.",
			of: func(s view.Site) []sample { return flag(s.Own().WithoutDuty) }},
		{Name: "releve_tier", Help: "How each layer of this server is.", Labels: []string{"tier", "state"},
			of: func(s view.Site) []sample { return tiers(s.Own()) }},
		{Name: "releve_other_heard", Help: "Whether this server hears the other.",
			of: func(s view.Site) []sample { return only(hasOther(s), flag(s.Other().Heard)) }},
		{Name: "releve_other_heard_timestamp_seconds", Help: "When this server last heard the other.",
			of: func(s view.Site) []sample { return only(hasOther(s), at(s.Other().HeardAt)) }},
		{Name: "releve_witness_heard", Help: "Whether the witness answers this server, where a site has one.",
			of: func(s view.Site) []sample { return only(s.Arbiter == releve.Witness, flag(s.Own().Witness)) }},
		{Name: "releve_ready", Help: "Whether the standby could take over now, at a level where it would.",
			of: func(s view.Site) []sample {
				if s.Readiness == nil {
					return nil
				}
				return flag(s.Readiness.Ready)
			}},

		{Name: "releve_pbx_heard", Help: "Whether the PBX answers this server.",
			of: func(s view.Site) []sample { return only(telephone(s), flag(s.PBX.Heard)) }},
		{Name: "releve_pbx_heard_timestamp_seconds", Help: "When the PBX last answered this server.",
			of: func(s view.Site) []sample { return only(telephone(s), at(s.PBX.HeardAt)) }},
		{Name: "releve_registered", Help: "The SIP users that the PBX has bound to this server; always 1.", Labels: []string{"user"},
			of: func(s view.Site) (said []sample) {
				for _, user := range s.Own().Registered {
					said = append(said, sample{1, []string{user}})
				}
				return said
			}},
		{Name: "releve_channels", Help: "How many calls this server answers at once.",
			of: func(s view.Site) []sample { return only(telephone(s), one(float64(s.Own().Channels))) }},
		{Name: "releve_channels_busy", Help: "Calls in progress.",
			of: func(s view.Site) []sample { return only(telephone(s), one(float64(s.Own().ChannelsBusy))) }},
		{Name: "releve_calls_offered_total", Help: "Calls that came to this server since its start.", Rises: true,
			of: func(s view.Site) []sample { return only(telephone(s), one(float64(s.Own().CallsOffered))) }},
		{Name: "releve_calls_answered_total", Help: "Calls that it answered.", Rises: true,
			of: func(s view.Site) []sample { return only(telephone(s), one(float64(s.Own().CallsAnswered))) }},
		{Name: "releve_calls_refused_total", Help: "Calls that it refused: the PBX gives them to the other server, or back.", Rises: true,
			of: func(s view.Site) []sample { return only(telephone(s), one(float64(s.Own().CallsRefused))) }},

		{Name: "releve_spool_waiting_records", Help: "Records on this server's disk that no database has yet.",
			of: func(s view.Site) []sample { return one(float64(s.Own().SpoolWaiting)) }},
		{Name: "releve_spool_stands", Help: "Whether records wait and none was stored for a while.",
			of: func(s view.Site) []sample { return flag(s.Own().SpoolStands) }},
		{Name: "releve_mirror", Help: "How the copy of the database is.", Labels: []string{"state"},
			of: func(s view.Site) []sample {
				return states(s.Mirror.State, view.MirrorInSync, view.MirrorCatchingUp, view.MirrorCloning, view.MirrorAway, view.MirrorCopy, view.MirrorNone)
			}},
		{Name: "releve_mirror_lag_bytes", Help: "Log of the owner that the mirror has not on its disk.",
			of: func(s view.Site) []sample { return only(mirrored(s), one(float64(s.Mirror.Bytes))) }},
		{Name: "releve_mirror_lag_seconds", Help: "Age of the oldest commit that the mirror has not.",
			of: func(s view.Site) []sample { return only(mirrored(s), one(s.Mirror.Seconds)) }},
		{Name: "releve_mirror_lost_calls", Help: "Records of calls that a failure now would lose.",
			of: func(s view.Site) []sample { return only(mirrored(s), one(float64(s.Mirror.LostCalls))) }},
		{Name: "releve_mirror_verified_timestamp_seconds", Help: "When the mirror was last compared whole, row by row.",
			of: func(s view.Site) []sample { return only(mirrored(s), at(s.Mirror.VerifiedAt)) }},
		{Name: "releve_mirror_differences", Help: "What that comparison found.",
			of: func(s view.Site) []sample {
				return only(mirrored(s) && !s.Mirror.VerifiedAt.IsZero(), one(float64(s.Mirror.Differences)))
			}},
		{Name: "releve_copy_timestamp_seconds", Help: "As of when this server's copy is, at level backup.",
			of: func(s view.Site) []sample { return at(s.Own().Copied) }},
		{Name: "releve_calls_since_copy", Help: "Calls that only this server's database holds, at level backup.",
			of: func(s view.Site) []sample { return only(s.Level == releve.Backup, one(float64(s.Own().SinceCopy))) }},
		{Name: "releve_procedure_running", Help: "Whether a guided procedure runs.",
			of: func(s view.Site) []sample { return flag(s.Procedure.Runs()) }},
		{Name: "releve_licence_until_timestamp_seconds", Help: "When the level that runs is licensed no more, where that is in sight.",
			of: func(s view.Site) []sample {
				if s.Licences == nil {
					return nil
				}
				return at(s.Licences.Until)
			}},
	}
}

// telephone: a server to which its level gives no telephone says nothing of calls and of the PBX.
func telephone(s view.Site) bool { return s.Own().Processing.State != releve.TierNone }

func hasOther(s view.Site) bool { return s.Level != releve.Base }

func mirrored(s view.Site) bool {
	return s.Mirror.State != view.MirrorNone && s.Mirror.State != view.MirrorCopy
}
