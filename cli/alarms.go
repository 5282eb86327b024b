package cli

import (
	"cmp"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// newAlarms shows the alarms, and has somebody take one in hand (SPEC A2).
func newAlarms(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "alarms", Args: s.noArgs,
		Example: "  releve alarms -c main.toml\n  releve alarms show pbx-silent/main -c main.toml\n" +
			"  releve alarms ack pbx-silent/main --by \"A. Martin\" --remark \"the integrator is on his way\" -c main.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			site, err := s.site(c)
			width, _ := terminal(c)
			return shown(s, c, site.Alarms, err, func(all []view.Alarm) string { return text.Alarms(all, site.At, s.lang(), width) })
		},
	}
	c.AddCommand(newAlarmShow(s), newHandling(s, "ack"), newHandling(s, "close"), newHandling(s, "shelve"), newHandling(s, "unshelve"))
	return c
}

// site is how it stands now.
func (s *settings) site(c *cobra.Command) (view.Site, error) {
	server, err := s.server()
	if err != nil {
		return view.Site{}, err
	}
	return server.Site(c.Context())
}

func newAlarmShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show ALARM", Args: s.oneArg,
		Example: "  releve alarms show mirror-away -c main.toml\n  releve alarms show disk-low/main:/srv -c main.toml --output json",
		RunE: func(c *cobra.Command, args []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			story, err := server.AlarmStory(c.Context(), args[0])
			if errors.Is(err, releve.ErrUnknown) {
				err = s.complaint(codeUsage, "no-alarm", "alarm", args[0])
			}
			width, _ := terminal(c)
			return shown(s, c, story, err, func(a view.AlarmStory) string { return text.AlarmStory(a, time.Now(), s.lang(), width) })
		},
	}
}

// newHandling is one of the things that a person does with an alarm.
func newHandling(s *settings, act string) *cobra.Command {
	h := view.Handling{Act: act}
	c := &cobra.Command{
		Use: act + " ALARM", Args: s.oneArg,
		Example: "  releve alarms " + act + " mirror-away --by \"A. Martin\" --remark \"disk ordered\" -c main.toml",
		RunE: func(c *cobra.Command, args []string) error {
			server, err := s.server()
			if err != nil {
				return err
			}
			h.Alarm, h.By = args[0], cmp.Or(h.By, operator())
			answer, err := server.Handle(c.Context(), h)
			if err == nil && answer.Refused != nil {
				code := codeForbidden
				if answer.Unknown {
					code = codeUsage
				}
				err = &complaint{code, words.Say(s.lang(), *answer.Refused)}
			}
			return shown(s, c, answer, err, func(a view.Handled) string {
				width, _ := terminal(c)
				return s.say("alarm-"+act, "alarm", h.Alarm, "by", h.By) + "\n\n" + text.Alarms(a.Alarms, time.Now(), s.lang(), width)
			})
		},
	}
	c.Flags().StringVar(&h.By, "by", "", "")
	c.Flags().StringVar(&h.Remark, "remark", "", "")
	if act == "shelve" {
		c.Flags().DurationVar(&h.For, "for", 0, "")
	}
	return c
}
