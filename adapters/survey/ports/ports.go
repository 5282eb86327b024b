// Package ports tries the ports of a server from the other: one end listens on all of them and
// answers, the other knocks. Both are ours, so whatever is not that answer was done by something
// between them, and what each saw says by what.
package ports

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// Key is drawn for one study: who does not have it is neither heard nor believed.
type Key []byte

const (
	macLength = sha256.Size
	heading   = macLength + 8 // of a datagram: its proof, and its number
	payload   = 4096          // bytes over TCP: longer than what a filter lets pass to look at it
	questions = macLength + payload
)

// sign proves that a message is of this study, for this port and in this direction.
func (k Key) sign(direction, port string, content []byte) []byte {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(direction + " " + port + " "))
	mac.Write(content)
	return mac.Sum(nil)
}

// datagram is one of so many bytes at least.
func (k Key) datagram(direction, port string, number uint64, length int) []byte {
	b := make([]byte, max(length, heading))
	binary.BigEndian.PutUint64(b[macLength:], number)
	copy(b, k.sign(direction, port, b[macLength:]))
	return b
}

// number is that of a datagram of this study.
func (k Key) number(direction, port string, b []byte) (number uint64, ok bool) {
	if len(b) < heading || !hmac.Equal(b[:macLength], k.sign(direction, port, b[macLength:])) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[macLength:]), true
}

// at reads "tcp 7443" at an address.
func at(host netip.Addr, port string) (network string, address netip.AddrPort) {
	network, number, _ := strings.Cut(port, " ")
	n, _ := strconv.ParseUint(number, 10, 16) // of our own writing
	return network, netip.AddrPortFrom(host, uint16(n))
}

const there, back = "there", "back"
