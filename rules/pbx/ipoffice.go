package pbx

func ipOffice() Profile {
	voip := Source{Manual, "Avaya IP Office Web Manager 12.3, SIP Extension VoIP"}
	return Profile{
		Type: "ip-office", Name: "Avaya IP Office",
		Notes: []Note{
			{Users, "guide-ipoffice-licence", Source{Manual, "Avaya IP Office knowledge base, Telephone endpoint licenses"}},
			{Binding, "guide-ipoffice-address", voip},
			{Sound, "guide-ipoffice-codecs", voip},
		},
	}
}
