package app

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"time"

	"releve"

	"releve/config"
	"releve/screen/console"
	"releve/screen/view"
	"releve/server/agent"
)

// Socket is where the command line finds the server of a configuration.
func Socket(c config.Config) string { return filepath.Join(c.Site.Data, "control.sock") }

// faces is the site as the console needs it.
type faces struct{ *App }

// Procedure runs a guided procedure. A word that is not the other server's ends it before it
// begins.
func (f faces) Procedure(ctx context.Context, w console.Wish, emit func(view.Procedure)) error {
	wish := agent.Wish{Name: w.Name, DryRun: w.DryRun, OtherIsOff: w.OtherIsOff}
	if w.Abdication != nil {
		var why *releve.Sentence
		if wish.Carried, why = f.believe(*w.Abdication); why != nil {
			now := time.Now().UTC()
			emit(view.Procedure{ID: rand.Text()[:8], Name: w.Name, DryRun: w.DryRun, Started: now, Finished: now, Failed: why})
			return releve.ErrForbidden
		}
	}
	return f.agent.Wish(ctx, wish, emit)
}

func (a *App) openFaces() (err error) {
	a.console, err = console.New(console.Options{
		Site: faces{a}, Salvage: faces{a}, Mirror: faces{a}, Telephone: faces{a}, Listen: a.config.Console.Listen, Names: a.config.Console.Names, OtherConsole: a.config.Console.Other, Socket: Socket(a.config), Log: a.log,
	})
	if err != nil {
		return missing(err)
	}
	a.closers = append(a.closers, a.console.Close)
	return nil
}
