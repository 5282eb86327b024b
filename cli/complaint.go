package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"releve"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"releve/app"
	"releve/config"
	"releve/config/site"
	"releve/rules/licence"
	"releve/rules/pbx"
	"releve/screen/words"
)

// Exit codes, by cause.
const (
	codeOK = iota
	codeOther
	codeUsage
	codeConfiguration // the configuration has mistakes
	codeMissing       // the machine lacks something, or a port is in use
	codeForbidden     // a precondition does not hold
	codeUnreachable   // no server answers
	_                 // 7 was what a command said that was not built yet
	codeBusy          // another procedure runs
	codeDiffers       // what was proven is not as it should be: the mirror, or the PBX

	codeInterrupted = 130 // as shells report it
)

// complaint is an error of the command line's own, in the words of who reads it.
type complaint struct {
	code int
	text string
}

func (c *complaint) Error() string { return c.text }

func (s *settings) complaint(code int, sentence string, pairs ...string) error {
	return &complaint{code, s.say(sentence, pairs...)}
}

// mistakesError is a configuration that nobody starts with.
type mistakesError struct {
	complaint
	mistakes []config.Mistake
}

func (s *settings) mistakes(all []config.Mistake) error {
	if len(all) == 0 {
		return nil
	}
	return &mistakesError{complaint{codeConfiguration, s.say("mistakes")}, all}
}

// causes are the errors of other rooms that have a code and a sentence of their own.
var causes = []struct {
	err      error
	code     int
	sentence string
}{
	{app.ErrMissing, codeMissing, "missing"},
	{app.ErrBarred, codeForbidden, "forbidden"},
	{releve.ErrNoSalvage, codeUsage, "no-salvage"},
	{releve.ErrSalvageDecided, codeForbidden, "salvage-decided"},
	{releve.ErrNotOnDuty, codeForbidden, "not-on-duty"},
	{releve.ErrNoVote, codeForbidden, "no-vote"},
	{releve.ErrVoteAsked, codeForbidden, "vote-asked"},
	{licence.ErrRefused, codeForbidden, "licence-refused"},
	{pbx.ErrUnknown, codeUsage, "pbx-unknown"},
	{releve.ErrForbidden, codeForbidden, "not-allowed"},
	{releve.ErrBusy, codeBusy, "running"},
	{releve.ErrUnreachable, codeUnreachable, "unreachable"},
	{os.ErrExist, codeForbidden, "exists"},
}

// verdict gives an error's exit code and what to say of it.
func (s *settings) verdict(err error) (code int, text string) {
	if own, ok := errors.AsType[*complaint](err); ok {
		return own.code, own.text
	}
	if wrong, ok := errors.AsType[*mistakesError](err); ok {
		return wrong.code, wrong.text
	}
	if sentence, address := portTrouble(err); sentence != "" {
		return codeMissing, s.say(sentence, "address", address, "file", s.file)
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			detail := s.detailOf(c.err.Error()+": ", err)
			if fault, ok := errors.AsType[*releve.Fault](err); ok {
				detail = words.Say(s.lang(), fault.Why)
			}
			return c.code, s.say(c.sentence, "detail", detail, "file", s.file)
		}
	}
	if len(faults(err)) > 0 {
		return codeOther, spoken(s.lang(), err)
	}
	return codeOther, s.detail(err)
}

// portTrouble knows the commonest reason why a server does not start, and the
// address that it concerns.
func portTrouble(err error) (sentence, address string) {
	listening, ok := errors.AsType[*net.OpError](err)
	if !ok || listening.Op != "listen" || listening.Addr == nil {
		return "", ""
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "port-taken", listening.Addr.String()
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no-such-address", listening.Addr.String()
	}
	return "", ""
}

// toldMistake is a mistake for programs, with its words for people.
type toldMistake struct {
	config.Mistake
	What    string `json:"what"`
	Todo    string `json:"todo"`
	Warning bool   `json:"warning,omitempty"` // nothing is wrong yet, and the server starts
	text    string // the whole line that a person reads
}

// line is a mistake as a person reads it: where, what, and what to do.
func (s *settings) line(m config.Mistake) string {
	return m.Where() + ": " + words.Say(s.lang(), m.Sentence())
}

func (s *settings) told(mistakes []config.Mistake) []toldMistake {
	all := make([]toldMistake, 0, len(mistakes))
	for _, m := range mistakes {
		what, todo := words.Told(s.lang(), m.Sentence())
		all = append(all, toldMistake{Mistake: m, What: what, Todo: todo, text: s.line(m)})
	}
	return all
}

func (s *settings) warned(warnings []config.Mistake) []toldMistake {
	all := s.told(warnings)
	for i := range all {
		all[i].Warning = true
	}
	return all
}

// report says what went wrong, as text or as one JSON object, and gives the exit
// code. The mistakes of a file explain themselves.
func (s *settings) report(w io.Writer, err error) int {
	code, text := s.verdict(err)
	var mistakes []config.Mistake
	if wrong, ok := errors.AsType[*mistakesError](err); ok {
		mistakes = wrong.mistakes
	}
	switch {
	case s.output == "json":
		_ = json.NewEncoder(w).Encode(struct { // nobody is left to tell when it fails
			Error    string        `json:"error"`
			Code     int           `json:"code"`
			Mistakes []toldMistake `json:"mistakes,omitempty"`
		}{text, code, s.told(mistakes)})
	case mistakes != nil:
		for _, m := range mistakes {
			fmt.Fprintln(w, s.line(m))
		}
	default:
		fmt.Fprintln(w, "releve"+words.Text(s.lang(), "heading.colon")+text)
	}
	return code
}

// isInterruption says whether a command ended because it was told to.
func isInterruption(ctx context.Context, err error) bool {
	_, explained := errors.AsType[*complaint](err)
	return ctx.Err() != nil && !explained && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

func (s *settings) oneOf(flag, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return s.complaint(codeUsage, "bad-choice", "flag", flag, "value", value, "choices", strings.Join(choices, ", "))
}

// noArgs refuses words that mean nothing.
func (s *settings) noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return s.complaint(codeUsage, "extra-word", "word", args[0], "command", c.CommandPath())
}

func (s *settings) oneArg(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return s.complaint(codeUsage, "word-missing", "command", c.CommandPath())
	}
	return s.noArgs(c, args[1:])
}

// noSuchCommand refuses what is no command, and names one that it may have been.
func (s *settings) noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := root.SuggestionsFor(args[0])
	if len(near) == 0 {
		return s.complaint(codeUsage, "unknown-command", "word", args[0])
	}
	return s.complaint(codeUsage, "unknown-command-near", "word", args[0], "near", strings.Join(near, ", "))
}

// flagError says what pflag found wrong in the reader's language.
func (s *settings) flagError(c *cobra.Command, err error) error {
	say := func(sentence string, pairs ...string) error {
		return s.complaint(codeUsage, sentence, append(pairs, "command", c.CommandPath())...)
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return say("flag-unknown", "flag", dashed(e.GetSpecifiedName()))
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return say("flag-value-missing", "flag", "--"+e.GetFlag().Name)
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return say("flag-value", "flag", "--"+e.GetFlag().Name, "value", e.GetValue())
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return say("flag-syntax", "flag", e.GetSpecifiedFlag())
	}
	return err
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// initMistakes gives what `releve init` was asked wrongly the form of a file's mistakes.
func (s *settings) initMistakes(err error) error {
	if wrong, ok := errors.AsType[*site.MistakesError](err); ok {
		return s.mistakes(wrong.Mistakes)
	}
	return err
}
