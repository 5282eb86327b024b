package access

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// What a password has to be. Long ones are bounded, for each is worked through.
const (
	PasswordLeast = 12  // letters (NIST SP 800-63B-4: 15 where it is the only proof, 8 beside another; CNIL 2022-100: 12)
	PasswordMost  = 256 // bytes
)

// SaltSize is how many bytes a salt has (RFC 9106, 3.1).
const SaltSize = 16

// cost is what a hash takes: 19 MiB and two passes, a few hundredths of a second on one core (OWASP, Password
// Storage). A server that answers callers has no more to give at a time. It stands in each hash, so that
// another one can be chosen later.
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

var costs = cost{19 << 10, 2, 1}

// the bounds of what is read of a book: one from elsewhere must not take the machine down.
const (
	memoryMost = 256 << 10
	passesMost = 16
	hashSize   = 32
)

// Hash is a password as it is kept: Argon2id, with its cost and salt, as the reference program writes it
// ($argon2id$v=19$m=…,t=…,p=…$SALT$HASH).
func Hash(password string, salt []byte) string {
	c := costs
	return phc(c, salt, argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, hashSize))
}

func phc(c cost, salt, sum []byte) string {
	raw := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.threads, raw(salt), raw(sum))
}

// nobodys is what a password is compared with where there is no account, so that it takes as long. It is
// nobody's: no password has this sum.
var nobodys = phc(costs, make([]byte, SaltSize), make([]byte, hashSize))

// Proves says that a password is the one that was hashed. It takes as long for an account that is not
// there, whose hash is "".
func Proves(password, hashed string) bool {
	if hashed == "" {
		_ = matches(password, nobodys)
		return false
	}
	return matches(password, hashed)
}

func matches(password, hashed string) bool {
	c, salt, sum, ok := parse(hashed)
	if !ok || len(password) > PasswordMost {
		return false
	}
	own := argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(own, sum) == 1
}

// parse reads what [Hash] writes.
func parse(hashed string) (c cost, salt, sum []byte, ok bool) {
	fields := strings.Split(hashed, "$")
	if len(fields) != 6 || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, false
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.threads); err != nil {
		return c, nil, nil, false
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	if err != nil {
		return c, nil, nil, false
	}
	sum, err = base64.RawStdEncoding.DecodeString(fields[5])
	bounded := c.memory <= memoryMost && c.passes >= 1 && c.passes <= passesMost && c.threads >= 1 && len(sum) == hashSize && len(salt) == SaltSize
	return c, salt, sum, err == nil && bounded
}

// weak says what is wrong with a password for somebody, "" when nothing is.
func weak(name, password string) string {
	switch {
	case utf8.RuneCountInString(password) < PasswordLeast:
		return "user-password-short"
	case len(password) > PasswordMost:
		return "user-password-long"
	case strings.Contains(strings.ToLower(password), strings.ToLower(name)) && len(name) > 2:
		return "user-password-name"
	}
	return ""
}

// written is a value as text, alike on both servers.
func written(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("plain values cannot be written as JSON: " + err.Error())
	}
	return string(raw)
}
