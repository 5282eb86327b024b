package store

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// DatabaseFailed says that an error blames the database itself and not what was asked of
// it: its disk is full, its files cannot be read or are gone, its pages are damaged, or it
// is going down (SQLSTATE class 58, 53100, XX001, XX002, 57P01 to 57P03; manual, appendix
// A). An error without a SQLSTATE, such as a broken session, says nothing.
func DatabaseFailed(err error) bool {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch refusal.Code {
	case "53100", "XX001", "XX002", // disk_full, data_corrupted, index_corrupted
		"57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return true
	}
	return strings.HasPrefix(refusal.Code, "58")
}
