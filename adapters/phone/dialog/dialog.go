// Package dialog is the state of a SIP call once it is answered (RFC 3261 §12), as a
// value: it can be written down before the 200 leaves, and another server can take
// the call up from what was written (SPEC H11).
//
// It has no lock, no socket and no timer; who owns the call owns its State.
package dialog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"releve"
	"slices"
	"strings"

	"releve/adapters/phone/sip"
)

// ErrOrder is returned for a request whose CSeq is not above the last one
// (RFC 3261 §12.2.2): to be answered with 500.
var ErrOrder = errors.New("the request comes out of order")

// ID tells a dialog from all others (RFC 3261 §12).
type ID struct{ CallID, LocalTag, RemoteTag string }

// State is all that is needed to go on with a call, here or on another server.
type State struct {
	CallID       string         `json:"call_id"`
	LocalTag     string         `json:"local_tag"`
	RemoteTag    string         `json:"remote_tag"`
	Local        string         `json:"local"`         // our From value, without tag
	Remote       string         `json:"remote"`        // our To value, without tag
	LocalTarget  string         `json:"local_target"`  // our Contact's URI
	RemoteTarget string         `json:"remote_target"` // the other side's Contact's URI
	Routes       []string       `json:"routes,omitempty"`
	LocalSeq     uint32         `json:"local_seq"`  // of the last request sent
	RemoteSeq    uint32         `json:"remote_seq"` // of the last request received
	Transport    string         `json:"transport"`
	Source       netip.AddrPort `json:"source"` // where the other side's requests come from
	LocalSDP     string         `json:"local_sdp"`
	RemoteSDP    string         `json:"remote_sdp"`
	Session      uint64         `json:"session"`          // of our o= line; constant
	Version      uint64         `json:"version"`          // of our o= line; rises with each new description
	Placed       bool           `json:"placed,omitempty"` // by our INVITE: the Call-ID is ours
	Refer        uint32         `json:"refer,omitempty"`  // CSeq of our REFER whose end is not known yet (RFC 3515); 0: none
	Joined       *State         `json:"joined,omitempty"` // the call to whom the caller was put through here; nil: none
}

// ID is the dialog's identity.
func (s State) ID() ID { return ID{s.CallID, s.LocalTag, s.RemoteTag} }

// Of is the identity of the dialog that a received request belongs to.
func Of(req *sip.Request) ID {
	return ID{req.CallID().Value(), sip.ToTag(req), sip.FromTag(req)}
}

// Answered is the dialog that a 2xx to this INVITE makes (RFC 3261 §12.1.1). The
// request must bear our tag already.
func Answered(invite *sip.Request, contact string, source netip.AddrPort) (State, error) {
	target := sip.FromAddress(invite).Text // of a caller from the days of RFC 2543
	switch remote := sip.Contacts(invite); len(remote) {
	case 0:
	case 1:
		target = remote[0].Text
	default:
		return State{}, fmt.Errorf("an INVITE names one Contact, this one %d: who is to be called back?", len(remote))
	}
	s := State{
		CallID:       invite.CallID().Value(),
		LocalTag:     sip.ToTag(invite),
		RemoteTag:    sip.FromTag(invite),
		Local:        withoutTag(sip.Value(invite, "To")),
		Remote:       withoutTag(sip.Value(invite, "From")),
		LocalTarget:  contact,
		RemoteTarget: target,
		Routes:       sip.Values(invite, "Record-Route"),
		RemoteSeq:    invite.CSeq().SeqNo,
		Transport:    "UDP",
		Source:       source,
	}
	// What cannot be written again as it came is refused now, and not when the call is to
	// be hung up.
	_, err := s.request("BYE", 0)
	return s, err
}

// Placed is the dialog that a 2xx to our INVITE makes (RFC 3261 §12.1.2): the route
// set is the Record-Route of the response, backwards.
func Placed(res *sip.Response, contact string, source netip.AddrPort) (State, error) {
	remote := sip.Contacts(res)
	if len(remote) == 0 {
		return State{}, releve.Known("the answer to our INVITE has no Contact: it cannot be acknowledged", "cause-no-contact")
	}
	routes := sip.Values(res, "Record-Route")
	slices.Reverse(routes)
	return State{
		CallID:       res.CallID().Value(),
		LocalTag:     sip.FromTag(res),
		RemoteTag:    sip.ToTag(res),
		Local:        withoutTag(sip.Value(res, "From")),
		Remote:       withoutTag(sip.Value(res, "To")),
		LocalTarget:  contact,
		RemoteTarget: remote[0].Text,
		Routes:       routes,
		LocalSeq:     res.CSeq().SeqNo,
		Transport:    "UDP",
		Source:       source,
		Placed:       true,
	}, nil
}

// leap is how far above what was written down of a call another server goes on with its CSeq: the
// last requests of the one before may not have been written any more.
const leap = 100

// Written is the dialog as it is written down.
func (s State) Written() []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("plain values cannot be written as JSON: " + err.Error())
	}
	return raw
}

// Read is a dialog that was written down. What could not be gone on with is refused now, and not when a
// request is to be made of it.
func Read(raw []byte) (State, error) {
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return State{}, fmt.Errorf("what was written down of a call: %w", err)
	}
	if s.Joined != nil {
		if err := s.Joined.usable(); err != nil || s.Joined.Joined != nil {
			s.Joined = nil // whoever is there hangs up
		}
	}
	return s, s.usable()
}

