package order

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// tellLimit is how long the other server may take to hear a book.
const tellLimit = 2 * time.Second

// Twin is a book that both servers hold, each taking in what the other has more: one gives its own, whole, for
// such a book is small, and the other answers with its own where that has more. Nothing is given twice.
type Twin[B any] struct {
	Name  string        // of the order
	Again time.Duration // before the other is told again, where it did not answer or knows no such book

	Lock  sync.Locker                     // the book's; held while what follows is called
	Heard func() bool                     // the other server is
	Own   func() (written string, book B) // this server's, and as [Written]
	Hear  func(theirs B)                  // takes the other's in

	told  string // as both servers have it
	again time.Time
}

// Written is a book as it goes to the other server and to the disk. What is written alike is the same.
func Written(book any) string { return string(Args(book)) }

// page is what one server tells the other.
type page[B any] struct {
	Book *B `json:"book,omitempty"` // of an answer, none: it has nothing more
}

// Exchange tells the other server what it does not have yet, if there is something and it is heard. more: there
// is something again, which was written meanwhile.
func (t *Twin[B]) Exchange(ctx context.Context, link Link) (more bool) {
	own, book, due := t.due()
	if !due {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	answer, err := Ask[page[B]](ctx, link, t.Name, Args(page[B]{&book}))
	t.Lock.Lock()
	defer t.Lock.Unlock()
	if err != nil {
		t.again = time.Now().Add(t.Again)
		return false
	}
	t.told = own
	if answer.Book != nil {
		same := t.text() == own
		t.Hear(*answer.Book)
		if same { // else what was written meanwhile is told next
			t.told = t.text()
		}
	}
	return t.text() != t.told
}

func (t *Twin[B]) due() (own string, book B, due bool) {
	t.Lock.Lock()
	defer t.Lock.Unlock()
	own, book = t.Own()
	return own, book, own != t.told && !time.Now().Before(t.again) && t.Heard()
}

func (t *Twin[B]) text() string {
	text, _ := t.Own()
	return text
}

// Answer takes in the other server's book, and gives this one's where that has more.
func (t *Twin[B]) Answer(_ context.Context, args json.RawMessage, emit Emit) error {
	var said page[B]
	if err := json.Unmarshal(args, &said); err != nil || said.Book == nil {
		return err
	}
	return Line(emit, t.answer(*said.Book))
}

func (t *Twin[B]) answer(theirs B) page[B] {
	t.Lock.Lock()
	defer t.Lock.Unlock()
	t.Hear(theirs)
	own, book := t.Own()
	t.told, t.again = own, time.Time{}
	if own == Written(theirs) {
		return page[B]{}
	}
	return page[B]{&book}
}
