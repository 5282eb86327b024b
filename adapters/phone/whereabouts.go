package phone

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/adapters/phone/locate"
)

const (
	// findLimit is how long one search for the PBX may take, findFirst the first pause after one in vain, which grows to
	// findMost.
	findLimit = 5 * time.Second
	findFirst = time.Second
	findMost  = time.Minute
)

// ErrNowhere: the PBX is known by a name that has had no address yet.
var ErrNowhere = releve.Known("the name of the PBX has had no address yet", "cause-pbx-nowhere")

// whereabouts is where the PBX is: at the address of the configuration, or at one of those that its name was last found to
// stand for. One that answers is kept as long as the name stands for it.
type whereabouts struct {
	name string // "": it is known by its address

	mu      sync.Mutex
	targets []netip.AddrPort // in the order of RFC 3263; none: nothing was found yet
	current int
}

func newWhereabouts(o Options) *whereabouts {
	if o.PBXName != "" {
		return &whereabouts{name: o.PBXName}
	}
	return &whereabouts{targets: []netip.AddrPort{o.PBX}}
}

// pbx is the one that is spoken to; not valid: it is nowhere yet.
func (w *whereabouts) pbx() netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.targets) == 0 {
		return netip.AddrPort{}
	}
	return w.targets[w.current]
}

// all are every address of the PBX.
func (w *whereabouts) all() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.targets)
}

// is says whether an address is one of the PBX's.
func (w *whereabouts) is(a netip.Addr) bool {
	return slices.ContainsFunc(w.all(), func(t netip.AddrPort) bool { return t.Addr().Unmap() == a.Unmap() })
}

// several says whether two servers may speak to different ones.
func (w *whereabouts) several() bool { return len(w.all()) > 1 }

// learn takes in what the name stands for now, and says whether somebody else is to be spoken to.
func (w *whereabouts) learn(targets []netip.AddrPort) (moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var was netip.AddrPort
	if len(w.targets) > 0 {
		was = w.targets[w.current]
	}
	w.targets, w.current = targets, max(0, slices.Index(targets, was))
	return was.IsValid() && targets[w.current] != was
}

// next turns to the one behind one that does not answer, unless that was done already, and says whether there is another.
func (w *whereabouts) next(silent netip.AddrPort) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.targets) < 2 || w.targets[w.current] != silent {
		return false
	}
	w.current = (w.current + 1) % len(w.targets)
	return true
}

// where is what is asked of the name servers.
func (o Options) where() locate.Where {
	w := locate.Where{Name: o.PBXName, Transport: string(o.Transport), IPv6: o.Listen.Addr().Is6()}
	if w.Transport == "" {
		w.Transport = "udp"
	}
	if host, port, err := net.SplitHostPort(o.PBXName); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16) // the configuration was checked
		w.Name, w.Port = host, uint16(n)
	}
	return w
}

// findPBX looks the PBX's name up as long as ctx lasts, each time when the answer is good no more. What was known stays while
// the name servers say nothing: no call waits for them.
func (p *Phone) findPBX(ctx context.Context) {
	if p.whereabouts.name == "" {
		return
	}
	pause, away := findFirst, false
	for {
		wait := pause
		answer, err := p.find(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait, pause = answer.TTL, findFirst
			p.found(answer.Targets)
			if away {
				p.options.Explain(releve.Say("event-pbx-name-known", "name", p.whereabouts.name, "address", p.pbx().String()))
			}
			away = false
		default:
			pause = min(2*pause, findMost)
			p.log.Warn("the name of the PBX has no address now: what was known of it stays", "name", p.whereabouts.name, "error", err, "next", wait)
			if !away {
				p.options.Explain(releve.Say("event-pbx-name-unknown", "name", p.whereabouts.name, "cause", releve.Reason(err)))
			}
			away = true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (p *Phone) find(ctx context.Context) (locate.Answer, error) {
	limit, done := context.WithTimeout(ctx, findLimit)
	defer done()
	return p.options.Resolver.Locate(limit, p.options.where())
}

// found has SIP taken from where the PBX is, and turns to it.
func (p *Phone) found(targets []netip.AddrPort) {
	first := !p.pbx().IsValid()
	moved := p.whereabouts.learn(targets)
	p.resetSources()
	if first || moved {
		p.turned()
	}
}

// silent has the next address of the PBX spoken to, where there is one, instead of one that does not answer (RFC 3263 §4.3).
func (p *Phone) silent(at netip.AddrPort) {
	if p.whereabouts.next(at) {
		p.turned()
	}
}

// turned has the users bound where the PBX is now.
func (p *Phone) turned() {
	p.log.Info("the PBX is spoken to at another address", "name", p.whereabouts.name, "address", p.pbx())
	p.endpoint.Turn(p.pbx())
	p.moved()
	p.back()
}

// pbx is where the PBX is spoken to.
func (p *Phone) pbx() netip.AddrPort { return p.whereabouts.pbx() }
