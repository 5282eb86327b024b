package licence_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"releve"
	"releve/rules/licence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ours = "ABCDEF"

// vendor is an issuer of these tests, and stranger one whom nobody knows.
var vendor, stranger = newIssuer("vendor"), newIssuer("stranger")

var known = func() licence.Issuers {
	all, err := licence.Believing(vendor.Public(), licence.Demonstrator().Public())
	if err != nil {
		panic(err)
	}
	return all
}()

func newIssuer(name string) licence.Signer {
	private, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		panic(err)
	}
	s, err := licence.NewSigner(private)
	if err != nil {
		panic(err)
	}
	return s
}

// day is a day of the tests, counted from the first of January 2027, a Friday.
func day(n int) time.Time { return time.Date(2027, 1, 1+n, 0, 0, 0, 0, time.UTC) }

// of is a licence for our site, for a year from day 0 on.
func of(serial string, level releve.Level, changes ...func(*licence.Licence)) licence.Licence {
	l := licence.Licence{
		Serial: serial, Site: ours, IssuedTo: "Hôpital Saint-Luc", Level: level, Channels: 30,
		From: day(0), Until: day(365), Issued: day(-10),
	}
	for _, change := range changes {
		change(&l)
	}
	return l
}

func from(n, until int) func(*licence.Licence) {
	return func(l *licence.Licence) { l.From, l.Until = day(n), day(until) }
}

func forEver(l *licence.Licence) { l.Until = time.Time{} }

func channels(n int) func(*licence.Licence) { return func(l *licence.Licence) { l.Channels = n } }

// replacing is issued a day after those that it replaces.
func replacing(serials ...string) func(*licence.Licence) {
	return func(l *licence.Licence) { l.Replaces, l.Issued = serials, l.Issued.AddDate(0, 0, 1) }
}

// signed is the file of a licence, and the licence as it is read.
func signed(t testing.TB, l licence.Licence) ([]byte, licence.Licence) {
	t.Helper()
	file, read, err := vendor.Sign(l)
	if err != nil {
		t.Fatalf("%+v: %v", l, err)
	}
	return file, read
}

func all(t testing.TB, written ...licence.Licence) (read []licence.Licence) {
	t.Helper()
	for _, l := range written {
		_, signed := signed(t, l)
		read = append(read, signed)
	}
	return read
}

func lines(text ...string) []byte { return []byte(strings.Join(text, "\n")) }
