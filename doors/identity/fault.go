package identity

import (
	"errors"
	"io/fs"
	"maps"
	"strings"

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

// Fault is why a certificate is not accepted.
type Fault struct{ Why releve.Sentence }

func fault(code string, pairs ...string) *Fault { return &Fault{releve.Say(code, pairs...)} }

func unreadable(file string, err error) *Fault {
	if errors.Is(err, fs.ErrNotExist) {
		return fault(Missing, "file", file)
	}
	return fault(Unreadable, "file", file, "cause", err.Error())
}

// Error is what is wrong and the way out, in English.
func (f *Fault) Error() string {
	what, todo := f.Text(releve.English)
	return what + ": " + todo
}

// Text is what is wrong, and what to do about it.
func (f *Fault) Text(language releve.Language) (what, todo string) {
	text, ok := words[f.Why.Code]
	if !ok {
		return f.Why.Code, ""
	}
	said := text.en
	if language == releve.French {
		said = text.fr
	}
	args := f.Why.Args
	if cause := args["cause"]; cause != "" { // the text of others
		args = maps.Clone(args)
		args["cause"] = releve.Quote(language, cause)
	}
	return fill(said.what, args), fill(said.todo, args)
}

// Sentence is the fault as the reason of another sentence.
func (f *Fault) Sentence() releve.Sentence { return f.Why }

func fill(text string, args map[string]string) string {
	pairs := make([]string, 0, 2*len(args))
	for name, value := range args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

type said struct{ what, todo string }

// words are kept here rather than with the words of the page, because the
// configuration and the link say the same things about the same files.
var words = map[string]struct{ en, fr said }{
	Missing: {
		said{"the file {file} is not there", "copy it from the directory that `releve init` wrote"},
		said{"le fichier {file} n'existe pas", "copiez-le depuis le répertoire écrit par `releve init`"},
	},
	Unreadable: {
		said{"the file {file} cannot be read ({cause})", "give this account the right to read it"},
		said{"le fichier {file} ne peut pas être lu ({cause})", "donnez à ce compte le droit de le lire"},
	},
	NotPEM: {
		said{"the file {file} is not a PEM certificate ({cause})", "copy it again from the directory that `releve init` wrote"},
		said{"le fichier {file} n'est pas un certificat PEM ({cause})", "recopiez-le depuis le répertoire écrit par `releve init`"},
	},
	NoCertificate: {
		said{"the file {file} holds no certificate", "copy it again from the directory that `releve init` wrote"},
		said{"le fichier {file} ne contient pas de certificat", "recopiez-le depuis le répertoire écrit par `releve init`"},
	},
	OtherPEM: {
		said{"the file {file} holds something else than certificates", "copy it again from the directory that `releve init` wrote"},
		said{"le fichier {file} contient autre chose que des certificats", "recopiez-le depuis le répertoire écrit par `releve init`"},
	},
	NoKey: {
		said{"the file {file} holds no key", "copy it again from the directory that `releve init` wrote"},
		said{"le fichier {file} ne contient pas de clé", "recopiez-le depuis le répertoire écrit par `releve init`"},
	},
	NoAuthority: {
		said{"the certificate {file} and the key {key} are not an authority that `releve init` made", "give the two files ca.pem and ca.key that were written together"},
		said{"le certificat {file} et la clé {key} ne sont pas une autorité faite par `releve init`", "indiquez les deux fichiers ca.pem et ca.key écrits ensemble"},
	},
	NoPair: {
		said{"the certificate {file} and the key {key} do not belong together ({cause})", "give two files that were written together"},
		said{"le certificat {file} et la clé {key} ne vont pas ensemble ({cause})", "indiquez deux fichiers écrits ensemble"},
	},
	Nameless: {
		said{"the certificate \"{subject}\" names no site and seat", "use the certificates that `releve init` wrote for this site"},
		said{"le certificat « {subject} » ne nomme ni établissement ni siège", "utilisez les certificats que `releve init` a écrits pour cet établissement"},
	},
	ForeignAuthority: {
		said{"the certificate \"{subject}\" was not made by this site's authority ({cause})", "give each machine of the site the files of one and the same `releve init`"},
		said{"le certificat « {subject} » ne vient pas de l'autorité de cet établissement ({cause})", "donnez à chaque machine de l'établissement les fichiers d'un seul et même `releve init`"},
	},
	OtherSite: {
		said{"the certificate belongs to site {site}, and this is site {expected}", "check the addresses, and that each machine of the site has the files of one `releve init`"},
		said{"le certificat appartient à l'établissement {site}, et celui-ci est {expected}", "vérifiez les adresses, et que chaque machine de l'établissement a les fichiers d'un seul `releve init`"},
	},
	WrongSeat: {
		said{"the certificate is that of the seat {seat}, and {expected} was expected", "check which files each machine was given, and the addresses"},
		said{"le certificat est celui du siège {seat}, et {expected} était attendu", "vérifiez les fichiers donnés à chaque machine, et les adresses"},
	},
	WrongPurpose: {
		said{"the certificate \"{subject}\" is good for another purpose than \"{expected}\"", "check the addresses: another program of this site answers, or asks, there"},
		said{"le certificat « {subject} » vaut pour un autre usage que « {expected} »", "vérifiez les adresses : c'est un autre programme de cet établissement qui y répond, ou qui demande"},
	},
	NotPinned: {
		said{"the certificate \"{subject}\" is not the one that this machine was given", "copy that file again from the directory that `releve init` wrote; if nobody changed the keys of this site, somebody else has its authority's: run `releve certificates rekey`"},
		said{"le certificat « {subject} » n'est pas celui qui a été donné ici", "recopiez ce fichier depuis le répertoire écrit par `releve init` ; si personne n'a changé les clés de cet établissement, un autre a celle de son autorité : lancez `releve certificates rekey`"},
	},
	Incomplete: {
		said{"the files {file} do not go together: none of the authorities has all that belongs to it", "copy the files of this machine again, all of them, from the directory that `releve init` wrote"},
		said{"les fichiers {file} ne vont pas ensemble : aucune des autorités n'a tout ce qui va avec elle", "recopiez tous les fichiers de cette machine depuis le répertoire écrit par `releve init`"},
	},
	OtherNotReady: {
		said{"they no longer hold what {seat} believes", "copy its new files to the other server first; to be done with the former keys, run `releve certificates rekey -c FILE` on each"},
		said{"ils ne contiennent plus ce que croit {seat}", "copiez d'abord ses nouveaux fichiers sur l'autre serveur ; pour en finir avec les clés d'avant, lancez `releve certificates rekey -c FICHIER` sur chacun"},
	},
	OneForAll: {
		said{"each machine of this site has one certificate for everything, with which any of them can stand for another's database", "run `releve certificates rekey` where `releve init` wrote this site, and do what it says: the site runs on meanwhile"},
		said{"chaque machine de cet établissement a un seul certificat pour tout, avec lequel l'une peut se faire passer pour la base d'une autre", "lancez `releve certificates rekey` là où `releve init` a écrit cet établissement, et faites ce qu'il dit : il fonctionne pendant ce temps"},
	},
	Expired: {
		said{"the certificate of {seat} expired on {date}", "check the clock of each machine, then run `releve certificates renew` where `releve init` wrote this site, and do what it says"},
		said{"le certificat de {seat} a expiré le {date}", "vérifiez l'heure de chaque machine, puis lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit"},
	},
	AuthorityExpired: {
		said{"the certificate {file} of this site's authority expired on {date}", "check the clock of each machine, then run `releve certificates renew` where `releve init` wrote this site, and do what it says"},
		said{"le certificat {file} de l'autorité de cet établissement a expiré le {date}", "vérifiez l'heure de chaque machine, puis lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit"},
	},
	EndsSoon: {
		said{"the certificate of {seat} will expire on {date}", "run `releve certificates renew` where `releve init` wrote this site, and do what it says"},
		said{"le certificat de {seat} expirera le {date}", "lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit"},
	},
	AuthorityEndsSoon: {
		said{"the certificate {file} of this site's authority will expire on {date}", "run `releve certificates renew` where `releve init` wrote this site, and do what it says"},
		said{"le certificat {file} de l'autorité de cet établissement expirera le {date}", "lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit"},
	},
	NotYetValid: {
		said{"the certificate of {seat} is valid from {date} only", "check the clock of each machine"},
		said{"le certificat de {seat} n'est valable qu'à partir du {date}", "vérifiez l'heure de chaque machine"},
	},
}
