package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"releve/rules/access"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newUser says who may log in (SPEC K5). Whoever may open this machine's socket may: so there is a first
// administrator.
func newUser(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "user", Args: s.noArgs,
		Example: "  releve user add a.martin --role administrator -c main.toml\n  releve user list -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newUserList(s), newUserAdd(s), newUserRemove(s), newUserPassword(s), newUserRole(s), newUserCodes(s))
	return c
}

func newUserList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: s.noArgs,
		Example: "  releve user list -c main.toml\n  releve user list -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			all, err := server.Accounts(c.Context())
			return shown(s, c, all, err, func(all []view.Account) string { return text.Accounts(all, s.lang()) })
		},
	}
}

func newUserAdd(s *settings) *cobra.Command {
	c, o := newUserOrder(s, "add", "  releve user add a.martin --role administrator -c main.toml\n"+
		"  releve user add c.durand --role operator -c main.toml < /run/user/0/password")
	roleFlag(c, o, access.Operator)
	return c
}

func newUserRemove(s *settings) *cobra.Command {
	c, _ := newUserOrder(s, "remove", "  releve user remove c.durand -c main.toml")
	return c
}

func newUserPassword(s *settings) *cobra.Command {
	c, _ := newUserOrder(s, "password", "  releve user password c.durand -c main.toml")
	return c
}

func newUserRole(s *settings) *cobra.Command {
	c, o := newUserOrder(s, "role", "  releve user role c.durand --role keeper -c main.toml")
	roleFlag(c, o, "")
	return c
}

func newUserCodes(s *settings) *cobra.Command {
	c, o := newUserOrder(s, "codes", "  releve user codes a.martin -c main.toml\n  releve user codes a.martin --off -c main.toml")
	off := c.Flags().Bool("off", false, "")
	c.PreRun = func(*cobra.Command, []string) {
		if *off {
			o.Act = "no-codes"
		}
	}
	return c
}

// newUserOrder is a command that does something to an account, and the order that its flags complete.
func newUserOrder(s *settings, act, example string) (*cobra.Command, *view.AccountOrder) {
	o := &view.AccountOrder{Act: act}
	c := &cobra.Command{
		Use: act + " NAME", Args: s.oneArg, Example: example,
		RunE: func(c *cobra.Command, args []string) error {
			o.Name = args[0]
			return s.changeUser(c, *o)
		},
	}
	c.Flags().StringVar(&o.By, "by", "", "")
	return c, o
}

func roleFlag(c *cobra.Command, o *view.AccountOrder, given access.Role) {
	var roles []string
	for _, r := range access.Roles() {
		roles = append(roles, string(r))
	}
	c.Flags().StringVar(&o.Role, "role", string(given), "")
	must(c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp)))
}

// changeUser has the server do to an account what is ordered, with a password where that needs one.
func (s *settings) changeUser(c *cobra.Command, o view.AccountOrder) error {
	server, err := s.server()
	if err != nil {
		return err
	}
	if o.By = cmp.Or(o.By, operator()); o.Act == "add" || o.Act == "password" {
		if o.Password, err = s.newPassword(c, o.Name); err != nil {
			return err
		}
	}
	answer, err := server.ChangeAccount(c.Context(), o)
	if err == nil && answer.Refused != nil {
		code := codeForbidden
		if answer.Unknown {
			code = codeUsage
		}
		err = &complaint{code, words.Say(s.lang(), *answer.Refused)}
	}
	return shown(s, c, answer, err, func(a view.AccountChanged) string {
		said := s.say("user-"+o.Act, "user", o.Name)
		if a.Enrolment != "" {
			said += "\n\n" + a.Enrolment
		}
		return said + "\n\n" + text.Accounts(a.Accounts, s.lang())
	})
}

// newPassword asks twice where a person sits there, and else reads the first line of what is handed over. On
// the command line everybody on the machine would see it.
func (s *settings) newPassword(c *cobra.Command, name string) (string, error) {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), maxPassword)).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", s.complaint(codeUsage, "user-password-unread", "cause", s.detail(err))
		}
		return string(bytes.TrimRight(line, "\r\n")), nil
	}
	var typed [2]string
	for i, ask := range []string{"user-password-ask", "user-password-again"} {
		fmt.Fprint(c.ErrOrStderr(), s.say(ask, "user", name), " ")
		text, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(c.ErrOrStderr())
		if err != nil {
			return "", s.complaint(codeUsage, "user-password-unread", "cause", s.detail(err))
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", s.complaint(codeUsage, "user-password-differs")
	}
	return typed[0], nil
}
