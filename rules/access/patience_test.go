package access_test

import (
	"fmt"
	"testing"
	"time"

	"releve/rules/access"
)

// guess tries as often as may be for so long, and gives how often that was.
func guess(p *access.Patience, from time.Time, lasts time.Duration, attempt func(i int) access.Attempt) (tried int) {
	for at := from; at.Sub(from) < lasts; at = at.Add(100 * time.Millisecond) {
		if a := attempt(tried); p.Wait(at, a) <= 0 {
			p.Failed(at, a)
			tried++
		}
	}
	return tried
}

func TestWhoGuessesWaitsEverLonger(t *testing.T) {
	var p access.Patience
	anna := access.Attempt{Name: "anna", From: "192.0.2.1"}
	if n := guess(&p, now, 24*time.Hour, func(int) access.Attempt { return anna }); n > 110 {
		t.Errorf("%d attempts in a day at one account from one address", n)
	}
	var q access.Patience
	if n := guess(&q, now, 24*time.Hour, func(i int) access.Attempt { return access.Attempt{Name: fmt.Sprint(i), From: "192.0.2.1"} }); n > 310 {
		t.Errorf("%d attempts in a day at many accounts from one address", n)
	}
	var r access.Patience
	if n := guess(&r, now, 24*time.Hour, func(i int) access.Attempt { return access.Attempt{Name: "anna", From: fmt.Sprint(i)} }); n > 44000 {
		t.Errorf("%d attempts in a day at one account from many addresses", n)
	}
}

// The owner comes in while strangers guess: from where he was before at once, from elsewhere within moments.
func TestNobodyKeepsTheOwnerOut(t *testing.T) {
	var p access.Patience
	home := access.Attempt{Name: "anna", From: "10.0.0.7"}
	p.Succeeded(now, home)
	at := now
	for i := range 100000 {
		p.Failed(at, access.Attempt{Name: "anna", From: fmt.Sprint(i % 1000)})
		at = at.Add(10 * time.Millisecond)
		if i%1000 == 999 {
			if w := p.Wait(at, home); w > 0 {
				t.Fatalf("at home he waits %s", w)
			}
			if w := p.Wait(at, access.Attempt{Name: "anna", From: "10.0.0.8"}); w > 2*time.Second {
				t.Fatalf("elsewhere he waits %s", w)
			}
		}
	}
	for range 5 {
		p.Failed(at, home)
	}
	if p.Wait(at, home) <= 0 {
		t.Error("at home he may guess as he likes")
	}
	p.Succeeded(at.Add(time.Minute), home)
	if w := p.Wait(at.Add(time.Minute), home); w > 0 {
		t.Errorf("he got in, and waits %s", w)
	}
}

// Who mistypes now and then waits for nothing.
func TestAMistakeIsForgiven(t *testing.T) {
	var p access.Patience
	a := access.Attempt{Name: "anna", From: "10.0.0.7"}
	for i := range 20 {
		at := now.Add(time.Duration(i) * 90 * time.Minute)
		p.Failed(at, a)
		p.Failed(at, a)
		if w := p.Wait(at, a); w > 0 {
			t.Fatalf("the %dth time he waits %s", i, w)
		}
	}
}
