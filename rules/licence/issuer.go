package licence

import (
	"crypto/ed25519"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Issuers are those whose licences are believed: by their public keys, which are part of the
// program. None is ever read from a configuration, or whoever may write that would be an issuer.
type Issuers struct {
	verifiers note.Verifiers
	names     []string
}

// issuers.txt has the public key of each, a line; what begins with # is said about them.
//
//go:embed issuers.txt
var issuers string

// Built are the issuers of this program: those of issuers.txt, and the demonstrator.
func Built() Issuers {
	keys := []string{demonstratorKey()}
	for line := range strings.Lines(issuers) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	known, err := Believing(keys...)
	if err != nil {
		panic(fmt.Sprintf("issuers.txt, a part of this program, cannot be read: %v", err))
	}
	return known
}

// Believing are the issuers of these public keys.
func Believing(keys ...string) (known Issuers, err error) {
	var all []note.Verifier
	for _, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return Issuers{}, fmt.Errorf("%q: %w", key, err)
		}
		all, known.names = append(all, v), append(known.names, v.Name())
	}
	known.verifiers = note.VerifierList(all...)
	return known, nil
}

// Signer is an issuer with its private key.
type Signer struct {
	note.Signer
	public string
}

// NewSigner reads a private key, as `releve licence key` writes it: one line.
func NewSigner(private string) (Signer, error) {
	private = strings.TrimSpace(private)
	signer, err := note.NewSigner(private)
	if err != nil {
		return Signer{}, refused("licence.key")
	}
	public, err := publicOf(private)
	return Signer{signer, public}, err
}

// publicOf is the public key of a private one that is well formed: PRIVATE+KEY+name+hash+key,
// where the key is one byte for its kind and the seed (RFC 8032) in base64.
func publicOf(private string) (string, error) {
	parts := strings.SplitN(private, "+", 5)
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return "", err
	}
	own := ed25519.NewKeyFromSeed(key[1:])
	return note.NewEd25519VerifierKey(parts[2], own.Public().(ed25519.PublicKey))
}

// Public is the line of issuers.txt by which this issuer is believed.
func (s Signer) Public() string { return s.public }

// Sign makes a licence of what it is to say: the file, and the licence as it will be read. What
// nobody would read is not signed.
func (s Signer) Sign(l Licence) (file []byte, signed Licence, err error) {
	file, err = note.Sign(&note.Note{Text: l.text()}, s.Signer)
	if err != nil {
		return nil, Licence{}, err
	}
	known, err := Believing(s.public)
	if err != nil {
		return nil, Licence{}, err
	}
	signed, err = known.Read(file)
	return file, signed, err
}

// The demonstrator is an issuer whose private key is no secret, so that everybody can try
// Relève with licences as they are: `releve demo`, and the tests. What it signs holds for sites
// whose id begins with [DemonstrationSite], for a month at most, and every screen says so.
const (
	demonstrator       = "releve-demonstration"
	demonstratorSecret = "PRIVATE+KEY+releve-demonstration+4b0de3bb+ASMThJFtCxXp0D/86T4zd6qqpuNyub7UrlZ7hgAkVruO"

	// DemonstrationSite is how the id of a site begins that is a demonstration.
	DemonstrationSite = "demo-"
	// DemonstrationLasts is how long a licence of the demonstrator holds at most.
	DemonstrationLasts = 31 * 24 * time.Hour
)

// Demonstrator signs for demonstrations.
func Demonstrator() Signer {
	s, err := NewSigner(demonstratorSecret)
	if err != nil {
		panic(fmt.Sprintf("the demonstration key, a part of this program, cannot be read: %v", err))
	}
	return s
}

func demonstratorKey() string { return Demonstrator().Public() }

// checkDemonstration keeps the demonstrator to what it may sign.
func (l Licence) checkDemonstration() error {
	if l.Demonstration && (!strings.HasPrefix(l.Site, DemonstrationSite) || l.Until.IsZero() || l.Until.Sub(l.From) > DemonstrationLasts) {
		return refused("licence.demonstration", "site", l.Site)
	}
	return nil
}
