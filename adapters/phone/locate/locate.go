// Package locate finds the PBX behind a name (RFC 3263): by NAPTR and SRV which hosts speak SIP the way that this server does, in
// which order they are to be tried, and at which addresses they are. It asks the name servers of the machine itself, for the
// standard library reads no NAPTR and says of no answer how long it is good.
package locate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"releve"
)

const (
	// shortest and longest an answer is good, whatever it says: one of zero would have every question asked twice, and one of a
	// week would outlive a PBX that moved.
	shortest = 5 * time.Second
	longest  = time.Hour
	// targetsMax, hostsMax and addressesMax bound what an answer may bring: nobody has as many PBXs.
	targetsMax, hostsMax, addressesMax = 16, 8, 4
)

// ErrNone: the name servers know the name, or say that there is none, and no address follows from that.
var ErrNone = releve.Known("no address of the PBX follows from that name", "cause-pbx-no-address")

// Where is who is looked for.
type Where struct {
	Name      string
	Port      uint16 // 0: as SRV says, or SIP's own
	Transport string // udp, tcp, tls: that of the configuration, which NAPTR does not overrule (RFC 3263 §4.1)
	IPv6      bool   // the family of this server's own address
}

// Answer is where the PBX is, the first to be tried first.
type Answer struct {
	Targets []netip.AddrPort
	TTL     time.Duration // for so long it is good
}

// Resolver asks name servers.
type Resolver struct {
	// Servers are those that are asked, one after the other, host:port each. Nil: those of the machine, read each time.
	Servers []string
	// Patience is how long one of them may take. 0: one second.
	Patience time.Duration
}

// service is what the transport is called in DNS (RFC 3263 §4.1, §4.2).
type service struct {
	naptr, srv string
	port       uint16
}

var services = map[string]service{
	"udp": {"SIP+D2U", "_sip._udp.", 5060}, "tcp": {"SIP+D2T", "_sip._tcp.", 5060}, "tls": {"SIPS+D2T", "_sips._tcp.", 5061},
}

// Locate finds the PBX. Where nothing is found the error says whether that is what the name servers say, [ErrNone], or they did not.
func (r *Resolver) Locate(ctx context.Context, w Where) (Answer, error) {
	s, known := services[w.Transport]
	if !known {
		return Answer{}, fmt.Errorf("no SIP over %q", w.Transport)
	}
	look := lookup{Resolver: r, where: w, ttl: longest}
	hosts := []host{{w.Name, w.Port}}
	if w.Port == 0 {
		var err error
		if hosts, err = look.hosts(ctx, s); err != nil {
			return Answer{}, err
		}
	}
	return look.addresses(ctx, hosts)
}

// host is a name that SRV gave, and the port on which it is spoken to.
type host struct {
	name string
	port uint16
}

// lookup is one search.
type lookup struct {
	*Resolver
	where Where
	ttl   time.Duration // of the shortest answer so far
}

