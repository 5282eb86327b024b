package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/rules/study"
	paper "releve/screen/study"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newStudySign records in a study's file that a party signed it (SPEC E4).
func newStudySign(s *settings) *cobra.Command {
	var party, name string
	c := &cobra.Command{
		Use: "sign FILE", Args: s.oneArg,
		Example: "  releve study sign study.json --for establishment --name \"Marie Duval\"\n" +
			"  releve study sign study.json --for integrator --name \"Paul Roy\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.oneOf("--for", party, string(releve.Establishment), string(releve.Integrator)); err != nil {
				return err
			}
			if !study.IsName(name) {
				return s.complaint(codeUsage, "no-name", "flag", "--name")
			}
			made, err := s.readStudy(args[0])
			if err != nil {
				return err
			}
			made = study.Sign(made, releve.Party(party), name, time.Now())
			if err := s.keepStudy(made, saved{file: args[0]}); err != nil {
				return err
			}
			return shown(s, c, made, nil, func(made releve.Study) string { return paper.Signatures(made, s.lang()) })
		},
	}
	c.Flags().StringVar(&party, "for", "", "")
	c.Flags().StringVar(&name, "name", "", "")
	return c
}

// newStudyAdopt hands a signed study to the site that runs: it comes before its levels from then on.
func newStudyAdopt(s *settings) *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use: "adopt FILE", Args: s.oneArg,
		Example: "  releve study adopt study.json -c main.toml --dry-run\n  releve study adopt study.json -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			made, err := s.readStudy(args[0])
			if err != nil {
				return err
			}
			file, err := json.Marshal(made)
			if err != nil {
				return fmt.Errorf("the study in %s: %w", args[0], err)
			}
			server, err := s.server()
			if err != nil {
				return err
			}
			answer, err := server.AdoptStudy(c.Context(), file, dryRun)
			if err == nil && answer.Refused != nil {
				err = &complaint{codeForbidden, words.Say(s.lang(), *answer.Refused)}
			}
			return shown(s, c, answer, err, func(a view.Adoption) string {
				sentence := "study-adopted"
				if a.DryRun {
					sentence = "study-would"
				}
				return s.say(sentence) + "\n\n" + text.Papers(a.After.Levels, s.lang())
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "")
	return c
}
