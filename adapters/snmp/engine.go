package snmp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"releve"
)

// Enterprise is the number under which our MIB and our engines are. It is that of examples (RFC 5612): whoever
// makes this product registers one of his own with the IANA, and writes it here and in RELEVE-MIB.
const Enterprise = 32473

// Engine is what sends traps of version 3 (RFC 3411, 3.1.1.1): it has a name, counts its starts, and knows how
// long it has been since the last. A receiver that has heard one believes none that began before: so the count
// outlives the server, on its disk.
type Engine struct {
	id   string // as octets
	file string

	mu    sync.Mutex
	boots uint32 // 0: not begun
	began time.Time
}

// kept is the file.
type kept struct {
	Engine string `json:"engine"` // in hexadecimal
	Boots  uint32 `json:"boots"`
}

// NewEngine is a server's, with the file in which it keeps its count. Both servers of a site have other engines,
// and each the same for ever: it is made of the site's identifier and the seat (RFC 3411, SnmpEngineID, format 5).
func NewEngine(siteID string, seat releve.Seat, file string) *Engine {
	sum := sha256.Sum256([]byte(siteID + "/" + string(seat)))
	head := []byte{0x80 | Enterprise>>24, Enterprise >> 16 & 0xff, Enterprise >> 8 & 0xff, Enterprise & 0xff, 5}
	return &Engine{id: string(append(head, sum[:12]...)), file: file}
}

// String is its name as receivers are told it: 0x and octets in hexadecimal.
func (e *Engine) String() string { return "0x" + hex.EncodeToString([]byte(e.id)) }

// now is how often it has begun and for how many seconds it has run. It begins when it is first asked.
func (e *Engine) now() (boots, seconds uint32, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.boots == 0 {
		if err := e.begin(); err != nil {
			return 0, 0, err
		}
	}
	return e.boots, uint32(time.Since(e.began) / time.Second), nil
}

// begin counts one start more, on the disk before anybody hears of it. The count is never behind the clock's
// minutes: an engine whose disk was lost is not taken for one of long ago.
func (e *Engine) begin() error {
	var before kept
	text, err := os.ReadFile(e.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	now := time.Now()
	if err != nil || json.Unmarshal(text, &before) != nil || before.Engine != e.String() {
		before = kept{} // another's, or none that can be read
	}
	boots := max(before.Boots+1, uint32(now.Unix()/60))
	text, err = json.Marshal(kept{e.String(), boots})
	if err == nil {
		err = renameio.WriteFile(e.file, text, 0o600)
	}
	if err == nil {
		e.boots, e.began = boots, now
	}
	return err
}
