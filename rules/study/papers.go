package study

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"releve"
)

// Papers are what comes before the levels of a site: the study that was adopted, and operators'
// words that stand in for one. Both servers keep them, and [Papers.With] brings together what came
// apart: of a study the one that was adopted last, of a level what was said last.
type Papers struct {
	Adopted time.Time             `json:"adopted,omitzero"`
	Study   *releve.Study         `json:"study,omitempty"`
	Words   map[releve.Level]Word `json:"words,omitempty"`
}

// Word is an operator's, that a level may be had without a study.
type Word struct {
	Name string    `json:"name,omitempty"` // "": it holds no more
	At   time.Time `json:"at"`
}

// ID is the same on two servers that have the same papers.
func (p Papers) ID() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic("papers cannot be written as JSON: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// With are these papers and another server's: the same on both, whoever hears first.
func (p Papers) With(theirs Papers) Papers {
	later := theirs.Adopted.After(p.Adopted)
	tie := theirs.Adopted.Equal(p.Adopted) && theirs.Study != nil && (p.Study == nil || theirs.Study.Digest() > p.Study.Digest())
	if later || tie {
		p.Adopted, p.Study = theirs.Adopted, theirs.Study
	}
	p.Words = maps.Clone(p.Words)
	for level, word := range theirs.Words {
		p.say(level, word)
	}
	return p
}

func (p *Papers) say(level releve.Level, w Word) {
	known, there := p.Words[level]
	if there && cmp.Or(known.At.Compare(w.At), cmp.Compare(known.Name, w.Name)) >= 0 {
		return
	}
	if p.Words == nil {
		p.Words = map[releve.Level]Word{}
	}
	p.Words[level] = w
}

// Adopt has a study come before the levels that it found feasible, in the place of all words for
// them. The error is for what it comes before no level at all.
func (p Papers) Adopt(s releve.Study, here Place, now time.Time) (Papers, error) {
	if err := Valid(s, here, now); err != nil {
		return p, err
	}
	fits := slices.DeleteFunc(slices.Clone(all), func(level releve.Level) bool { return Before(s, level, here, now) != nil })
	if len(fits) == 0 {
		return p, unfit("study.none-feasible")
	}
	p.Adopted, p.Study, p.Words = after(now, p.Adopted), &s, maps.Clone(p.Words)
	for _, level := range fits {
		if p.Words[level].Name != "" {
			p.say(level, Word{At: after(now, p.Words[level].At)})
		}
	}
	return p, nil
}

// Vouch records an operator's word for a level, or with no name that it holds no more.
func (p Papers) Vouch(level releve.Level, name string, now time.Time) Papers {
	p.Words = maps.Clone(p.Words)
	p.say(level, Word{Name: name, At: after(now, p.Words[level].At)})
	return p
}

// after is a moment that is later than another, on a clock that may stand behind.
func after(now, last time.Time) time.Time {
	now = now.UTC().Round(0)
	if now.After(last) {
		return now
	}
	return last.Add(time.Millisecond)
}

// Clears says why neither a study nor a word comes before a level, nil where one does. by is the
// name of who gave his word, "" where it is the study.
func (p Papers) Clears(level releve.Level, here Place, now time.Time) (by string, err error) {
	err = unfit("study.none")
	if p.Study != nil {
		err = Before(*p.Study, level, here, now)
	}
	if by = p.Words[level].Name; err != nil && by != "" {
		return by, nil
	}
	return "", err
}
