package cli

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"releve/adapters/journal"
	"releve/app"
	analogue "releve/app/lines"
	"releve/config"
	"releve/screen/text"
	"releve/screen/words"
)

func newServe(s *settings) *cobra.Command {
	var found bool
	var level string
	c := &cobra.Command{
		Use: "serve", Args: s.noArgs,
		Example: "  releve serve -c main.toml\n  releve serve -c main.toml --log debug",
		RunE: func(c *cobra.Command, _ []string) error {
			levels := map[string]slog.Level{"info": slog.LevelInfo, "debug": slog.LevelDebug}
			if err := s.oneOf("--log", level, "info", "debug"); err != nil {
				return err
			}
			conf, borne, err := loadBearing(s, config.Load)
			if err != nil {
				return err
			}
			log := newLog(c.ErrOrStderr(), levels[level])
			if runs := journal.LevelAt(conf.Journal(), conf.Site.ID, conf.Site.Seat); runs != "" && runs != conf.Site.Level {
				log.Warn("the level was changed while the site ran, and the file says another", "runs", runs, "file", conf.Site.Level)
				conf, borne, err = loadBearing(s, func(file string) (config.Config, []config.Mistake) { return config.LoadAt(file, runs) })
				if err != nil {
					return err
				}
			}
			if err := analogue.Check(conf); err != nil {
				return err
			}
			s.warn(log, borne)
			if unused := config.Unused(s.file, conf); len(unused) > 0 {
				log.Info("not used at this level", "level", conf.Site.Level, "settings", strings.Join(unused, ", "))
			}
			takePrecedence(log)
			a, err := app.NewUnrooted(config.Prepare(s.file, conf), found, log)
			if err != nil {
				return err
			}
			a.KeepSecret(secretsOf(borne)...)
			return a.Run(c.Context())
		},
	}
	c.Flags().BoolVar(&found, "found", false, "")
	c.Flags().StringVar(&level, "log", "info", "")
	return c
}

func newCheck(s *settings) *cobra.Command {
	var calls bool
	c := &cobra.Command{
		Use: "check", Args: s.noArgs,
		Example: "  releve check -c main.toml\n  releve check -c main.toml --output json\n  releve check -c main.toml --calls",
		RunE: func(c *cobra.Command, _ []string) error {
			if calls {
				return s.checkCalls(c)
			}
			if err := s.named(); err != nil {
				return err
			}
			mistakes, warnings := mistakesOf(s.file), s.warned(endings(s.file, time.Now()))
			warnings = append(warnings, s.rootWarning(mistakes)...)
			if s.output == "json" {
				if err := printJSON(c, append(s.told(mistakes), warnings...)); err != nil {
					return err
				}
				if err := s.databaseFault(mistakes); err != nil {
					return err
				}
				return s.mistakes(mistakes)
			}
			if err := s.databaseFault(mistakes); err != nil {
				return err
			}
			if len(mistakes) == 0 {
				fmt.Fprintln(c.OutOrStdout(), s.say("check-ok", "file", s.file)+s.unused())
			}
			for _, w := range warnings {
				fmt.Fprintln(c.OutOrStdout(), s.say("check-warning", "what", w.text))
			}
			return s.mistakes(mistakes)
		},
	}
	c.Flags().BoolVar(&calls, "calls", false, "")
	return c
}

// checkCalls has the running site check its PBX by a call.
func (s *settings) checkCalls(c *cobra.Command) error {
	return s.follow(c, func(f *follower) error {
		server, err := s.server()
		if err != nil {
			return err
		}
		if err := server.CheckCalls(c.Context(), f.show); err != nil {
			return err
		}
		if text.Findings(f.last) > 0 {
			return s.complaint(codeDiffers, "calls-differ", "command", "releve check --calls -c "+s.file)
		}
		return nil
	})
}

// rootWarning is what would keep a server that root starts from giving root up.
func (s *settings) rootWarning(mistakes []config.Mistake) []toldMistake {
	if len(mistakes) > 0 || config.IsWitness(s.file) {
		return nil
	}
	conf, _ := config.Load(s.file)
	why := conf.Program().Check()
	if why == nil {
		return nil
	}
	text := words.Say(s.lang(), *why)
	return []toldMistake{{Mistake: config.Mistake{File: s.file, Why: *why}, What: text, Warning: true, text: text}}
}

// databaseFault is what would keep the database of a file without a mistake from starting.
func (s *settings) databaseFault(mistakes []config.Mistake) error {
	if len(mistakes) > 0 || config.IsWitness(s.file) {
		return nil
	}
	conf, _ := config.Load(s.file)
	if err := analogue.Check(conf); err != nil {
		return err
	}
	return app.CheckDatabase(conf)
}

// unused says what a file without a mistake holds that its level has no use for: not
// wrong, for both files of a site may look alike, but not to be relied on.
func (s *settings) unused() string {
	if config.IsWitness(s.file) {
		return ""
	}
	conf, _ := config.Load(s.file)
	names := config.Unused(s.file, conf)
	if len(names) == 0 {
		return ""
	}
	return " " + s.say("check-unused", "level", words.Level(s.lang(), conf.Site.Level), "seat", words.Seat(s.lang(), conf.Site.Seat),
		"names", strings.Join(names, ", "))
}

// mistakesOf reads a server's file, or a witness's.
func mistakesOf(file string) (mistakes []config.Mistake) {
	if config.IsWitness(file) {
		_, mistakes = config.LoadWitness(file)
	} else {
		_, mistakes = config.Load(file)
	}
	return mistakes
}

// load reads the configuration; its mistakes are one error, but for those with which a server
// runs.
func (s *settings) load() (config.Config, error) {
	conf, _, err := loadBearing(s, config.Load)
	return conf, err
}

// loadBearing reads a server's file, or a witness's, and tells the mistakes that are borne.
func loadBearing[C any](s *settings, load func(file string) (C, []config.Mistake)) (conf C, borne []config.Mistake, err error) {
	if err := s.named(); err != nil {
		return conf, nil, err
	}
	conf, mistakes := load(s.file)
	borne, mistakes = config.Borne(mistakes)
	return conf, borne, s.mistakes(mistakes)
}

// warn logs the mistakes with which a program goes on.
func (s *settings) warn(log *slog.Logger, borne []config.Mistake) {
	for _, m := range borne {
		log.Warn("the configuration has a mistake, and is used all the same", "err", s.line(m))
	}
}

// secretsOf are the files that the mistakes are about.
func secretsOf(borne []config.Mistake) (files []string) {
	for _, m := range borne {
		files = append(files, m.Why.Args["file"])
	}
	return files
}

func (s *settings) named() error {
	if s.file == "" {
		return s.complaint(codeUsage, "no-config")
	}
	return nil
}
