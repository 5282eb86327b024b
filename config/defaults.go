package config

import (
	"time"

	"releve"
	"releve/rules/pbx"
)

// Defaults is what a file that says nothing means. Whatever has no default here
// and is not said to be optional in its check must be in the file.
func Defaults() Config {
	return Config{
		Site: Site{
			Level:    releve.HighAvailability,
			Arbiter:  releve.Pair,
			Language: releve.French,
		},
		PBX: PBX{
			Type:        string(pbx.Generic),
			Expires:     Duration(60 * time.Second),
			Evidence:    releve.EvidenceAuto,
			RefusalCode: 486,
			BusyCode:    486,
			Transport:   "udp", BadCertificate: "refuse", SRTP: "offered",
			Transfer: pbx.Auto,
		},
		SIP:       SIP{RTPFirst: 10000, RTPLast: 10999, Channels: 30},
		Attendant: Attendant{Language: releve.French, ExtensionDigits: 4},
		Database:  Database{Account: "postgres"},
		Takeover: Takeover{
			Rounds: 3,
			Limit:  Duration(300 * time.Millisecond),
			Pause:  Duration(100 * time.Millisecond),
			Watch:  Duration(500 * time.Millisecond),

			OwnCalls: true,
		},
		Mirror:  Mirror{Verify: "03:30", CopyRate: 50 << 20},
		Drill:   Drill{Hours: "01:00-05:00", Overdue: Duration(90 * 24 * time.Hour), Overflow: Duration(72 * time.Hour)},
		Mail:    Mail{Security: "starttls", Least: releve.Major},
		Syslog:  Syslog{Transport: "udp", Facility: "daemon", Least: releve.Warning},
		Webhook: Webhook{Least: releve.Warning},
		Call:    Call{Least: releve.Critical},
		SNMP:    SNMP{Version: "3", Inform: true, Least: releve.Warning},
		Copy:    Copy{At: "02:30", Oldest: Duration(26 * time.Hour)},

		Records: Records{KeepDays: 183},
	}
}
