package porter_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"releve/doors/porter"
)

// hall is a room and who is in it.
type hall struct {
	t     testing.TB
	room  *porter.Room
	guest map[string]*porter.Guest
	left  []string // those who had to give way, in order
}

func newHall(t testing.TB, r porter.Rules) *hall {
	return &hall{t: t, room: porter.NewRoom(r), guest: map[string]*porter.Guest{}}
}

// enter lets one in by a name such as "10.0.0.1 first", who is at work from then on.
func (h *hall) enter(name string, vouched bool) bool {
	h.t.Helper()
	var from, which string
	if _, err := fmt.Sscan(name, &from, &which); err != nil {
		h.t.Fatal(err)
	}
	g, ok := h.room.Enter(netip.MustParseAddr(from), vouched, func() {
		h.left = append(h.left, name)
		delete(h.guest, name)
	})
	if ok {
		g.Rest(false)
		h.guest[name] = g
	}
	return ok
}

func (h *hall) mustEnter(names ...string) {
	h.t.Helper()
	for _, name := range names {
		if !h.enter(name, false) {
			h.t.Fatalf("%s is kept out", name)
		}
		time.Sleep(time.Millisecond) // one has moved after the other
	}
}

func (h *hall) wantLeft(names ...string) {
	h.t.Helper()
	if !slices.Equal(h.left, names) {
		h.t.Errorf("%q gave way, not %q", h.left, names)
	}
}

func TestWhoGivesWay(t *testing.T) {
	four := porter.Rules{Most: 4, Each: 3, Kept: 2}
	stories := []struct {
		name  string
		rules porter.Rules
		play  func(h *hall)
	}{
		{"one that holds the most, at work or not, before anybody is kept out", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.1 b", "10.0.0.1 c", "10.0.0.2 d")
			h.guest["10.0.0.1 a"].Moved()
			h.mustEnter("10.0.0.3 e")
			h.wantLeft("10.0.0.1 b")
		}},
		{"one that asks for nothing, where all hold as much", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 c", "10.0.0.4 d")
			h.guest["10.0.0.3 c"].Rest(true)
			h.mustEnter("10.0.0.5 e")
			h.wantLeft("10.0.0.3 c")
		}},
		{"one that takes nothing, where all hold as much", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 c", "10.0.0.4 d")
			h.guest["10.0.0.2 b"].Waits()
			if h.enter("10.0.0.5 e", false) {
				h.t.Error("one gave way who had just begun to be written to")
			}
			time.Sleep(time.Second)
			h.mustEnter("10.0.0.5 e")
			h.wantLeft("10.0.0.2 b")
		}},
		{"nobody, where all are at work and hold as much", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 c", "10.0.0.4 d")
			h.guest["10.0.0.1 a"].Waits()
			h.guest["10.0.0.1 a"].Taken() // he takes what he is given
			time.Sleep(time.Hour)
			if h.enter("10.0.0.5 e", false) {
				h.t.Error("somebody at work gave way to an equal")
			}
			h.wantLeft()
		}},
		{"one of the same address, over its own bound", four, func(h *hall) {
			h.mustEnter("10.0.0.2 other", "10.0.0.1 a", "10.0.0.1 b", "10.0.0.1 c")
			h.guest["10.0.0.2 other"].Rest(true)
			if h.enter("10.0.0.1 d", false) {
				h.t.Error("an address has more than its bound, or took another's place")
			}
			h.guest["10.0.0.1 b"].Rest(true)
			h.mustEnter("10.0.0.1 d")
			h.wantLeft("10.0.0.1 b")
		}},
		{"one of the same network, of IPv6", porter.Rules{Most: 9, Each: 2}, func(h *hall) {
			h.mustEnter("2001:db8::1 a", "2001:db8::ffff:2 b")
			if h.enter("2001:db8::3 c", false) {
				h.t.Error("whoever has a network of IPv6 has as many addresses as he likes")
			}
			h.mustEnter("2001:db8:0:1::3 c")
		}},
		{"no stranger for one who is vouched for, and the other way round", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 c", "10.0.0.4 d")
			for _, name := range []string{"10.9.9.9 x", "10.9.9.9 y"} {
				if !h.enter(name, true) {
					h.t.Errorf("%s is kept out", name)
				}
				h.guest[name].Rest(true)
			}
			if h.enter("10.0.0.5 e", false) {
				h.t.Error("a stranger took a place that is kept")
			}
			h.wantLeft()
		}},
		{"the quietest of those vouched for, and never the newcomer", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.1 b", "10.0.0.1 c")
			for _, name := range []string{"10.0.0.1 a", "10.0.0.1 b", "10.0.0.1 c"} {
				h.guest[name].Vouch()
			}
			h.wantLeft("10.0.0.1 a")
			if !h.enter("10.0.0.1 d", true) {
				h.t.Error("one who is vouched for is kept out")
			}
			h.wantLeft("10.0.0.1 a", "10.0.0.1 b")
		}},
		{"nobody for a place that was given back, twice even", four, func(h *hall) {
			h.mustEnter("10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 c", "10.0.0.4 d")
			gone := h.guest["10.0.0.1 a"]
			gone.Leave()
			gone.Leave()
			gone.Vouch() // too late: it would take a place that nobody gives back
			h.mustEnter("10.0.0.5 e")
			h.wantLeft()
			for _, name := range []string{"10.9.9.9 x", "10.9.9.9 y"} {
				h.enter(name, true)
			}
			h.wantLeft()
		}},
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.play(newHall(t, s.rules)) })
		})
	}
}

