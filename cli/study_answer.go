package cli

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"releve/adapters/survey/talk"
	"releve/server/study"
)

// answerLimit is how long the end that answers is there: its code is good for as long.
const answerLimit = 10 * time.Minute

// newStudyAnswer is the end on the other server.
func newStudyAnswer(s *settings) *cobra.Command {
	var e surveyed
	c := &cobra.Command{
		Use: "answer", Args: s.noArgs, Example: "  releve study answer --own 192.0.2.22 --peer 192.0.2.21",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.textOnly(c); err != nil {
				return err
			}
			return s.answerStudy(c, e)
		},
	}
	e.add(c)
	return c
}

func (s *settings) answerStudy(c *cobra.Command, e surveyed) error {
	own, other, err := s.addresses(e)
	if err == nil && !other.IsValid() {
		err = s.complaint(codeUsage, "address-missing", "flag", "--peer", "value", "", "form", s.say("form-address"))
	}
	if err != nil {
		return err
	}
	code := talk.NewCode()
	if e.code != "" {
		if code, err = s.studyCode(c, e.code); err != nil {
			return err
		}
	}
	bare, _ := talk.Bare(code)
	l, err := talk.Listen(netip.AddrPortFrom(own, e.port), bare)
	if err != nil {
		return err
	}
	defer l.Close()
	if e.code == "" {
		fmt.Fprintln(c.OutOrStdout(), s.say("study-code", "code", code))
	}
	fmt.Fprintln(c.OutOrStdout(), s.say("study-waiting", "address", l.Addr().String()))
	ctx, done := context.WithTimeout(c.Context(), answerLimit)
	defer done()
	conn, err := l.Accept(ctx)
	if err != nil {
		if c.Context().Err() != nil {
			return c.Context().Err()
		}
		return s.complaint(codeUnreachable, "study-nobody")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	asked := false
	_ = study.Answer(ctx, conn, instruments(own, other, e.data), func(study.Order) { asked = true }) // it ends when the other hangs up
	if !asked || c.Context().Err() != nil {
		return s.complaint(codeUnreachable, "study-nobody")
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), s.say("study-answered"))
	return err
}
