package app

import (
	"context"

	"releve/screen/view"
)

// Watch is the site after each change.
func (a *App) Watch(ctx context.Context) <-chan view.Site { return a.agent.Watch(ctx) }
