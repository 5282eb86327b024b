package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"releve"
)

// How the page is proven.
const (
	proofPeriod = 10 * time.Second
	proofAgain  = time.Second // after one that failed
	proofLimit  = 2 * time.Second
	proofsVain  = 2 // in a row, and the tier is down: a busy machine answers late
)

// Prove asks this server's page for its drawing as a reader does, over the network and
// through the door, until ctx ends, and tells each time how the page is. A listener that
// stands proves nothing: it stands before a server that hangs, and before a door that is full.
func (s *Server) Prove(ctx context.Context, tell func(releve.Tier)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := s.ask(ctx, "/drawing.svg")
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failed = 0
			tell(releve.Tier{State: releve.TierWell})
			timer.Reset(proofPeriod)
			continue
		}
		if failed++; failed >= proofsVain {
			tell(releve.Tier{State: releve.TierDown, Why: releve.Say("tier-page-down", "why", releve.Reason(err))})
		}
		timer.Reset(proofAgain)
	}
}

// ask makes a request to this server, on a connection of its own: none that is kept would
// prove the door.
func (s *Server) ask(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address()+path, nil)
	if err != nil {
		return err
	}
	once := &http.Transport{DisableKeepAlives: true}
	answer, err := once.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}
