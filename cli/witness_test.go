package cli_test

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"releve"
	"releve/adapters/witness"
	"releve/config"
	"releve/rules/takeover"
)

// witnessHouse is where the witness of a street lives.
const witnessHouse = 30

// witness-up DIR: waits until the witness of the site in that directory answers.
func witnessUp(ts *testscript.TestScript, _ bool, args []string) {
	askWitness(ts, filepath.Join(args[0], "main.toml"), func(ctx context.Context, c *witness.Client) error {
		for {
			_, err := c.Status(ctx)
			if err == nil || ctx.Err() != nil {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
}

// claim SEAT seed|hand-over|alone: that server changes the register so.
func claim(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: claim SEAT seed|hand-over|alone")
	}
	askWitness(ts, fileIn(ts, args[0]+".toml"), func(ctx context.Context, c *witness.Client) error {
		was, err := c.Read(ctx)
		if err != nil {
			return err
		}
		want := was
		want.Owner, want.Alone = releve.Seat(args[0]), args[1] != "hand-over"
		switch args[1] {
		case "seed":
			want.Incarnation, want.Term = was.Incarnation+1, 1
		case "hand-over":
			want.Number = was.Number + 1
			want.Candidate = takeover.Candidate{DataID: "COPY", Timeline: 1, Position: 0x3000148}
		}
		_, err = c.Claim(ctx, takeover.Claim{Was: was.Version, Inc: was.Incarnation, Want: want})
		return err
	})
}

// askWitness asks as the server of a configuration.
func askWitness(ts *testscript.TestScript, file string, ask func(context.Context, *witness.Client) error) {
	conf, mistakes := config.Load(file)
	if len(mistakes) > 0 {
		ts.Check(fmt.Errorf("%v", mistakes))
	}
	at, from := conf.Witness.At()
	c, err := witness.NewClient(witness.Options{
		Address: at, From: from, Site: conf.Site.ID, CA: conf.Peer.CA, Cert: conf.Peer.Certificate, Key: conf.Peer.Key,
	})
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ts.Check(ask(ctx, c))
}
