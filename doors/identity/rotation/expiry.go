package rotation

import (
	"context"
	"maps"
	"releve"
	"slices"
	"time"

	"releve/doors/identity"
)

// Lasting are the certificates that a server has now.
func Lasting(f identity.Files) ([]identity.Lasting, error) {
	var all []identity.Lasting
	for _, file := range []string{f.Authority, f.Certificate, f.Other} {
		held, err := identity.Look(file)
		if err != nil {
			return nil, err
		}
		all = append(all, held...)
	}
	return all, nil
}

// FirstEnd tells when the first of the certificates ends that a server has now.
func FirstEnd(f identity.Files) func() (time.Time, error) {
	return func() (first time.Time, err error) {
		held, err := Lasting(f)
		for _, l := range held {
			if first.IsZero() || l.Until.Before(first) {
				first = l.Until
			}
		}
		return first, err
	}
}

// WatchExpiry tells once a day, until ctx ends, of what ends before long in the files.
func WatchExpiry(ctx context.Context, f identity.Files, explain func(what releve.Sentence)) {
	noticeCertificates(ctx, func() ([]identity.Lasting, error) { return Lasting(f) }, explain)
}

const (
	// repeatCertificates is how often the end of a certificate is said again.
	repeatCertificates = 24 * time.Hour
	// lookAtCertificates is how often it is looked whether there are others.
	lookAtCertificates = time.Hour
)

// noticeCertificates says once a day that a certificate will expire before long, or has:
// the one that ends first, for what is to be done is the same for all; or that one of them is
// good for everything.
func noticeCertificates(ctx context.Context, look func() ([]identity.Lasting, error), explain func(what releve.Sentence)) {
	hourly := time.NewTicker(lookAtCertificates)
	defer hourly.Stop()
	var told releve.Sentence
	var at time.Time
	for {
		now := time.Now()
		held, _ := look() // what cannot be read was said where it is used
		slices.SortFunc(held, func(a, b identity.Lasting) int { return a.Until.Compare(b.Until) })
		if i := slices.IndexFunc(held, func(l identity.Lasting) bool { return l.Ending(now) != nil }); i < 0 && told.Code != "" {
			explain(releve.Say("event-over", "why", releve.Inside(told)))
			told, at = releve.Sentence{}, time.Time{}
		} else if i >= 0 && now.Sub(at) >= repeatCertificates {
			why := held[i].Ending(now).Why
			what := releve.Say("event-certificate", "fault", why.Code)
			maps.Copy(what.Args, why.Args)
			explain(what)
			told, at = what, now
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
		}
	}
}