// TestNobodyIsKeptOutByWhoHoldsMore lets anybody come, work, rest and leave in any order.
func TestNobodyIsKeptOutByWhoHoldsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := porter.Rules{Most: rapid.IntRange(1, 6).Draw(t, "most"), Each: rapid.IntRange(1, 4).Draw(t, "each"), Kept: rapid.IntRange(1, 3).Draw(t, "kept")}
		type guest struct {
			*porter.Guest
			from    byte
			vouched bool
		}
		var within []*guest
		room := porter.NewRoom(rules)
		for range 60 {
			if len(within) > 0 && rapid.Bool().Draw(t, "somebody within") {
				g := within[rapid.IntRange(0, len(within)-1).Draw(t, "which")]
				switch rapid.SampledFrom([]string{"rests", "works", "leaves", "is vouched for"}).Draw(t, "what") {
				case "rests":
					g.Rest(true)
				case "works":
					g.Rest(false)
				case "leaves":
					g.Leave()
					within = slices.DeleteFunc(within, func(o *guest) bool { return o == g })
				default:
					g.vouched = true
					g.Vouch()
				}
			} else {
				g := &guest{from: rapid.ByteRange(1, 5).Draw(t, "from"), vouched: rapid.IntRange(0, 4).Draw(t, "vouched") == 0}
				held := map[byte]int{}
				for _, o := range within {
					if !o.vouched {
						held[o.from]++
					}
				}
				greedy := false
				for _, n := range held {
					greedy = greedy || n > held[g.from]+1
				}
				var ok bool
				g.Guest, ok = room.Enter(netip.AddrFrom4([4]byte{10, 0, 0, g.from}), g.vouched, func() {
					within = slices.DeleteFunc(within, func(o *guest) bool { return o == g })
				})
				if ok {
					within = append(within, g)
				} else if g.vouched || greedy && held[g.from] < rules.Each {
					t.Fatalf("%d is kept out; the others hold %v", g.from, held)
				}
			}
			each, strangers := map[byte]int{}, 0
			for _, g := range within {
				if !g.vouched {
					each[g.from]++
					strangers++
				}
				if each[g.from] > rules.Each {
					t.Fatalf("%d holds %d", g.from, each[g.from])
				}
			}
			if strangers > rules.Most || len(within)-strangers > rules.Kept {
				t.Fatalf("%d strangers and %d others are within %+v", strangers, len(within)-strangers, rules)
			}
		}
	})
}
