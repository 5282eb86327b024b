package words_test

import (
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/config/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASentenceIsFilledIn(t *testing.T) {
	why := releve.Say("one-of", "value", "{allowed}", "allowed", "fr, en")
	what, todo, ok := words.Say(releve.French, why)
	if !ok || what != "la valeur « {allowed} » n'est pas connue" || todo != "écrivez l'une de celles-ci : fr, en" {
		t.Errorf("got %q, %q, %v", what, todo, ok)
	}
	if _, _, ok := words.Say(releve.English, releve.Say("never said")); ok {
		t.Error("a code that does not exist has words")
	}
}
