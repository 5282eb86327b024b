package releve

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Sentence is something to say, by its code, with the values it names.
type Sentence struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
}

// namedMost is how many bytes of a value a sentence names: it goes to every screen and, while
// it is new, to the other server several times a second.
const namedMost = 1000

// Say makes a sentence from a code and pairs of names and values. Of a long value it names
// the beginning.
func Say(code string, pairs ...string) Sentence {
	s := Sentence{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		if s.Args == nil {
			s.Args = map[string]string{}
		}
		s.Args[pairs[i]] = beginning(pairs[i+1], namedMost)
	}
	return s
}

// beginning is so many bytes of a text at most, cut after a whole letter.
func beginning(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := most
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// Progress is how far something that lasts has come.
type Progress struct {
	Done     int64         `json:"done"`
	Total    int64         `json:"total"` // 0: not known
	Unit     string        `json:"unit"`
	PerSec   float64       `json:"per_second"`
	TimeLeft time.Duration `json:"time_left_ns"`
}

// Inner is the sentence that an argument holds, if Reason wrote one.
func Inner(argument string) (Sentence, bool) {
	var s Sentence
	if !strings.HasPrefix(argument, `{"code":"`) || json.Unmarshal([]byte(argument), &s) != nil {
		return Sentence{}, false
	}
	return s, s.Code != ""
}

// Quote sets the text of others apart where it is of another language than the sentence:
// what the kernel, PostgreSQL and a parser say is English.
func Quote(lang Language, text string) string {
	if lang == French {
		return "«\u00a0" + text + "\u00a0»"
	}
	return text
}
