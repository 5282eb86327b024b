package pbx

func oxe() Profile {
	return Profile{
		Type: "oxe", Name: "Alcatel-Lucent OmniPCX Enterprise",
		Notes: []Note{{Users, "guide-oxe-seplos", Source{Manual, "OmniPCX Enterprise, 8AL91007USAF, SIP, §6.1.1.1"}}},
	}
}
