package accounts

import (
	"context"
	"time"

	"releve/rules/access"
	"releve/server/order"
)

// orderAccounts brings both servers' books together. The link is both servers' alone, and so are the hashes
// and the key that travel by it.
const orderAccounts = "accounts"

// tellLimit is how long the other server may take.
const tellLimit = 2 * time.Second

func (k *Keeper) makeTwin() {
	k.twin = order.Twin[access.Book]{
		Name: orderAccounts, Again: tellEach / 2, Lock: &k.mu, Heard: k.Front.OtherHeard,
		Own:  func() (string, access.Book) { return order.Written(k.desk.Book), k.desk.Book },
		Hear: k.hear,
	}
}

// exchange tells the other server what it does not have yet.
func (k *Keeper) exchange(ctx context.Context) {
	if more := k.twin.Exchange(ctx, k.Link); more {
		k.announce()
	}
}

// hear takes the other server's book in.
func (k *Keeper) hear(theirs access.Book) {
	k.desk.Hear(time.Now().UTC(), theirs)
	_ = k.save() // it is in the log; the other server has it
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk {
	return order.Desk{orderAudit: k.heardActs, orderAccounts: k.twin.Answer}
}
