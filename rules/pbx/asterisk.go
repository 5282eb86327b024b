package pbx

// asterisk is tried whole, as its files stand: proof/acceptance runs a site on it. FreePBX is Asterisk with files of
// its own.
func asterisk() Profile {
	tried := Source{Measured, "Asterisk 22.10, chan_pjsip"}
	return Profile{
		Type: "asterisk", Name: "Asterisk, FreePBX", Tried: "guide-asterisk-tried",
		Settings: []Setting{{"pbx.overflow_evidence", `"diversion"`, "guide-asterisk-diversion", tried}},
		Files:    []File{{"pjsip.conf", "asterisk/pjsip.conf"}, {"extensions.conf", "asterisk/extensions.conf"}},
		Notes: []Note{
			{Users, "guide-asterisk-identify", tried},
			{Users, "guide-asterisk-algorithms", tried},
			{Binding, "guide-asterisk-contacts", Source{Code, "Asterisk 22, res/res_pjsip_registrar.c"}},
			{Overflow, "guide-asterisk-qualify", tried},
			{Back, "guide-asterisk-back", Source{Code, "Asterisk 22, res/res_pjsip.c, apps/app_dial.c"}},
			{Evidence, "guide-asterisk-redirecting", tried},
			{Patience, "guide-asterisk-limit", Source{Code, "Asterisk 22, res_pjsip: timer_b"}},
			{Sound, "guide-asterisk-sound", tried},
			{Transfer, "guide-asterisk-transfer", tried},
			{Access, "guide-asterisk-transport", Source{Manual, "Asterisk 22, pjsip.conf.sample: transport"}},
			{Access, "guide-asterisk-fail2ban", Source{Manual, "fail2ban, jail.conf(5): ignoreip"}},
		},
		Kin: []Kin{{
			"guide-title-freepbx", "guide-freepbx",
			[]string{"guide-freepbx-users", "guide-freepbx-plan", "guide-freepbx-routes", "guide-freepbx-firewall", "guide-freepbx-reload"},
		}},
		Look: []string{`asterisk -rx "pjsip show contacts"`},
	}
}
