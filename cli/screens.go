package cli

import (
	"cmp"
	"slices"

	"github.com/spf13/cobra"

	"releve/rules/access"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newScreen says which screens on walls show who has an alarm in hand (SPEC A5).
func newScreen(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "screen", Args: s.noArgs,
		Example: "  releve screen add reception-desk -c main.toml\n  releve screen list -c main.toml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newScreenAdd(s), newScreenList(s), newScreenRemove(s))
	return c
}

// addedScreen is a screen as it is shown once: by which addresses it is opened.
type addedScreen struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // of either server; each holds the token
}

func newScreenAdd(s *settings) *cobra.Command {
	o := view.AccountOrder{Act: "screen"}
	c := &cobra.Command{
		Use: "add NAME", Args: s.oneArg, Example: "  releve screen add reception-desk -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			answer, err := s.orderScreen(c, &o, args[0])
			added := addedScreen{Name: o.Name}
			for _, at := range []string{conf.Console.Listen, conf.Console.Other} {
				if at != "" {
					added.Addresses = append(added.Addresses, "https://"+at+"/screen?lang="+string(s.lang())+"#"+answer.Enrolment)
				}
			}
			return shown(s, c, added, err, func(a addedScreen) string {
				said := s.say("screen-added", "screen", a.Name) + "\n\n"
				for _, at := range a.Addresses {
					said += "  " + at + "\n"
				}
				return said
			})
		},
	}
	c.Flags().StringVar(&o.By, "by", "", "")
	return c
}

// orderScreen has the server do something about a screen.
func (s *settings) orderScreen(c *cobra.Command, o *view.AccountOrder, name string) (answer view.AccountChanged, err error) {
	server, err := s.server()
	if err != nil {
		return answer, err
	}
	o.Name, o.By = name, cmp.Or(o.By, operator())
	answer, err = server.ChangeAccount(c.Context(), *o)
	if err == nil && answer.Refused != nil {
		code := codeForbidden
		if answer.Unknown {
			code = codeUsage
		}
		err = &complaint{code, words.Say(s.lang(), *answer.Refused)}
	}
	return answer, err
}

func newScreenRemove(s *settings) *cobra.Command {
	o := view.AccountOrder{Act: "remove"}
	c := &cobra.Command{
		Use: "remove NAME", Args: s.oneArg, Example: "  releve screen remove reception-desk -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			answer, err := s.orderScreen(c, &o, args[0])
			return shown(s, c, screensOf(answer.Accounts), err, func([]view.Account) string {
				return s.say("screen-removed", "screen", o.Name) + "\n"
			})
		},
	}
	c.Flags().StringVar(&o.By, "by", "", "")
	return c
}

func newScreenList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: s.noArgs, Example: "  releve screen list -c main.toml\n  releve screen list -c main.toml --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			all, err := server.Accounts(c.Context())
			return shown(s, c, screensOf(all), err, func(all []view.Account) string { return text.Accounts(all, s.lang()) })
		},
	}
}

func screensOf(all []view.Account) []view.Account {
	return slices.DeleteFunc(all, func(a view.Account) bool { return a.Role != string(access.Screen) })
}
