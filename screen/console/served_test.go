package console_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"releve"
	"releve/screen/console"
	"releve/screen/view"
)

// broken is a site that cannot be looked at for a while.
type broken struct {
	*site
	is atomic.Bool
}

func (b *broken) View() view.Site {
	if b.is.Load() {
		panic("the site cannot be looked at")
	}
	return b.site.View()
}

// The page is as it answers itself: down once it failed twice in a row, and well again.
func TestThePageProvesThatItServes(t *testing.T) {
	b := &broken{site: newSite(t, "protected")}
	server := served(t, b, console.Options{})
	b.is.Store(true)
	told := make(chan releve.Tier, 100)
	ctx, stop := context.WithCancel(t.Context())
	var proving sync.WaitGroup
	proving.Go(func() { server.Prove(ctx, func(tier releve.Tier) { told <- tier }) })
	if tier := <-told; tier.State != releve.TierDown || tier.Why.Code != "tier-page-down" || tier.Why.Args["why"] == "" {
		t.Errorf("a page that fails says %+v", tier)
	}
	b.is.Store(false)
	for tier := range told {
		if tier.State == releve.TierWell {
			break
		}
	}
	stop()
	proving.Wait()
}
