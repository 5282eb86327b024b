package alarms

import (
	"context"
	"encoding/json"
	"time"

	"releve/rules/alarm"
	"releve/server/order"
)

// orderAlarms brings both servers' books together: one gives its own, the other answers with what it
// has more.
const orderAlarms = "alarms"

const (
	// tellLimit is how long the other server may take.
	tellLimit = 2 * time.Second
	// tellAgain is how long to wait where it did not answer, or is of a version that knows no alarms.
	tellAgain = 10 * time.Second
)

// message is what one server tells the other: all that it knows, for a book is small.
type message struct {
	Book *alarm.Book `json:"book,omitempty"` // of an answer, none: it has nothing more
}

// exchange tells the other server what it does not have yet, if there is something and it is heard.
func (k *Keeper) exchange(ctx context.Context) {
	own, book := k.written()
	if !k.due(own) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	answer, err := order.Ask[message](ctx, k.link, orderAlarms, order.Args(message{&book}))
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.again = time.Now().Add(tellAgain)
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
}

func (k *Keeper) due(own string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.heard && own != k.told && !time.Now().Before(k.again)
}

// hear takes the other server's book in.
func (k *Keeper) hear(theirs alarm.Book) {
	k.desk.Hear(time.Now().UTC(), theirs)
	k.own = ""
	k.announce()
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk {
	return order.Desk{orderAlarms: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		var said message
		if err := json.Unmarshal(args, &said); err != nil || said.Book == nil {
			return err
		}
		return order.Line(emit, k.answer(*said.Book))
	}}
}

// answer takes in the other server's book, and gives ours where that has more.
func (k *Keeper) answer(theirs alarm.Book) message {
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
