package phone_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve/adapters/phone"
	"releve/adapters/phone/register"
)

// registrarStory answers each REGISTER with the same words, and keeps what was asked.
func registrarStory(
	t *testing.T, code int, more string, do func(p *phone.Phone) error,
) (p *phone.Phone, asked []text, err error) {
	t.Helper()
	registrar := newPeer(t)
	p, _ = newPhone(t, registrar.addr)
	done := make(chan error, 1)
	go func() { done <- do(p) }()
	for {
		select {
		case err := <-done:
			return p, asked, err
		default:
		}
		if m, ok := registrar.tryReceive(20 * time.Millisecond); ok && m.method() == "REGISTER" {
			asked = append(asked, m)
			answer := code
			if m.header("Contact") != "" {
				answer = 200
			}
			registrar.send(p.Addr(), registrar.reply(m, answer, more))
		}
	}
}

// Whoever leaves takes his own contact with him, also where the registrar shows none,
// another (NAT), or will not show any; and names nobody else's.
func TestLeavingRemovesOurOwnContactAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		code int // of the answer to the question
		more string
	}{
		{"shows no contact", 200, "Expires: 60\r\n"},
		{"shows our contact under another host", 200, "Contact: <sip:reception@203.0.113.5:5060>;expires=20\r\n"},
		{"refuses the question", 405, ""},
		{"cannot answer the question now", 503, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, asked, err := registrarStory(t, c.code, c.more, func(p *phone.Phone) error {
				if _, err := p.Register(limit(t, 10*time.Second), reception()); err != nil {
					return err
				}
				return p.Unregister(limit(t, 10*time.Second), reception())
			})
			if err != nil {
				t.Fatal(err)
			}
			var removals []string
			for _, m := range asked {
				if contact := m.header("Contact"); strings.Contains(contact, "expires=0") {
					removals = append(removals, contact+" "+m.header("Expires"))
				}
			}
			want := fmt.Sprintf("<sip:reception@%s>;expires=0 0", p.Addr())
			if len(removals) != 1 || removals[0] != want {
				t.Errorf("removed %q, not %q once", removals, want)
			}
		})
	}
}

// A registrar that shows our contact under another host shows our binding all the same:
// the only one in the answer to our REGISTER, or the one that it made or renewed.
func TestARewrittenContactIsOurs(t *testing.T) {
	const nat, other = "<sip:reception@203.0.113.5:5060>", "<sip:reception@203.0.113.9:5060>"
	for _, c := range []struct {
		name           string
		before, answer string
		own            int // which of the answer's contacts; -1: none can be told
	}{
		{"alone", "", nat + ";expires=60", 0},
		{"alone before and after", nat + ";expires=60", nat + ";expires=60", 0},
		{"new beside another", other + ";expires=50", other + ";expires=50, " + nat + ";expires=60", 1},
		{"renewed beside another", other + ";expires=50, " + nat + ";expires=7",
			other + ";expires=50, " + nat + ";expires=60", 1},
		{"nothing changed", other + ";expires=60, " + nat + ";expires=60", other + ";expires=60, " + nat + ";expires=60", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			registrar := newPeer(t)
			p, _ := newPhone(t, registrar.addr)
			ask := func(list string) []phone.Binding {
				done := make(chan []phone.Binding, 1)
				go func() { b, _ := p.Bindings(limit(t, 10*time.Second), reception()); done <- b }()
				registrar.send(p.Addr(), registrar.reply(registrar.incoming("REGISTER"), 200, contacts(list)))
				return <-done
			}
			for _, b := range ask(c.before) {
				if b.Own {
					t.Errorf("ours before we registered: %+v", b)
				}
			}
			done := make(chan phone.Registered, 1)
			go func() { r, _ := p.Register(limit(t, 10*time.Second), reception()); done <- r }()
			registrar.send(p.Addr(), registrar.reply(registrar.incoming("REGISTER"), 200, contacts(c.answer)))
			for _, list := range [][]phone.Binding{(<-done).Bindings, ask(c.answer)} {
				for i, b := range list {
					if b.Own != (i == c.own) {
						t.Errorf("%d is ours: %v", i, b.Own)
					}
				}
			}
			// Whatever it was, a list without it does not show it.
			for _, b := range ask(other + ";expires=40") {
				if b.Own {
					t.Errorf("another's is ours: %+v", b)
				}
			}
		})
	}
}

func contacts(list string) string {
	if list == "" {
		return ""
	}
	return "Contact: " + list + "\r\n"
}

// How long a PBX wants to be left alone comes with its refusal, however it is written.
func TestRetryAfterIsRead(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, " 18000;duration=3600": 5 * time.Hour, "5 (in a meeting)": 5 * time.Second,
		"soon": 0, "": 0, "-4": 0,
	} {
		_, _, err := registrarStory(t, 503, "Retry-After: "+value+"\r\n", func(p *phone.Phone) error {
			_, err := p.Bindings(limit(t, 10*time.Second), reception())
			return err
		})
		status, ok := errors.AsType[*register.StatusError](err)
		if !ok || status.Code != 503 || status.RetryAfter != want {
			t.Errorf("%q: %v", value, err)
		}
	}
}