// usable says why a dialog that was written down cannot be gone on with.
func (s State) usable() error {
	if s.CallID == "" || s.LocalTag == "" || s.Session == 0 {
		return errors.New("what was written down of a call does not name its dialog and session")
	}
	if s.LocalSeq > maxSeq-leap {
		return fmt.Errorf("a CSeq of %d leaves no higher ones (RFC 3261 §8.1.1.5)", s.LocalSeq)
	}
	if _, err := sip.ParseURI(s.LocalTarget); err != nil {
		return err
	}
	_, err := s.request("BYE", s.LocalSeq)
	return err
}

// maxSeq is the highest CSeq (RFC 3261 §8.1.1.5).
const maxSeq = 1<<31 - 1

// Elsewhere is the dialog as another of our telephones goes on with it, at a Contact of its own.
func (s State) Elsewhere(contact string) State {
	s.LocalTarget, s.LocalSeq, s.Joined = contact, s.LocalSeq+leap, nil
	return s
}

// Agreed takes note of the 2xx to a re-INVITE of ours: its CSeq, and the target that it names (RFC
// 3261 §12.2.1.2).
func (s *State) Agreed(res *sip.Response) {
	s.LocalSeq = max(s.LocalSeq, res.CSeq().SeqNo)
	s.refresh(sip.Contacts(res))
}

// refresh takes a new target, where there is one that can be called back.
func (s *State) refresh(contacts []sip.Address) {
	if len(contacts) == 1 && exact(contacts[0].Text) == nil {
		s.RemoteTarget = contacts[0].Text
	}
}

// Reinvite takes over what a re-INVITE says of the dialog: its CSeq, where it came
// from and the new remote target (RFC 3261 §12.2.2).
func (s *State) Reinvite(req *sip.Request, source netip.AddrPort) error {
	if req.CSeq().SeqNo <= s.RemoteSeq {
		return ErrOrder
	}
	s.RemoteSeq, s.Source = req.CSeq().SeqNo, source
	s.refresh(sip.Contacts(req))
	return nil
}

// Note takes note of any other request inside the dialog. It may have been overtaken:
// each datagram goes its own way, and a report or a BYE is good in any order.
func (s *State) Note(req *sip.Request, source netip.AddrPort) {
	if seq := req.CSeq().SeqNo; seq > s.RemoteSeq {
		s.RemoteSeq, s.Source = seq, source
	}
}

// Next takes the next CSeq number for a request of ours.
func (s *State) Next() uint32 {
	s.LocalSeq++
	return s.LocalSeq
}

// Request builds the next request inside the dialog (RFC 3261 §12.2.1.1).
func (s *State) Request(method string) (*sip.Request, error) {
	return s.request(method, s.Next())
}

// Ack builds the ACK for the 2xx to our INVITE of that CSeq (RFC 3261 §13.2.2.4).
func (s *State) Ack(seq uint32) (*sip.Request, error) { return s.request("ACK", seq) }

func (s *State) request(method string, seq uint32) (*sip.Request, error) {
	if err := exact(s.RemoteTarget); err != nil {
		return nil, err
	}
	target, err := sip.ParseURI(s.RemoteTarget)
	if err != nil {
		return nil, err
	}
	routes, hop := s.Routes, target
	if len(routes) > 0 {
		first, err := sip.ParseAddress(routes[0])
		if err != nil {
			return nil, fmt.Errorf("route set: %w", err)
		}
		hop = first.URI
		if _, loose := sip.URIParam(first.URI, "lr"); !loose {
			// A strict router wants to be the Request-URI, and the target last.
			routes = append(append([]string{}, routes[1:]...), "<"+s.RemoteTarget+">")
			target = first.URI
		}
	}
	req, err := sip.NewRequest(method, target, s.Local, s.LocalTag, s.Remote, s.RemoteTag, s.CallID, seq)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		sip.AddRoute(req, r)
	}
	sip.Set(req, "Contact", "<"+s.LocalTarget+">")
	req.SetDestination(s.destination(hop).String())
	return req, nil
}

// destination is where the next hop is. A hop given by name goes where the other
// side's requests came from: a resolver that hangs at night must not hang a call.
func (s *State) destination(hop sip.URI) netip.AddrPort {
	addr, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	if err != nil {
		return s.Source
	}
	if hop.Port == 0 {
		return netip.AddrPortFrom(addr, 5060)
	}
	return netip.AddrPortFrom(addr, uint16(hop.Port))
}

// exact says whether a URI is written into a request as it came: one with other bytes
// might be another's (RFC 3261 §12.2.1.1).
func exact(uri string) error {
	u, err := sip.ParseURI(uri)
	if err == nil && u.String() != uri {
		err = fmt.Errorf("%.200q cannot be called back exactly", uri)
	}
	return err
}

// withoutTag is a From or To value without its tag and the parameters beside it: what
// stands in quotes has no meaning, and names know no case (RFC 3261 §7.3.1, §25.1).
func withoutTag(value string) string { return sip.WithoutParams(value) }
