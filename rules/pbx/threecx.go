package pbx

func threeCX() Profile {
	return Profile{
		Type: "3cx", Name: "3CX",
		Notes: []Note{
			{Users, "guide-3cx-id", Source{Manual, "3CX Phone System manual 5, Adding an extension"}},
			{Overflow, "guide-3cx-rules", Source{Manual, "3CX extension manual 7, Forwarding Rules"}},
			{Overflow, "guide-3cx-one-call", Source{Manual, "3CX Call Control API, AvailableRouting"}},
			{Back, "guide-3cx-back", Source{Manual, "3CX extension manual 7, Forwarding Rules"}},
		},
	}
}
