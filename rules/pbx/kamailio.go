package pbx

// kamailio is a proxy with a registrar; how a call goes is its own routing script.
func kamailio() Profile {
	tried := Source{Measured, "Kamailio 5.6.3"}
	return Profile{
		Type: "kamailio", Name: "Kamailio", Tried: "guide-kamailio-tried",
		Settings: []Setting{{"pbx.overflow_evidence", `"to"`, "guide-kamailio-to", Source{Standard, "RFC 3261 §16.6"}}},
		Notes: []Note{
			{Binding, "guide-kamailio-save", tried},
			{Binding, "guide-kamailio-most", Source{Code, "Kamailio, src/modules/registrar/save.c"}},
			{Binding, "guide-kamailio-restart", tried},
			{Overflow, "guide-kamailio-failure", tried},
			{Back, "guide-kamailio-back", tried},
			{Evidence, "guide-kamailio-evidence", tried},
			{Patience, "guide-kamailio-timers", tried},
			{Sound, "guide-proxy-sound", Source{Standard, "RFC 3261 §4"}},
			{Transfer, "guide-kamailio-refer", tried},
			{Access, "guide-kamailio-connections", tried},
		},
		Look: []string{"kamcmd ul.dump"},
	}
}
