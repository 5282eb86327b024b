package accounts

import (
	"context"
	"encoding/json"
	"time"

	"releve/rules/access"
	"releve/server/order"
)

// orderAccounts brings both servers' books together: one gives its own, the other answers with what it
// has more.
const orderAccounts = "accounts"

// tellLimit is how long the other server may take.
const tellLimit = 2 * time.Second

// message is what one server tells the other: all that it knows. The link is both servers' alone, and so are
// the hashes and the key that travel by it.
type message struct {
	Book *access.Book `json:"book,omitempty"` // of an answer, none: it has nothing more
}

// exchange tells the other server what it does not have yet, if there is something and it is heard.
func (k *Keeper) exchange(ctx context.Context) {
	book, own, due := k.due()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	answer, err := order.Ask[message](ctx, k.Link, orderAccounts, order.Args(message{&book}))
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.again = time.Now().Add(tellEach / 2)
		return
	}
	k.told = own
	if answer.Book != nil {
		same := text(k.desk.Book) == own
		k.hear(*answer.Book)
		if same { // else what was written meanwhile is told next
			k.told = text(k.desk.Book)
		}
	}
	if text(k.desk.Book) != k.told {
		k.announce()
	}
}

// due is what the other server does not have yet. A server without any account has nothing to tell, and is
// told.
func (k *Keeper) due() (book access.Book, own string, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	own = text(k.desk.Book)
	return k.desk.Book, own, own != k.told && !time.Now().Before(k.again) && k.Front.OtherHeard()
}

// hear takes the other server's book in.
func (k *Keeper) hear(theirs access.Book) {
	k.desk.Hear(time.Now().UTC(), theirs)
	_ = k.save() // it is in the log; the other server has it
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk {
	return order.Desk{orderAudit: k.heardActs, orderAccounts: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		var said message
		if err := json.Unmarshal(args, &said); err != nil || said.Book == nil {
			return err
		}
		return order.Line(emit, k.answer(*said.Book))
	}}
}

// answer takes in the other server's book, and gives ours where that has more.
func (k *Keeper) answer(theirs access.Book) message {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hear(theirs)
	k.told, k.again = text(k.desk.Book), time.Time{}
	if k.told == text(theirs) {
		return message{}
	}
	book := k.desk.Book
	return message{&book}
}
