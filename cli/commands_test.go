package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"releve/config"
)

// exits CODE COMMAND…: the command ends with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// lay-out [OPTION…]: what `releve init` makes of a plain site, in $SITE.
func layOut(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("releve", append([]string{
		"init", "--dir", ts.Getenv("SITE"), "--name", "Hôpital Saint-Luc", "--pbx", ts.Getenv("PBX"), "--domain", domain,
		"--main-host", ts.Getenv("MAIN"), "--secondary-host", ts.Getenv("SECONDARY"), "--reception-number", number, "--networks", "127.0.0.0/8",
		"--reception-password", receptionPassword, "--standby-password", standbyPassword, "--operator", operator,
		"--main-data", fileIn(ts, "m"), "--secondary-data", fileIn(ts, "s"),
	}, args...)...))
}

// site-id NAME: the variable holds the id of the site in $SITE.
func siteID(ts *testscript.TestScript, _ bool, args []string) {
	conf, mistakes := config.Load(fileIn(ts, "main.toml"))
	if len(mistakes) > 0 {
		ts.Fatalf("%v", mistakes)
	}
	ts.Setenv(args[0], conf.Site.ID)
}

// licensed SEAT CHANNELS SERIAL…: that server holds these licences before long, and for what the
// site runs as many channels are licensed.
func (s *scene) licensed(args []string) error {
	return s.before(func(ctx context.Context) error {
		l, err := s.client(args[0]).Licences(ctx)
		if err != nil {
			return err
		}
		var serials []string
		for _, one := range l.All {
			serials = append(serials, one.Serial)
		}
		slices.Sort(serials)
		if fmt.Sprint(l.ForChannels) != args[1] || !slices.Equal(serials, args[2:]) {
			return fmt.Errorf("the %s holds %v, for %d channels", args[0], serials, l.ForChannels)
		}
		return nil
	})
}

// before waits until what look finds is no error any more.
func (s *scene) before(look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), protectLimit)
	defer cancel()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", protectLimit, err)
		}
	}
}

// now NAME: the variable holds the time, as --at wants it.
func now(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], time.Now().Format(time.RFC3339))
}

// replace FILE OLD NEW: an editor of configurations.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	text := ts.ReadFile(file)
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q:\n%s", file, args[1], text)
	}
	ts.Check(os.WriteFile(file, []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}
