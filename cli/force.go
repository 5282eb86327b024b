package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"releve/screen/view"
)

// newSolo has the owner go on alone, on the operator's word or on the mirror's (SPEC M4).
func newSolo(s *settings) *cobra.Command {
	var w view.Wish
	var file string
	c := &cobra.Command{
		Use: "solo", Args: s.noArgs,
		Example: "  releve solo -c main.toml --dry-run\n  releve solo -c main.toml --other-is-off\n  releve solo -c main.toml --abdication word.json",
		RunE: func(c *cobra.Command, _ []string) error {
			w.Name = "solo"
			switch {
			case file != "" && w.OtherIsOff:
				return s.complaint(codeUsage, "one-word")
			case file != "":
				w.Name = "solo-carried"
			case !w.OtherIsOff && !w.DryRun:
				return s.complaint(codeForbidden, "solo-word", "command", c.CommandPath()+" -c "+s.file)
			}
			return s.wish(c, w, file)
		},
	}
	c.Flags().BoolVar(&w.OtherIsOff, "other-is-off", false, "")
	c.Flags().StringVar(&file, "abdication", "", "")
	c.Flags().BoolVar(&w.DryRun, "dry-run", false, "")
	return c
}

// newTakeover has a server without the vote take the duty, on the operator's word (SPEC H9).
func newTakeover(s *settings) *cobra.Command {
	w := view.Wish{Name: "takeover"}
	c := &cobra.Command{
		Use: "takeover", Args: s.noArgs,
		Example: "  releve takeover -c secondary.toml --dry-run\n  releve takeover -c secondary.toml --other-is-off",
		RunE: func(c *cobra.Command, _ []string) error {
			if !w.OtherIsOff && !w.DryRun {
				return s.complaint(codeForbidden, "takeover-word", "command", c.CommandPath()+" -c "+s.file)
			}
			return s.wish(c, w, "")
		},
	}
	c.Flags().BoolVar(&w.OtherIsOff, "other-is-off", false, "")
	c.Flags().BoolVar(&w.DryRun, "dry-run", false, "")
	return c
}

// wish runs a procedure on the operator's word, with the other's word from a file if one
// is named.
func (s *settings) wish(c *cobra.Command, w view.Wish, file string) error {
	if file != "" {
		word, err := s.readWord(file)
		if err != nil {
			return err
		}
		w.Abdication = &word
	}
	return s.follow(c, func(f *follower) error {
		server, err := s.server()
		if err != nil {
			return err
		}
		return server.Wish(c.Context(), w, f.show)
	})
}

// readWord reads what `releve abdicate` wrote. Whose it is, the server finds out.
func (s *settings) readWord(file string) (word view.Abdication, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return word, s.complaint(codeForbidden, "word-unread", "detail", s.detail(err))
	}
	read := json.NewDecoder(bytes.NewReader(raw))
	read.DisallowUnknownFields()
	if err := read.Decode(&word); err != nil || word.Seat == "" || word.Signature == "" {
		return word, s.complaint(codeForbidden, "word-garbled", "file", file)
	}
	return word, nil
}

// newAbdicate has a mirror give its vote back, and writes its word (RULES R3).
func newAbdicate(s *settings) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "abdicate", Args: s.noArgs,
		Example: "  releve abdicate -c secondary.toml --out word.json\n  releve abdicate -c secondary.toml > word.json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			to, err := s.openWord(out)
			if err != nil {
				return err
			}
			word, err := server.Abdicate(c.Context())
			if err != nil {
				return errors.Join(err, to.discard())
			}
			return s.showWord(c, word, to)
		},
	}
	c.Flags().StringVar(&out, "out", "", "")
	return c
}

// wordFile is where a word is written, nowhere if it has no file.
type wordFile struct{ *os.File }

// openWord makes the file before the vote is given back: a disk that is full, or a name
// that is taken, is found out while nothing has happened.
func (s *settings) openWord(name string) (wordFile, error) {
	if name == "" {
		return wordFile{}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, os.ErrExist):
		return wordFile{}, s.complaint(codeForbidden, "word-exists", "file", name)
	case err != nil:
		return wordFile{}, s.complaint(codeForbidden, "word-unwritten", "detail", s.detail(err))
	}
	return wordFile{f}, nil
}

func (f wordFile) discard() error {
	if f.File == nil {
		return nil
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (f wordFile) write(raw []byte) error {
	_, err := f.Write(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

// showWord writes the word, and says where it is to be brought. Without a file it stands
// alone on standard output, so that it can be sent on as it is.
func (s *settings) showWord(c *cobra.Command, word view.Abdication, to wordFile) error {
	raw, err := json.MarshalIndent(word, "", "  ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	other := string(word.Seat.Other())
	if to.File == nil {
		_, err := c.OutOrStdout().Write(raw)
		s.hint(c.ErrOrStderr(), other, "word.json")
		return err
	}
	if err := to.write(raw); err != nil {
		return s.complaint(codeOther, "word-unwritten", "detail", s.detail(err))
	}
	if s.output == "json" {
		return printJSON(c, word)
	}
	s.hint(c.OutOrStdout(), other, to.Name())
	return nil
}

func (s *settings) hint(w io.Writer, other, file string) {
	fmt.Fprintln(w, s.say("word-next", "file", file, "config", other+".toml"))
}
