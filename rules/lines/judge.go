package lines

import (
	"slices"

	"releve"
)

// Expected says whether the lines of a server have to be plugged into it. At high availability each server has
// lines of its own; elsewhere the site has one set, which is at the server that answers.
func Expected(level releve.Level, seat, owner releve.Seat) bool {
	switch level {
	case releve.HighAvailability:
		return true
	case releve.Backup:
		return seat == owner
	}
	return seat == releve.Main
}

// Judge gives the lines of a server with the verdict of each; theirs are those of the other server, as far as
// it is heard. Only where a site has one set can a line be at the wrong server.
func Judge(level releve.Level, expected bool, own, theirs []releve.Line) []releve.Line {
	judged := slices.Clone(own)
	for i := range judged {
		moves := level == releve.Backup && fedAt(theirs, judged[i].Number)
		judged[i].Verdict = verdict(judged[i].State, expected, moves)
	}
	return judged
}

func verdict(state releve.LineState, expected, atOther bool) releve.LineVerdict {
	switch {
	case state == releve.LinePlugged && expected:
		return releve.LineWell
	case state == releve.LinePlugged:
		return releve.LineStray
	case state != releve.LineDead:
		return releve.LineUnseen
	case !expected:
		return releve.LineAway
	case atOther:
		return releve.LineElsewhere
	}
	return releve.LineMissing
}

// fedAt says that the other server's port for a number is fed.
func fedAt(theirs []releve.Line, number string) bool {
	return slices.ContainsFunc(theirs, func(l releve.Line) bool { return l.Number == number && l.State == releve.LinePlugged })
}
