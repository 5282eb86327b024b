// Package talk is what the two ends of a study say to each other, before there is a
// certificate on either: JSON values over TLS 1.3, by a code that one end shows and a person
// types at the other.
//
// The certificate is drawn for the talk and proves nothing. What proves is the code: each end
// sends an HMAC of the connection's own keying material (RFC 9266, tls-exporter) made with it.
// Whoever sits between has two connections with two materials, and neither proof is good on the
// other. A code has 80 bits and one life, so guessing it, from a recorded proof too, is not to
// be feared, and a password-authenticated key exchange would add nothing but code.
package talk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"time"

	"releve"
)

// What a talk fails with.
var (
	ErrCode    = releve.Known("the other end does not have this code", "cause-study-code")
	ErrSilence = releve.Known("the other end says nothing any more", "cause-study-silence")
)

const (
	// proofLimit bounds how long a stranger holds a place.
	proofLimit = 5 * time.Second
	// silenceLimit is how long an end that works may say nothing: it says that it lives each second.
	silenceLimit = 10 * time.Second
	// mostBytes bounds one value.
	mostBytes = 1 << 20
)

// NewCode draws a code: sixteen letters in four groups.
func NewCode() string {
	t := rand.Text()
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:16]
}

// Bare is a code as it was typed, without what people put between its letters; ok where it
// can be one.
func Bare(typed string) (code string, ok bool) {
	code = strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, typed))
	return code, len(code) == 16
}

// Conn is a proven talk. One goroutine reads, another may write.
type Conn struct {
	conn    *tls.Conn
	limited *io.LimitedReader
	in      *json.Decoder
	out     *json.Encoder
}

// Send says a value.
func (c *Conn) Send(value any) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(silenceLimit))
	return c.out.Encode(value)
}

// Receive hears the next value; with patient, however long it takes to come.
func (c *Conn) Receive(value any, patient bool) error {
	var until time.Time
	if !patient {
		until = time.Now().Add(silenceLimit)
	}
	_ = c.conn.SetReadDeadline(until)
	c.limited.N = mostBytes
	err := c.in.Decode(value)
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return ErrSilence
	}
	return err
}

// Close ends the talk.
func (c *Conn) Close() error { return c.conn.Close() }

// The two sides of a proof: one that is sent back proves nothing.
const (
	asks    = "releve study: the end that asks"
	answers = "releve study: the end that answers"
)

// prove sends this end's proof and wants the other's, in the order in which they are due: who
// asks goes first, so that the end that answers tells a stranger nothing.
func prove(conn *tls.Conn, code, own, other string) (*Conn, error) {
	_ = conn.SetDeadline(time.Now().Add(proofLimit))
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	state := conn.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil, err
	}
	if own == asks {
		if _, err := conn.Write(proof(code, own, material)); err != nil {
			return nil, err
		}
	}
	theirs := make([]byte, sha256.Size)
	if _, err := io.ReadFull(conn, theirs); err != nil || !hmac.Equal(theirs, proof(code, other, material)) {
		return nil, ErrCode
	}
	if own == answers {
		if _, err := conn.Write(proof(code, own, material)); err != nil {
			return nil, err
		}
	}
	_ = conn.SetDeadline(time.Time{})
	limited := &io.LimitedReader{R: conn, N: mostBytes}
	return &Conn{conn: conn, limited: limited, in: json.NewDecoder(limited), out: json.NewEncoder(conn)}, nil
}

func proof(code, side string, material []byte) []byte {
	mac := hmac.New(sha256.New, []byte(code))
	mac.Write([]byte(side))
	mac.Write(material)
	return mac.Sum(nil)
}

// certificate is drawn for one talk.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	// From the beginning of time to its end: the clocks are what the study finds out about.
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
