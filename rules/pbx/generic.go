package pbx

func generic() Profile { return Profile{Type: Generic, Name: "SIP"} }
