package access_test

import (
	"strings"
	"testing"

	"releve/rules/access"
)

// The hash is what the reference program (argon2 0~20171227-0.3 of Debian) writes with
// printf 'a horse, a battery, a staple' | argon2 0123456789abcdef -id -t 2 -k 19456 -p 1 -l 32 -e
const reference = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$36XdG0TZy3riqCynEjMdP+2vndN34RB4KVfxi8zD6V8"

func TestAPasswordIsKeptAsTheReferenceProgramKeepsIt(t *testing.T) {
	if got := access.Hash(good, []byte("0123456789abcdef")); got != reference {
		t.Errorf("got %s", got)
	}
	if !access.Proves(good, reference) {
		t.Error("the password is not believed")
	}
}

func TestWhatProvesNothing(t *testing.T) {
	for _, hashed := range []string{
		"", "x", strings.Replace(reference, "argon2id", "argon2i", 1), strings.Replace(reference, "v=19", "v=16", 1),
		strings.Replace(reference, "m=19456", "m=99999999", 1), strings.Replace(reference, "t=2", "t=0", 1), strings.Replace(reference, "p=1", "p=0", 1),
		strings.Replace(reference, "t=2", "t=3", 1), reference[:len(reference)-8], reference + "$", good,
	} {
		if access.Proves(good, hashed) {
			t.Errorf("%q is believed", hashed)
		}
	}
	for _, password := range []string{"", good + " ", strings.ToUpper(good), strings.Repeat("x", 300)} {
		if access.Proves(password, reference) {
			t.Errorf("%q is believed", password)
		}
	}
}
