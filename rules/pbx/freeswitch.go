package pbx

func freeswitch() Profile {
	registrar := Source{Code, "FreeSWITCH, src/mod/endpoints/mod_sofia/sofia_reg.c"}
	return Profile{
		Type: "freeswitch", Name: "FreeSWITCH",
		Notes: []Note{
			{Binding, "guide-freeswitch-latest", registrar},
			{Binding, "guide-freeswitch-unregister", registrar},
			{Overflow, "guide-freeswitch-continue", Source{Manual, "FreeSWITCH reference, Channel Variables Catalog: continue_on_fail"}},
			{Evidence, "guide-freeswitch-header", Source{Manual, "FreeSWITCH, Sofia SIP Stack, Adding Request Headers"}},
		},
	}
}
