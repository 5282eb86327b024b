package cli

import (
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"releve"
)

// built are the levels that init lays out, the highest first.
var built = []releve.Level{releve.HighAvailability, releve.Backup, releve.Mirroring}

// fit gives the options of init that were not typed the values that a study was made with, and
// the highest level that it found feasible.
func (s *settings) fit(c *cobra.Command, file string) error {
	made, err := s.readStudy(file)
	if err != nil {
		return err
	}
	values := studied(made.Question)
	if !c.Flags().Changed("level") {
		level, ok := feasible(made)
		if !ok {
			return s.complaint(codeForbidden, "study-none-fits", "file", file)
		}
		values["level"] = string(level)
	}
	for flag, value := range values {
		if value == "" || c.Flags().Changed(flag) {
			continue
		}
		if err := c.Flags().Set(flag, value); err != nil { // somebody has edited the file
			return s.complaint(codeUsage, "study-unread", "file", file, "why", releve.Quote(s.lang(), err.Error()))
		}
	}
	return nil
}

// feasible is the highest level that a study found feasible and init lays out.
func feasible(made releve.Study) (releve.Level, bool) {
	for _, level := range built {
		if slices.ContainsFunc(made.Levels, func(l releve.StudyLevel) bool { return l.Level == level && l.Verdict == releve.Feasible }) {
			return level, true
		}
	}
	return "", false
}

// studied are the options of init that a study was told.
func studied(q releve.StudyQuestion) map[string]string {
	port := func(n uint16) string { return strconv.Itoa(int(n)) }
	values := map[string]string{
		"name": q.Establishment, "pbx-address": q.PBX, "domain": q.Domain, "main-host": q.Main, "secondary-host": q.Secondary,
		"reception-number": q.ReceptionNumber, "reception-user": q.ReceptionUser, "standby-user": q.StandbyUser,
		"channels": strconv.Itoa(q.Channels), "witness": q.Witness,
	}
	for _, seat := range []string{"main", "secondary"} {
		values[seat+"-sip-port"], values[seat+"-peer-port"] = port(q.SIPPort), port(q.PeerPort)
		values[seat+"-database-port"], values[seat+"-console-port"] = port(q.DatabasePort), port(q.ConsolePort)
		values[seat+"-rtp-first"], values[seat+"-rtp-last"] = strconv.Itoa(q.RTPFirst), strconv.Itoa(q.RTPLast)
	}
	return values
}
