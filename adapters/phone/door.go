package phone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"releve"
)

const (
	// resolveEvery is how often names among the sources are looked up again, and
	// resolveFirst the first pause after one that could not be, which grows to that.
	resolveEvery = 5 * time.Minute
	resolveFirst = time.Second
	// doorQuiet is how long nobody strange must have knocked before it is said that it
	// is over.
	doorQuiet = 5 * time.Minute
	// doorLook is how often the count of strangers is looked at.
	doorLook = 2 * time.Second
)

// WatchDoor looks up the names among the sources of SIP, beside those that are addresses, and
// tells of strangers (SPEC K1), until ctx ends. A resolver that does not answer keeps what
// was known: no call waits for it.
func (p *Phone) WatchDoor(ctx context.Context, names []string, explain func(what releve.Sentence)) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), doorLook))
	defer look.Stop()
	var seen strangers
	known := make(map[string][]netip.Prefix)
	pause, next := resolveFirst, time.Now()
	for {
		if time.Now().After(next) {
			if p.resolve(ctx, names, known) {
				pause = resolveEvery
			} else {
				pause = min(2*pause, resolveEvery)
			}
			next = time.Now().Add(pause)
		}
		now := p.Strangers()
		if what := seen.judge(now.Dropped, now.Last, time.Now()); what != nil {
			explain(*what)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), doorLook))
		}
	}
}

// resolve looks every name up and puts what is known in force.
func (p *Phone) resolve(ctx context.Context, names []string, known map[string][]netip.Prefix) (all bool) {
	all, sources := true, slices.Clone(p.options.Sources)
	for _, name := range names {
		limit, cancel := context.WithTimeout(ctx, doorLook)
		found, err := net.DefaultResolver.LookupNetIP(limit, "ip", name)
		cancel()
		if err != nil {
			all = false
			p.log.Warn("a name in [pbx] sources has no address now: what was known of it stays", "name", name, "error", err)
		} else {
			known[name] = prefixes(found)
		}
		sources = append(sources, known[name]...)
	}
	p.SetSources(sources)
	return all
}

func prefixes(addresses []netip.Addr) []netip.Prefix {
	var all []netip.Prefix
	for _, a := range addresses {
		a = a.Unmap()
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}

// strangers is what the operator was told of them.
type strangers struct {
	count int64
	begun bool
	last  time.Time
}

// judge says when strangers begin to knock, and when they have stopped: in between
// there may be thousands.
func (k *strangers) judge(count int64, from netip.Addr, now time.Time) *releve.Sentence {
	more := count > k.count
	k.count = count
	switch {
	case more:
		k.last = now
		if k.begun {
			return nil
		}
		k.begun = true
		said := releve.Say("event-strangers", "address", from.String())
		return &said
	case k.begun && now.Sub(k.last) >= doorQuiet:
		k.begun = false
		said := releve.Say("event-no-strangers", "count", fmt.Sprint(count))
		return &said
	}
	return nil
}
