package services

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"releve"
	"releve/rules/study"
)

// backwards looks up the names of addresses, all at once: a name server that says nothing is waited for once.
func backwards(ctx context.Context, r *net.Resolver, hosts []string, seat releve.Seat) []releve.Measurement {
	taken := make([]releve.Measurement, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() { taken[i] = backward(ctx, r, host, seat) })
	}
	all.Wait()
	return taken
}

// backward is the name of a host's address, where that name leads back to the address (RFC 1912 §2.1).
func backward(ctx context.Context, r *net.Resolver, host string, seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: study.NameBack, Seat: seat, About: host, State: releve.Measured, Text: study.Nameless}
	ctx, done := context.WithTimeout(ctx, limit)
	defer done()
	for _, address := range addresses(ctx, r, host) {
		names, _ := r.LookupAddr(ctx, address.String()) // no answer is no name
		for _, name := range names {
			name = strings.TrimSuffix(name, ".")
			if slices.Contains(addresses(ctx, r, name), address) {
				return releve.Measurement{Check: study.NameBack, Seat: seat, About: host, State: releve.Measured, Text: name}
			}
			m.State, m.Text, m.Why = releve.Broken, "", releve.Say("study-name-back-other", "address", address.String(), "name", name)
		}
	}
	return m
}

// addresses are those of a host, which may be one itself.
func addresses(ctx context.Context, r *net.Resolver, host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	found, _ := r.LookupNetIP(ctx, "ip", host) // what a name means is another check's
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found
}
