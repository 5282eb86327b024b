package pbx

func cucm() Profile {
	forwarding := Source{Manual, "Cisco Unified CM 15, Feature Configuration Guide, Call Forwarding"}
	return Profile{
		Type: "cucm", Name: "Cisco Unified Communications Manager",
		Notes: []Note{
			{Users, "guide-cucm-digest", Source{Reported, "wikiold.eymea.com, cucm-sip-ph"}},
			{Overflow, "guide-cucm-forward", forwarding},
			{Overflow, "guide-cucm-trigger", forwarding},
			{Back, "guide-cucm-back", forwarding},
		},
	}
}
