package access

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as the RFC has it, and all programs that show codes
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time codes by the clock (RFC 6238), as the programs on telephones make them where nothing else is said.
const (
	codeEvery  = 30 * time.Second
	SecretSize = 20 // bytes (RFC 4226, 4)
)

// CodeAt is the code of a step: six digits (RFC 4226, 5.3).
func CodeAt(secret []byte, step int64) string {
	h := hmac.New(sha1.New, secret)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	s := h.Sum(nil)
	at := s[len(s)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(s[at:at+4])&0x7fffffff%1000000)
}

// Step is which code it is at a time.
func Step(now time.Time) int64 { return now.Unix() / int64(codeEvery/time.Second) }

// matches says of which step a code is: this one, or the one before or after it, for clocks differ. A step that
// was used is over, and so are those before it.
func (a Account) matches(code string, now time.Time) (step int64, ok bool) {
	for step := Step(now) - 1; step <= Step(now)+1; step++ {
		same := subtle.ConstantTimeCompare([]byte(code), []byte(CodeAt(a.Second.Value, step))) == 1
		if same && step > a.Used {
			return step, true
		}
	}
	return 0, false
}

// Use takes a code of an account, once. An account that has none takes any.
func (d *Desk) Use(now time.Time, name, code string) bool {
	a, _ := d.Book.Find(name)
	if len(a.Second.Value) == 0 {
		return true
	}
	step, ok := a.matches(code, now)
	if ok {
		d.write(name, func(a *Account, _ Stamp) { a.Used = step })
	}
	return ok
}

// Enrolment is what a program that shows codes is given (the Key Uri Format of Google Authenticator, which
// they all read).
func Enrolment(site, name string, secret []byte) string {
	key := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return "otpauth://totp/" + url.PathEscape(site+":"+name) + "?secret=" + key + "&issuer=" + strings.ReplaceAll(url.QueryEscape(site), "+", "%20")
}
