package demo

import (
	"os"
	"strings"

	"releve"
)

// line is one thing that the narrator can say, in English and in French.
type line struct{ english, french string }

func (l line) in(language releve.Language) string {
	if language == releve.French {
		return l.french
	}
	return l.english
}

var (
	lineAddresses = line{"practice PBX on %s, main on %s, secondary on %s", "PABX d'exercice sur %s, principal sur %s, secondaire sur %s"}
	linePeople    = line{"telephones %s are registered; the published number is %s", "les postes %s sont enregistrés ; le numéro publié est le %s"}
	lineStart     = line{"%s starts (process %d)", "%s démarre (processus %d)"}
	lineWait      = line{"the database is copied to the secondary: waiting for `protected`", "la base est copiée sur le secondaire : attente de « protégé »"}
	lineProtected = line{"PROTECTED, after %s: a failure now would lose nothing", "PROTÉGÉ, après %s : une panne maintenant ne perdrait rien"}
	lineNormal    = line{"— 1. normal calls", "— 1. des appels ordinaires"}
	lineKill      = line{"— 2. kill -9 of the whole main: %d processes, agent and PostgreSQL", "— 2. kill -9 de tout le principal : %d processus, agent et PostgreSQL"}
	lineMore      = line{"— 3. more calls, on the secondary", "— 3. d'autres appels, sur le secondaire"}
	lineReturn    = line{"— 4. the main is started again, and `releve return` is run while calls go on", "— 4. le principal est relancé, et « releve return » tourne pendant les appels"}
	lineReturned  = line{"back to normal in %s: the main is active, protected again", "retour au mode normal en %s : le principal est actif, à nouveau protégé"}
	lineOverflow  = line{"call %d overflows to the secondary", "l'appel %d déborde sur le secondaire"}
	lineSentBack  = line{"the secondary refuses call %d (%d): back to the main", "le secondaire refuse l'appel %d (%d) : retour au principal"}
	lineSilence   = line{"call %d: the main says nothing", "appel %d : le principal ne dit rien"}
	lineRefused   = line{"call %d: the main refuses it (%d)", "appel %d : le principal le refuse (%d)"}
	lineAnswered  = line{"call %d: answered by the %s, %s after it was offered", "appel %d : décroché par le %s, %s après sa présentation"}
	lineHeard     = line{"call %d: voice heard after %s%s", "appel %d : voix entendue après %s%s"}
	lineThrough   = line{", put through to %s", ", mis en relation avec le %s"}
	lineRefusal   = line{"call %d: refused with %d", "appel %d : refusé avec %d"}
	lineLost      = line{"call %d: LOST, no voice and no refusal", "appel %d : PERDU, ni voix ni refus"}
	lineBroken    = line{"call %d: heard the voice, then the line went dead", "appel %d : la voix entendue, puis la ligne morte"}
	lineFirstRow  = line{"the %s acknowledges its first row: it has the database", "le %s acquitte sa première ligne : il a la base"}
	lineState     = line{"the %s says: term %d, %s on duty, %s", "le %s dit : mandat %d, %s en service, %s"}
	lineCommand   = line{"$ %s", "$ %s"}
	lineOutput    = line{"  %s", "  %s"}
	lineStop      = line{"everything is stopped", "tout est arrêté"}
	lineKept      = line{"the site goes on running until Ctrl-C, with a call every five seconds", "le site continue jusqu'à Ctrl-C, avec un appel toutes les cinq secondes"}

	seatMain      = line{"main", "principal"}
	seatSecondary = line{"secondary", "secondaire"}
	seatNobody    = line{"nobody", "personne"}

	tableTitle    = line{"What was measured", "Ce qui a été mesuré"}
	rowOffered    = line{"calls offered", "appels présentés"}
	rowAnswered   = line{"calls answered (voice heard)", "appels décrochés (voix entendue)"}
	rowRefused    = line{"calls refused", "appels refusés"}
	rowLost       = line{"calls lost", "appels perdus"}
	rowBroken     = line{"calls broken while talking", "appels coupés en cours"}
	rowThrough    = line{"calls put through", "appels mis en relation"}
	rowAcked      = line{"rows acknowledged before the failure", "lignes acquittées avant la panne"}
	rowFound      = line{"… found after the takeover", "… retrouvées après la bascule"}
	rowRowsLost   = line{"… lost", "… perdues"}
	rowAckedAll   = line{"rows acknowledged in all", "lignes acquittées en tout"}
	rowFoundAll   = line{"… found at the end", "… retrouvées à la fin"}
	rowToAnswer   = line{"overflow → answered by the secondary", "débordement → décroché par le secondaire"}
	rowToVoice    = line{"overflow → voice heard", "débordement → voix entendue"}
	rowToRow      = line{"overflow → first row stored", "débordement → première ligne enregistrée"}
	rowReturn     = line{"return to normal", "retour au mode normal"}
	notMeasured   = line{"not measured", "non mesuré"}
	tryTitle      = line{"Try by hand:", "À essayer à la main :"}
	tryPage       = line{"the page            http://%s and http://%s", "la page             http://%s et http://%s"}
	tryKill       = line{"kill the main       kill -9 %s", "tuer le principal   kill -9 %s"}
	tryRestart    = line{"start it again      %s serve -c %s", "le relancer         %s serve -c %s"}
	tryReturn     = line{"return to normal    %s return -c %s", "retour au normal    %s return -c %s"}
	tryCall       = line{"call in             a SIP telephone: user %s, password %s, domain %s, proxy %s; dial %s, then %s", "appeler             un poste SIP : utilisateur %s, mot de passe %s, domaine %s, proxy %s ; composer le %s, puis le %s"}
	tryLogs       = line{"the logs            %s", "les journaux        %s"}
	wordProtected = line{"protected", "protégé"}
	wordExposed   = line{"not protected", "non protégé"}
	wordStopped   = line{"stopped", "arrêté"}
)

func seatIn(language releve.Language, seat releve.Seat) string {
	switch seat {
	case releve.Main:
		return seatMain.in(language)
	case releve.Secondary:
		return seatSecondary.in(language)
	}
	return seatNobody.in(language)
}

// LanguageOf is the language that the environment asks for (POSIX: LC_ALL, then
// LC_MESSAGES, then LANG).
func LanguageOf(getenv func(string) string) releve.Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(value, "fr") {
				return releve.French
			}
			return releve.English
		}
	}
	return releve.English
}

func languageOr(language releve.Language) releve.Language {
	if language == "" {
		return LanguageOf(os.Getenv)
	}
	return language
}