// hosts are those that speak the transport, in their order; the name itself where nothing says more (RFC 3263 §4.2).
func (l *lookup) hosts(ctx context.Context, s service) ([]host, error) {
	names, err := l.replacements(ctx, s)
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	if len(names) == 0 {
		names = []string{s.srv + l.where.Name}
	}
	var all []host
	for _, name := range names {
		found, err := l.services(ctx, name)
		if err != nil && !errors.Is(err, ErrNone) {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		all = []host{{l.where.Name, s.port}}
	}
	return all[:min(len(all), hostsMax)], nil
}

// replacements are the names of SRV records to which NAPTR sends who speaks the transport (RFC 3263 §4.1, RFC 3403 §4.1).
func (l *lookup) replacements(ctx context.Context, s service) (names []string, err error) {
	records, err := ask[*dns.NAPTR](ctx, l, l.where.Name, dns.TypeNAPTR)
	slices.SortStableFunc(records, func(a, b *dns.NAPTR) int {
		if a.Order != b.Order {
			return int(a.Order) - int(b.Order)
		}
		return int(a.Preference) - int(b.Preference)
	})
	for _, n := range records {
		if strings.EqualFold(n.Service, s.naptr) && strings.EqualFold(n.Flags, "s") && n.Regexp == "" {
			names = append(names, n.Replacement)
		}
	}
	return names[:min(len(names), hostsMax)], err
}

// services are the hosts of SRV records. One whose only target is the root says that there is none (RFC 2782).
func (l *lookup) services(ctx context.Context, name string) (hosts []host, err error) {
	records, err := ask[*dns.SRV](ctx, l, name, dns.TypeSRV)
	for _, srv := range ordered(records) {
		if srv.Target != "." {
			hosts = append(hosts, host{srv.Target, srv.Port})
		}
	}
	return hosts, err
}

// ordered puts SRV records into the order in which they are to be tried: by priority, and among equals by lot, in which each
// has as many tickets as its weight (RFC 2782).
func ordered(records []*dns.SRV) (all []*dns.SRV) {
	left := slices.Clone(records)
	slices.SortStableFunc(left, func(a, b *dns.SRV) int { return int(a.Priority) - int(b.Priority) })
	for len(left) > 0 {
		equals := 1
		for equals < len(left) && left[equals].Priority == left[0].Priority {
			equals++
		}
		i := drawn(left[:equals])
		all, left = append(all, left[i]), slices.Delete(left, i, i+1)
	}
	return all
}

func drawn(equals []*dns.SRV) int {
	tickets := 0
	for _, srv := range equals {
		tickets += int(srv.Weight)
	}
	if tickets == 0 {
		return rand.IntN(len(equals))
	}
	ticket := rand.IntN(tickets)
	for i, srv := range equals {
		if ticket -= int(srv.Weight); ticket < 0 {
			return i
		}
	}
	return 0
}

// addresses are those of the hosts. One that has none is passed over.
func (l *lookup) addresses(ctx context.Context, hosts []host) (Answer, error) {
	var all []netip.AddrPort
	failed := error(ErrNone)
	for _, h := range hosts {
		found, err := l.host(ctx, h.name)
		if err != nil {
			failed = err
		}
		for _, a := range found[:min(len(found), addressesMax)] {
			if at := netip.AddrPortFrom(a, h.port); !slices.Contains(all, at) {
				all = append(all, at)
			}
		}
	}
	if len(all) == 0 {
		return Answer{}, failed
	}
	return Answer{Targets: all[:min(len(all), targetsMax)], TTL: max(l.ttl, shortest)}, nil
}

// host are the addresses of one, of this server's family.
func (l *lookup) host(ctx context.Context, name string) (found []netip.Addr, err error) {
	if l.where.IPv6 {
		records, wrong := ask[*dns.AAAA](ctx, l, name, dns.TypeAAAA)
		for _, a := range records {
			found = appendAddr(found, a.AAAA)
		}
		err = wrong
	} else {
		records, wrong := ask[*dns.A](ctx, l, name, dns.TypeA)
		for _, a := range records {
			found = appendAddr(found, a.A)
		}
		err = wrong
	}
	if len(found) == 0 && l.Servers == nil {
		if own := l.written(ctx, name); len(own) > 0 {
			return own, nil
		}
	}
	return found, err
}

// written are the addresses of a name that the machine knows by itself (/etc/hosts).
func (l *lookup) written(ctx context.Context, name string) (found []netip.Addr) {
	network := map[bool]string{false: "ip4", true: "ip6"}[l.where.IPv6]
	limit, done := context.WithTimeout(ctx, patience)
	defer done()
	all, err := net.DefaultResolver.LookupNetIP(limit, network, name)
	if err != nil {
		return nil
	}
	l.ttl = min(l.ttl, time.Minute)
	for _, a := range all {
		found = append(found, a.Unmap())
	}
	return found
}

func appendAddr(all []netip.Addr, ip net.IP) []netip.Addr {
	if a, ok := netip.AddrFromSlice(ip); ok && !a.Unmap().IsUnspecified() && !a.IsMulticast() {
		return append(all, a.Unmap())
	}
	return all
}
