package accounts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"releve"
	"releve/rules/access"
	"releve/server/order"
)

// read is the book on the disk. One that cannot be read is set aside, and costs no account that the other
// server has.
func (k *Keeper) read() (book access.Book) {
	raw, err := os.ReadFile(k.file)
	if err == nil {
		err = json.Unmarshal(raw, &book)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.Log.Warn("the accounts cannot be read", "err", err)
		if err := os.Rename(k.file, k.file+".unread"); err != nil {
			k.Log.Warn("the accounts that cannot be read stay where they are", "err", err)
		}
		return access.Book{}
	}
	k.saved = order.Written(book)
	return book
}

// save puts the book on the disk if it is not there yet, for nobody else to read. It fails with a
// [releve.Fault]; what could not be kept stands in memory, and is tried again with the next change.
func (k *Keeper) save() error {
	own := order.Written(k.desk.Book)
	if own == k.saved {
		return nil
	}
	if err := renameio.WriteFile(k.file, []byte(own), 0o600); err != nil {
		k.Log.Warn("accounts cannot be kept", "err", err)
		return &releve.Fault{Cause: err, Why: releve.Say("user-unkept", "why", releve.Reason(err))}
	}
	k.saved = own
	return nil
}
