package accounts

import (
	"fmt"
	"net/netip"
	"time"

	"releve"
	"releve/screen/view"
)

// Denied has both diaries say that somebody who is logged in asked for what he has no right to.
func (k *Keeper) Denied(token string, from netip.Addr, what releve.Sentence) {
	k.look(token, from, what, releve.Say("audit-no-right"))
}

// Looked has both diaries say that somebody looked at what is personal (SPEC K5): who called whom, and when.
func (k *Keeper) Looked(token string, from netip.Addr, what releve.Sentence) {
	k.look(token, from, what, releve.Say("audit-done"))
}

// The same look again is one line for so long: a page that is turned, or loaded anew, washes nothing out of a diary.
const looksFold = 15 * time.Minute

// looksMost bounds the looks that are remembered. Beyond, all are forgotten: some lines then stand twice.
const looksMost = 1000

// look is what somebody looked at.
type look struct{ by, from, what string }

func (k *Keeper) look(token string, from netip.Addr, what, became releve.Sentence) {
	if by, err := k.actor(view.Caller{Session: token, From: from}); err == nil && k.isNews(look{by.name, by.from, what.Code + fmt.Sprint(what.Args)}) {
		k.audit(by, what, became, false)
	}
}

func (k *Keeper) isNews(l look) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if at, seen := k.looks[l]; seen && now.Sub(at) < looksFold {
		return false
	}
	if k.looks == nil || len(k.looks) >= looksMost {
		k.looks = map[look]time.Time{}
	}
	k.looks[l] = now
	return true
}
