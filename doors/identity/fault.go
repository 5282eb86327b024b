package identity

import (
	"errors"
	"io/fs"

	"releve"
)

// The codes of what can be wrong with a certificate.
const (
	Missing          = "certificate.missing"
	Unreadable       = "certificate.unreadable"
	NotPEM           = "certificate.not-pem"
	NoCertificate    = "certificate.none"
	OtherPEM         = "certificate.other-pem"
	NoPair           = "certificate.no-pair"
	NoKey            = "certificate.no-key"
	NoAuthority      = "certificate.no-authority"
	Nameless         = "certificate.nameless"
	ForeignAuthority = "certificate.foreign-authority"
	OtherSite        = "certificate.other-site"
	WrongSeat        = "certificate.wrong-seat"
	WrongPurpose     = "certificate.wrong-purpose"
	NotPinned        = "certificate.not-pinned"
	Incomplete       = "certificate.incomplete"
	OneForAll        = "certificate.one-for-all"
	OtherNotReady    = "certificate.other-not-ready"
	Expired          = "certificate.expired"
	NotYetValid      = "certificate.not-yet-valid"
	EndsSoon         = "certificate.ends-soon"

	AuthorityExpired  = "certificate.authority-expired"
	AuthorityEndsSoon = "certificate.authority-ends-soon"
)

// ErrNotAccepted is what all of them are, for errors.Is. Each is a [*releve.Fault] that says
// what is wrong and what to do, by one of the codes above.
var ErrNotAccepted = errors.New("a certificate is not accepted")

// Fault is why a certificate is not accepted. It may stand inside another sentence, without
// the way out.
func Fault(why releve.Sentence) *releve.Fault { return &releve.Fault{Cause: refused{why}, Why: why} }

// FaultOf is the fault in an error that tells of a certificate.
func FaultOf(err error) (*releve.Fault, bool) {
	why, ok := errors.AsType[refused](err)
	if !ok {
		return nil, false
	}
	return Fault(why.why), true
}

// refused is ErrNotAccepted with its reason.
type refused struct{ why releve.Sentence }

func (refused) Error() string { return ErrNotAccepted.Error() }

func (refused) Is(target error) bool { return target == ErrNotAccepted }

// Sentence is the fault as the reason of another sentence.
func (r refused) Sentence() releve.Sentence { return r.why }

func fault(code string, pairs ...string) *releve.Fault { return Fault(releve.Say(code, pairs...)) }

func unreadable(file string, err error) *releve.Fault {
	if errors.Is(err, fs.ErrNotExist) {
		return fault(Missing, "file", file)
	}
	return fault(Unreadable, "file", file, "cause", err.Error())
}
