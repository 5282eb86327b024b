package pbx

// wazo writes the configuration of an Asterisk.
func wazo() Profile {
	template := Source{Code, "wazo-confd, wazo_confd/plugins/event_handlers/service.py"}
	return Profile{
		Type: "wazo", Name: "Wazo",
		Notes: []Note{
			{Binding, "guide-wazo-contacts", template},
			{Overflow, "guide-wazo-qualify", template},
			{Sound, "guide-wazo-sound", template},
		},
	}
}
