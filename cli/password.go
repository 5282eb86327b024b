package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// password is a secret of init: on the command line everybody on the machine sees it
// while the command runs, and the shell keeps it (SPEC K8).
type password struct {
	flag string // --reception-password; its file is --reception-password-file
	file string
	into *string
}

// maxPassword bounds what is read of a file, in bytes.
const maxPassword = 4 << 10

// take reads the passwords that were not given on the command line: from their files,
// or asked for where a person sits there. What is still missing is told later, with
// the other mistakes.
func (s *settings) take(c *cobra.Command, passwords ...password) error {
	for _, p := range passwords {
		if *p.into != "" {
			fmt.Fprintln(c.ErrOrStderr(), s.say("password-seen", "flag", p.flag))
			continue
		}
		text, err := s.read(c, p)
		if err != nil {
			return err
		}
		*p.into = text
	}
	return nil
}

func (s *settings) read(c *cobra.Command, p password) (string, error) {
	if p.file != "" {
		return s.passwordFile(p)
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", nil
	}
	fmt.Fprint(c.ErrOrStderr(), s.say("password-ask", "flag", strings.TrimPrefix(p.flag, "--")), " ")
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(c.ErrOrStderr())
	return string(text), err
}

// passwordFile reads the first line of a file that only its owner may read.
func (s *settings) passwordFile(p password) (string, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return "", s.complaint(codeUsage, "password-unreadable", "flag", p.flag+"-file", "cause", s.detail(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", s.complaint(codeUsage, "password-open", "flag", p.flag+"-file", "file", p.file)
	}
	line, err := bufio.NewReader(io.LimitReader(f, maxPassword)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", s.complaint(codeUsage, "password-unreadable", "flag", p.flag+"-file", "cause", s.detail(err))
	}
	if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
		return "", s.complaint(codeUsage, "password-empty", "flag", p.flag+"-file", "file", p.file)
	}
	return string(line), nil
}
