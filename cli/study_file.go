package cli

import (
	"encoding/json"
	"io"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"releve"
	paper "releve/screen/study"
)

// mostOfStudy bounds what is read of a file, in bytes.
const mostOfStudy = 4 << 20

// readStudy reads one that was kept.
func (s *settings) readStudy(file string) (made releve.Study, err error) {
	f, err := os.Open(file)
	if err != nil {
		return made, s.complaint(codeUsage, "study-unread", "file", file, "why", s.detail(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, mostOfStudy))
	if err == nil {
		err = json.Unmarshal(raw, &made)
	}
	if err != nil {
		return made, s.complaint(codeUsage, "study-unread", "file", file, "why", s.detail(err))
	}
	if made.Format < 1 || made.Format > releve.StudyFormat || len(made.Findings) == 0 {
		return made, s.complaint(codeUsage, "study-foreign", "file", file)
	}
	return made, nil
}

// keepStudy writes the files that were asked for, each whole.
func (s *settings) keepStudy(made releve.Study, kept saved) error {
	if kept.file != "" {
		raw, err := json.MarshalIndent(made, "", "  ")
		if err == nil {
			err = renameio.WriteFile(kept.file, append(raw, '\n'), 0o644)
		}
		if err != nil {
			return s.complaint(codeOther, "study-unwritten", "file", kept.file, "why", s.detail(err))
		}
	}
	if kept.page != "" {
		drawn, err := paper.Page(made, s.lang())
		if err == nil {
			err = renameio.WriteFile(kept.page, drawn, 0o644)
		}
		if err != nil {
			return s.complaint(codeOther, "study-unwritten", "file", kept.page, "why", s.detail(err))
		}
	}
	return nil
}

// newStudyShow shows one that was kept.
func newStudyShow(s *settings) *cobra.Command {
	var kept saved
	c := &cobra.Command{
		Use: "show FILE", Args: s.oneArg, Example: "  releve study show study.json\n  releve study show study.json --page study.html --language fr",
		RunE: func(c *cobra.Command, args []string) error {
			made, err := s.readStudy(args[0])
			if err != nil {
				return err
			}
			return s.showStudy(c, made, kept)
		},
	}
	c.Flags().StringVar(&kept.page, "page", "", "")
	return c
}
