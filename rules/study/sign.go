package study

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"releve"
)

// Signatories are the parties that sign a study (SPEC E4).
var Signatories = []releve.Party{releve.Establishment, releve.Integrator}

// nameMost is the length of a name that is recorded, in letters.
const nameMost = 100

// IsName says whether a text can be recorded as somebody's name.
func IsName(name string) bool {
	return name != "" && strings.TrimSpace(name) == name && utf8.RuneCountInString(name) <= nameMost && releve.Plain(name) == name
}

// Sign records that a party signed. What it signed before counts no more.
func Sign(s releve.Study, party releve.Party, name string, at time.Time) releve.Study {
	s.Signed = slices.DeleteFunc(slices.Clone(s.Signed), func(by releve.StudySignature) bool { return by.Party == party })
	s.Signed = append(s.Signed, releve.StudySignature{Party: party, Name: name, At: at.UTC().Truncate(time.Second), Digest: s.Digest()})
	return s
}

// Unsigned are the parties of whom a study lacks the signature; changed says that one was given for
// something else than what stands there now.
func Unsigned(s releve.Study) (missing []releve.Party, changed bool) {
	digest := s.Digest()
	for _, party := range Signatories {
		i := slices.IndexFunc(s.Signed, func(by releve.StudySignature) bool { return by.Party == party && IsName(by.Name) })
		switch {
		case i < 0:
			missing = append(missing, party)
		case s.Signed[i].Digest != digest:
			changed = true
		}
	}
	return missing, changed
}
