package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"releve/cli"
)

// TestMain lets this binary stand for the product: as `releve` it is the command.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"releve": func() { os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestManual runs the scripts of testdata: they are the manual of the command line
// as much as its test. Each has loopback addresses of its own, $PBX, $MAIN,
// $SECONDARY and $WITNESS, and a short directory that PostgreSQL's account may enter, $SITE.
func TestManual(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               func(e *testscript.Env) error { return setScene(t, e) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"lay-out":   layOut,
			"pbx":       onScene((*scene).openPBX),
			"gateway":   onScene((*scene).openGateway),
			"feed":      onScene((*scene).feed),
			"fed":       onScene((*scene).fed),
			"serve":     onScene((*scene).serve),
			"shut-down": onScene((*scene).stopServer),
			"crash":     onScene((*scene).crash),
			"on-duty":   onScene((*scene).onDuty),
			"up":        onScene((*scene).up),
			"wipe":      onScene((*scene).wipe),
			"protected": onScene((*scene).protected),
			"ready":     onScene((*scene).ready),
			"alarm":     onScene((*scene).alarm),
			"account":   onScene((*scene).account),
			"diary":     onScene((*scene).diary),
			"login":     onScene((*scene).login),
			"orders":    onScene((*scene).orders),
			"call":      onScene((*scene).call),
			"taken":     onScene((*scene).take),
			"meanwhile": onScene((*scene).meanwhile),
			"now":       now,
			"remember":  onScene((*scene).remember),
			"untouched": onScene((*scene).untouched),
			"spoil-row": onScene((*scene).spoilRow),
			"replace":   replace,
			"site-id":   siteID,
			"licensed":  onScene((*scene).licensed),

			"ends-in":     endsIn,
			"one-for-all": onScene((*scene).oneForAll),
			"rekeyed":     onScene((*scene).rekeyed),
			"goes-on":     onScene((*scene).goesOn),
			"witness-up":  witnessUp,
			"claim":       claim,
		},
	})
}

// sceneKey finds the scene of a script.
type sceneKey struct{}

// setScene gives a script its place, which is cleared away whatever happens.
func setScene(t *testing.T, e *testscript.Env) error {
	street, err := freeStreet()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/tmp", "rlv-") // short: it will hold PostgreSQL's socket
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs under another account
		return err
	}
	s := &scene{t: t, dir: dir, street: street, servers: map[string]*server{}, trees: map[string]string{}}
	e.Values[sceneKey{}] = s
	e.Defer(s.clear)
	for name, value := range map[string]string{
		"SITE": dir, "PBX": street.house(pbxHouse).String() + ":5060", "MAIN": street.house(mainHouse).String(),
		"SECONDARY": street.house(secondaryHouse).String(), "WITNESS": street.house(witnessHouse).String() + ":7444", "LC_ALL": "C.UTF-8", "TZ": "Europe/Paris",
	} {
		e.Setenv(name, value)
	}
	return nil
}

// onScene is a command of the scripts that acts on their scene.
func onScene(act func(*scene, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for i, arg := range args {
			if len(arg) > 1 && arg[0] == '.' {
				args[i] = ts.MkAbs(arg)
			}
		}
		ts.Check(act(ts.Value(sceneKey{}).(*scene), args))
	}
}

func fileIn(ts *testscript.TestScript, name string) string {
	return filepath.Join(ts.Getenv("SITE"), name)
}
