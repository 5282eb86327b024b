package cli

import (
	"github.com/spf13/cobra"

	"releve"
	rules "releve/rules/study"
	paper "releve/screen/study"
)

// newStudyReplay studies again what an earlier study asked, and tells what has changed.
func newStudyReplay(s *settings) *cobra.Command {
	var e surveyed
	var kept saved
	var with string
	var secrets releve.StudySecrets
	reception := password{flag: "--reception-password", into: &secrets.Reception}
	standby := password{flag: "--standby-password", into: &secrets.Standby}
	c := &cobra.Command{
		Use: "replay FILE", Args: s.oneArg,
		Example: "  releve study replay study.json --save again.json\n  releve study replay study.json --with again.json",
		RunE: func(c *cobra.Command, args []string) error {
			before, err := s.readStudy(args[0])
			if err != nil {
				return err
			}
			if before.Question.ReceptionNumber != "" && with == "" {
				if err := s.take(c, reception, standby); err != nil {
					return err
				}
			}
			now, err := s.again(c, before, secrets, e, with)
			if err == nil {
				err = s.keepStudy(now, kept)
			}
			if err != nil {
				return err
			}
			return s.compareStudies(c, before, now)
		},
	}
	f := c.Flags()
	f.Uint16Var(&e.port, "port", 7445, "")
	f.StringVar(&e.data, "data", "data", "")
	f.StringVar(&e.code, "code-file", "", "")
	f.StringVar(&reception.file, "reception-password-file", "", "")
	f.StringVar(&standby.file, "standby-password-file", "", "")
	f.StringVar(&with, "with", "", "")
	kept.add(c)
	return c
}

// again is the later study: one that was kept, or a new one that asks the same.
func (s *settings) again(c *cobra.Command, before releve.Study, secrets releve.StudySecrets, e surveyed, with string) (releve.Study, error) {
	if with != "" {
		return s.readStudy(with)
	}
	e.own, e.other = before.Question.Main, before.Question.Secondary
	return s.study(c, before.Question, secrets, e)
}

// compared is what two studies found differently, for programs.
type compared struct {
	Lost   []releve.StudyChange `json:"lost"`
	Gained []releve.StudyChange `json:"gained"`
}

func (s *settings) compareStudies(c *cobra.Command, before, now releve.Study) error {
	lost, gained := rules.Compare(before, now)
	err := shown(s, c, compared{lost, gained}, nil, func(d compared) string { return paper.Changes(d.Lost, d.Gained, s.lang()) })
	if err == nil && len(lost) > 0 {
		return s.complaint(codeDiffers, "study-lost")
	}
	return err
}
