package phone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
)

// maxRedirects is how often one call is sent elsewhere before it is given up: PBXs forward in circles.
const maxRedirects = 5

// reach places the call, and again where it is redirected to, and returns the answer.
func (c *outward) reach(ctx context.Context) (*sip.Response, error) {
	tried := []string{c.Number}
	for seq := uint32(1); ; {
		req, err := c.invite(tried[len(tried)-1], seq)
		if err != nil {
			return nil, err
		}
		res, err := c.phone.place(ctx, c.phone.registrar.Credentials(c.As), req, c.rings)
		status, refused := errors.AsType[*register.StatusError](err)
		if !refused || res == nil || !redirects(status.Code) {
			return res, err
		}
		next, ok := c.elsewhere(res, tried)
		if !ok || len(tried) > maxRedirects {
			return nil, fmt.Errorf("%w: %w", err, ErrOutsidePlan)
		}
		tried, seq = append(tried, next), res.CSeq().SeqNo+1
	}
}

// redirects says whether a code sends a call to other numbers (RFC 3261 §21.3). 305 and 380 would send it past
// the PBX, or to something that is no call.
func redirects(code int) bool { return code >= 300 && code <= 302 }

// elsewhere is the number that a redirection prefers, of those of the plan at the PBX that were not tried for
// this call (RFC 3261 §8.1.3.4). Of what is left out nobody is asked: it may be an outside line.
func (c *outward) elsewhere(res *sip.Response, tried []string) (number string, ok bool) {
	contacts := sip.Contacts(res)
	slices.SortStableFunc(contacts, func(a, b sip.Address) int { return preference(b) - preference(a) })
	for _, to := range contacts {
		number := Bare(sip.User(to.URI))
		if c.phone.atPBX(to.URI) && c.Plan.Holds(number) && !slices.Contains(tried, number) {
			return number, true
		}
	}
	return "", false
}

// atPBX says whether a URI is of the PBX: the domain of the users, or its address.
func (p *Phone) atPBX(u sip.URI) bool {
	domain, err := sip.ParseURI("sip:" + p.options.Domain)
	return strings.EqualFold(u.Host, p.pbx().Addr().String()) || err == nil && strings.EqualFold(u.Host, domain.Host)
}

// preference is the q of a contact in thousandths, 1000 where it has none (RFC 3261 §20.10).
func preference(a sip.Address) int {
	q, err := strconv.ParseFloat(a.Params["q"], 64)
	if err != nil {
		return 1000
	}
	return int(min(max(q, 0), 1) * 1000)
}
