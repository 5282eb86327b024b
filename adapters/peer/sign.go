package peer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"releve/doors/identity"

	"releve"
)

// MaxSealed bounds a sealed answer in bytes: it travels in one SIP header, and
// with the other headers within one UDP packet (RFC 3261 §18.1.1).
const MaxSealed = 700

// What a signature is for. Without it one could be passed off as another.
const (
	forCarrying = "releve carried message"
	forCheck    = "releve check answer"
	forQuestion = "releve check question"
)

// Sign signs a message that someone carries to the other server when the link is
// cut, such as an abdication (RULES R3). The signature is base64url text; the
// message must itself say what it is about and when it stops being so.
func (p *Peer) Sign(payload []byte) (string, error) { return p.sign(forCarrying, payload) }

// Verify says whether the other server of this site signed the payload.
func (p *Peer) Verify(payload []byte, signature string) error {
	return p.verify(forCarrying, payload, signature)
}

// Believe says why a statement that an operator brought is not taken for the other server's
// word, nil when it is. It names the site and the seat whose word it is.
func (p *Peer) Believe(site string, seat releve.Seat, statement []byte, signature string) *releve.Sentence {
	refused := func(code string, pairs ...string) *releve.Sentence {
		why := releve.Say(code, append(pairs, "seat", string(p.o.Seat), "other", string(p.o.Seat.Other()))...)
		return &why
	}
	switch {
	case site != p.o.SiteID:
		return refused("before-word-foreign", "site", site, "own", p.o.SiteID)
	case seat == p.o.Seat:
		return refused("before-word-own")
	}
	err := p.Verify(statement, signature)
	if errors.Is(err, identity.ErrNotAccepted) {
		return refused("before-word-certificate")
	}
	if err != nil {
		p.o.Log.Warn("a word that an operator brought is not the other server's", "err", err)
		return refused("before-word-forged")
	}
	return nil
}

// SealQuestion writes a question that bears this nonce as text for a SIP header. Whoever
// is asked without the other's signature learns who it is that asks from an address that
// anybody can write, and says nothing (SPEC K1).
func (p *Peer) SealQuestion(nonce string) (string, error) {
	signature, err := p.sign(forQuestion, []byte(nonce))
	return nonce + "." + signature, err
}

// OpenQuestion gives the nonce of a question that the other server of this site asked.
func (p *Peer) OpenQuestion(sealed string) (nonce string, err error) {
	if len(sealed) > MaxSealed {
		return "", fmt.Errorf("the sealed question has %d bytes, more than %d", len(sealed), MaxSealed)
	}
	nonce, signature, _ := strings.Cut(sealed, ".")
	return nonce, p.verify(forQuestion, []byte(nonce), signature)
}

// SealAnswer writes an answer to the question with that nonce as text for a SIP
// header (X-Releve-Check): base64url, signed, at most MaxSealed bytes.
func (p *Peer) SealAnswer(nonce string, answer releve.CheckAnswer) (string, error) {
	answer.Nonce = "" // it is signed, not sent: who opens the answer knows it
	for {
		text, err := json.Marshal(answer)
		if err != nil {
			return "", err
		}
		signature, err := p.sign(forCheck, bind(nonce, text))
		if err != nil {
			return "", err
		}
		sealed := base64.RawURLEncoding.EncodeToString(text) + "." + signature
		switch {
		case len(sealed) <= MaxSealed:
			return sealed, nil
		case answer.Why.Args == nil:
			return "", fmt.Errorf("the answer to a check takes %d bytes and a SIP header has %d", len(sealed), MaxSealed)
		}
		answer.Why.Args = nil // the reason's code is enough
	}
}

// OpenAnswer reads what the other server sealed for the question with that nonce.
// An answer to another question, or made by anyone else, is an error.
func (p *Peer) OpenAnswer(nonce, sealed string) (releve.CheckAnswer, error) {
	if len(sealed) > MaxSealed {
		return releve.CheckAnswer{}, fmt.Errorf("the sealed answer has %d bytes, more than %d", len(sealed), MaxSealed)
	}
	encoded, signature, _ := strings.Cut(sealed, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return releve.CheckAnswer{}, fmt.Errorf("the sealed answer is not base64url: %w", err)
	}
	if err := p.verify(forCheck, bind(nonce, text), signature); err != nil {
		return releve.CheckAnswer{}, err
	}
	var answer releve.CheckAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return releve.CheckAnswer{}, fmt.Errorf("the sealed answer: %w", err)
	}
	answer.Nonce = nonce
	return p.believed(nonce, answer)
}

// believed gives an answer back if it is the other server's, to the question asked.
func (p *Peer) believed(nonce string, answer releve.CheckAnswer) (releve.CheckAnswer, error) {
	switch {
	case answer.Nonce != nonce:
		return releve.CheckAnswer{}, p.refusal(problem{Error: "its answer is to another question"})
	case answer.Seat != p.other.Seat:
		return releve.CheckAnswer{}, p.refusal(problem{Error: fmt.Sprintf("its answer speaks for the seat %q, not %s", answer.Seat, p.other.Seat)})
	}
	return answer, nil
}

// bind ties a text to a nonce. The length keeps the two apart.
func bind(nonce string, text []byte) []byte {
	return fmt.Appendf(nil, "%d %s %s", len(nonce), nonce, text)
}

func (p *Peer) sign(purpose string, payload []byte) (string, error) {
	message := statement(purpose, p.o.SiteID, p.o.Seat, payload)
	generation, _ := p.Agreed()
	key, err := p.mine.Load().Signer(generation)
	if err != nil {
		return "", err
	}
	_, hash, err := algorithm(key.Public())
	if err != nil {
		return "", err
	}
	signature, err := crypto.SignMessage(key, rand.Reader, message, hash)
	return base64.RawURLEncoding.EncodeToString(signature), err
}

func (p *Peer) verify(purpose string, payload []byte, signature string) error {
	signers, err := p.mine.Load().Signers(p.other)
	if err != nil {
		return fmt.Errorf("%s: %w", p.o.OtherCert, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return fmt.Errorf("the signature is not base64url: %w", err)
	}
	message := statement(purpose, p.o.SiteID, p.other.Seat, payload)
	for _, signer := range signers {
		if err = signed(signer, message, raw); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the signature is not that of %s over this message (%w): "+
		"check that it was carried whole and that %s is its certificate", p.other.Seat, err, p.o.OtherCert)
}

func signed(by *x509.Certificate, message, signature []byte) error {
	scheme, _, err := algorithm(by.PublicKey)
	if err != nil {
		return err
	}
	return by.CheckSignature(scheme, message, signature)
}

// statement is what is really signed: who says what, to what end.
func statement(purpose, site string, seat releve.Seat, payload []byte) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", purpose, site, seat, payload)
}

func algorithm(public crypto.PublicKey) (x509.SignatureAlgorithm, crypto.Hash, error) {
	switch public.(type) {
	case *ecdsa.PublicKey:
		return x509.ECDSAWithSHA256, crypto.SHA256, nil
	case ed25519.PublicKey:
		return x509.PureEd25519, 0, nil
	case *rsa.PublicKey:
		return x509.SHA256WithRSA, crypto.SHA256, nil
	}
	return 0, 0, errors.New("the certificate's key is neither ECDSA, Ed25519 nor RSA: make one with `releve init`")
}
