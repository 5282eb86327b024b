package pbx

func mitel() Profile {
	return Profile{
		Type: "mitel", Name: "Mitel MiVoice Business",
		Notes: []Note{
			{Users, "guide-mitel-licence", Source{Manual, "MiVoice Business help, SIP Phone Support, Description"}},
			{Overflow, "guide-mitel-unregistered", Source{Manual, "Mitel 3300 ICP help, SIP Phone Support, Features"}},
			{Back, "guide-mitel-reject", Source{Manual, "MiVoice Business help, SIP Phone Support, Conditions: Call Reject"}},
		},
	}
}
