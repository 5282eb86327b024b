package alarms

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"releve/rules/alarm"
	"releve/server/order"
)

// read is the book on the disk. One that cannot be read costs what was said of alarms, and no call: the
// other server has it too.
func (k *Keeper) read() (book alarm.Book) {
	raw, err := os.ReadFile(k.File)
	if err == nil {
		err = json.Unmarshal(raw, &book)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.Log.Warn("what is known of alarms cannot be read", "err", err)
		return alarm.Book{}
	}
	k.saved = order.Written(book)
	return book
}

// save puts the book on the disk if it is not there yet. It fails with what the disk says; what could not
// be kept is tried again with the next change, and stands in memory.
func (k *Keeper) save() error {
	own := k.written()
	k.mu.Lock()
	defer k.mu.Unlock()
	if own == k.saved {
		return nil
	}
	if err := renameio.WriteFile(k.File, []byte(own), 0o600); err != nil {
		if k.why != err.Error() {
			k.why = err.Error()
			k.Log.Warn("alarms cannot be kept", "err", err)
		}
		return err
	}
	k.saved, k.why = own, ""
	return nil
}

// written is the book as it stands now, written out.
func (k *Keeper) written() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, _ := k.own()
	return text
}

// own is the book, and as it is written: when it has changed, and not at each look.
func (k *Keeper) own() (text string, book alarm.Book) {
	if k.text == "" || k.count != k.desk.Book.Count {
		k.text, k.count = order.Written(k.desk.Book), k.desk.Book.Count
	}
	return k.text, k.desk.Book
}
