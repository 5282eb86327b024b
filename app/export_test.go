package app

import (
	"context"

	"releve/screen/view"
)

// View is the site now.
func (a *App) View() view.Site { return a.agent.View() }

// Watch is the site after each change.
func (a *App) Watch(ctx context.Context) <-chan view.Site { return a.agent.Watch(ctx) }
