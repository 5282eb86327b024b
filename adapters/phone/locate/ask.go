package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"releve"
)

const (
	patience = time.Second
	// aliasesMax is how many CNAMEs are followed. Who sends us round in a circle ends there.
	aliasesMax = 8
	// answerSize is what a name server may send in one datagram (RFC 9715 §3.1). Where there is more it is asked over TCP.
	answerSize = 1400
)

// Why a name server did not help.
var (
	errLooped = releve.Known("the name servers send from one name to the next without an end", "cause-dns-looped")
	errNobody = releve.Known("this machine has no name server", "cause-dns-none")
)

// ask has the records of one type that a name has, through its aliases. [ErrNone]: it has none.
func ask[T dns.RR](ctx context.Context, l *lookup, name string, kind uint16) ([]T, error) {
	name = dns.Fqdn(name)
	for range aliasesMax {
		answer, err := l.exchange(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		end, ttl := follow(answer, name)
		l.ttl = min(l.ttl, ttl)
		if records := of[T](l, answer, end); len(records) > 0 {
			return records, nil
		}
		if end == name {
			return nil, ErrNone
		}
		name = end // a server that left the rest to us
	}
	return nil, errLooped
}

// follow is the name that a chain of aliases in an answer ends with, and for how long the chain is good.
func follow(answer *dns.Msg, name string) (end string, ttl time.Duration) {
	ttl = longest
	for range aliasesMax {
		next := ""
		for _, rr := range answer.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
				next, ttl = alias.Target, min(ttl, seconds(alias))
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	return name, ttl
}

// of are the records of a type that a name has.
func of[T dns.RR](l *lookup, answer *dns.Msg, name string) (records []T) {
	for _, rr := range answer.Answer {
		if r, ok := rr.(T); ok && strings.EqualFold(rr.Header().Name, name) {
			records, l.ttl = append(records, r), min(l.ttl, seconds(rr))
		}
	}
	return records
}

func seconds(rr dns.RR) time.Duration { return time.Duration(rr.Header().Ttl) * time.Second }

// exchange asks the name servers, one after the other, until one says whether the name is there.
func (l *lookup) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := l.servers()
	if err != nil {
		return nil, err
	}
	question := new(dns.Msg).SetQuestion(name, kind)
	question.SetEdns0(answerSize, false)
	var failed error
	for _, server := range servers {
		answer, err := l.one(ctx, question, server)
		if err == nil {
			return answer, nil
		}
		failed = errors.Join(failed, fmt.Errorf("name server %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, releve.Explained(failed, failed.Error(), "cause-dns-away", "why", releve.Reason(failed))
}

// one asks one name server, and again over TCP where its answer was cut.
func (l *lookup) one(ctx context.Context, question *dns.Msg, server string) (*dns.Msg, error) {
	wait := l.Patience
	if wait == 0 {
		wait = patience
	}
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: wait}
		answer, _, err := client.ExchangeContext(ctx, question, server)
		switch {
		case err != nil:
			return nil, err
		case answer.Truncated && network == "udp":
			continue
		case answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError:
			return answer, nil
		}
		return nil, errors.New(dns.RcodeToString[answer.Rcode])
	}
	return nil, errors.New("its answer is cut over TCP too")
}

// servers are those to ask.
func (r *Resolver) servers() ([]string, error) {
	if r.Servers != nil {
		return r.Servers, nil
	}
	machine, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	if len(machine.Servers) == 0 {
		return nil, errNobody
	}
	var all []string
	for _, server := range machine.Servers {
		all = append(all, net.JoinHostPort(server, machine.Port))
	}
	return all, nil
}
