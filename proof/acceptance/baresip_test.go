package acceptance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
)

// A telephone that nobody of us wrote lives through the reception: what it says
// on the wire, how it carries out a transfer and what it hears are its own.
func TestATelephoneOfAnotherMaker(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"attendant.language": `"fr"`}})
	greeting := promptsSaid(t, "greeting", "menu")
	t.Run("is greeted and put through by REFER", func(t *testing.T) { s.putThrough(t, greeting) })
	t.Run("offers A-law alone and is answered in it", func(t *testing.T) { s.answerInALaw(t, greeting) })
	t.Run("calls again after the main was killed", func(t *testing.T) { s.callAfterDeath(t, greeting) })
}

func (s *site) putThrough(t *testing.T, greeting pcm) {
	phone, began := s.plugIn(t, "pcmu"), time.Now()
	call := phone.dial(t, receptionNumber)
	greeting.checkHeard(t, phone.hear(t, 0, greeting.length()+pauseAfter))

	phone.press(t, "1001")
	second := phone.happens(t, "CALL_ESTABLISHED", "1001")
	phone.happens(t, "CALL_CLOSED", receptionNumber)
	if codec := phone.codec(t); codec != "PCMU 8000Hz 1ch" {
		t.Errorf("the telephone hears %q, want what it offered", codec)
	}
	if rings := eventsOf(s.pbx.events(began, "call-user"), second); len(rings) != 1 || rings[0].args["user"] != "1001" || rings[0].args["from"] != softphoneUser {
		t.Errorf("the call that the telephone placed for the transfer, at the PBX: %v", rings)
	}
	// Telephone 1001 gives back what it hears: the caller's own tone.
	if m := phone.hear(t, 1, 2*time.Second)[8000:].measure(t); math.Abs(m.rms+15) > 1 || math.Abs(m.peak+12) > 1 {
		t.Errorf("after the transfer the caller hears %+v, want the own tone, RMS -15 dB and peak -12 dB", m)
	}
	phone.order(t, "hangup", "")
	phone.happens(t, "CALL_CLOSED", "1001")
	for _, server := range []*server{s.main, s.secondary} {
		server.waitRecord(t, call, "main transferred extension: greeting, menu, digits 10**, transfer extension 10**, transfer-result 200 taken")
	}
	s.checkEqual(t, s.main)
}

func (s *site) answerInALaw(t *testing.T, greeting pcm) {
	phone := s.plugIn(t, "pcma")
	call := phone.dial(t, receptionNumber)
	greeting.checkHeard(t, phone.hear(t, 0, greeting.length()+pauseAfter))
	if codec := phone.codec(t); codec != "PCMA 8000Hz 1ch" {
		t.Errorf("the telephone hears %q, want what it offered", codec)
	}
	phone.order(t, "hangup", "")
	phone.happens(t, "CALL_CLOSED", receptionNumber)
	for _, server := range []*server{s.main, s.secondary} {
		server.waitRecord(t, call, "main abandoned listening: greeting, menu")
	}
}

func (s *site) callAfterDeath(t *testing.T, greeting pcm) {
	phone := s.plugIn(t, "pcmu")
	died := s.main.kill9(t)
	call := phone.dial(t, receptionNumber)
	greeting.checkHeard(t, phone.hear(t, 0, greeting.length()+pauseAfter))
	if found := eventsOf(s.pbx.events(died, "overflow-standby"), call); len(found) != 1 {
		t.Errorf("the PBX sent the call on to the standby %d times, want once", len(found))
	}
	if answers := s.ear.sentBy(secondaryHost, died, func(m message) bool { return answersCall(m) && m.call == call }); len(answers) == 0 {
		t.Error("the secondary did not answer the call")
	}

	phone.order(t, "hangup", "")
	phone.happens(t, "CALL_CLOSED", receptionNumber)
	inside := eventsOf(s.pbx.events(died, "in-dialog"), call)
	strange := func(e pbxEvent) bool { // the BYE is repeated when its answer takes half a second
		return e.args["method"] != "BYE" || !strings.HasPrefix(e.args["src"], softphoneHost)
	}
	if len(inside) == 0 || slices.ContainsFunc(inside, strange) {
		t.Errorf("inside the call the PBX carried %v, want the caller's BYE", inside)
	}
	s.secondary.waitRecord(t, call, "secondary abandoned listening: greeting, menu")
	s.waitOwner(t, s.secondary, 20*time.Second)
	s.checkLedger(t, s.secondary)
}

// Sound that a telephone encrypts is heard by both ends and by nobody on the way, and goes on so with the other
// server when the one that has the call dies (C9, H11).
func TestAnEncryptedCall(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"attendant.language": `"fr"`}})
	greeting, menu := promptsSaid(t, "greeting", "menu"), promptsSaid(t, "menu")
	phone := s.plugIn(t, "pcma", encrypts)
	call := phone.dial(t, receptionNumber)
	greeting.checkHeard(t, phone.hear(t, 0, greeting.length()+pauseAfter))

	s.main.kill9(t)
	s.somebodyCalls(t)
	eventually(t, 30*time.Second, "the menu of the secondary in the ear of the caller", func() error {
		all := phone.hear(t, 0, greeting.length())
		return menu.heardIn(t, all[max(0, len(all)-len(menu)-2*lead):])
	})
	phone.press(t, "1")
	phone.order(t, "hangup", "")
	phone.happens(t, "CALL_CLOSED", receptionNumber)
	eventually(t, 20*time.Second, "the key, heard by the secondary, in the record", func() error {
		told, err := s.secondary.query("select outcome || ' ' || outcome_detail from call_record where call = $1 and outcome is not null", string(call))
		if err == nil && !slices.Equal(told, []string{"abandoned dialling"}) {
			err = fmt.Errorf("%q", told)
		}
		return err
	})
}

// eventsOf are the events of one call.
func eventsOf(all []pbxEvent, call releve.CallID) (found []pbxEvent) {
	for _, e := range all {
		if e.call == call {
			found = append(found, e)
		}
	}
	return found
}

// waitRecord waits until a server's database tells a call so, and once: who
// answered, how it ended, where the caller was, and each step.
func (s *server) waitRecord(t *testing.T, call releve.CallID, want string) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("record of call %s at the %s server", call, s.seat), func() error {
		told, err := s.query(`select concat_ws(' ', seat, outcome, outcome_detail) || ': ' ||
			(select string_agg(trim(name || ' ' || detail), ', ' order by number) from call_step where call_step.call = r.call)
			from call_record r where call = $1 and outcome is not null`, string(call))
		if err == nil && (len(told) != 1 || told[0] != want) {
			err = fmt.Errorf("%q, want %q", told, want)
		}
		return err
	})
}

// pauseAfter is a moment of silence after the last word, before the caller acts.
const pauseAfter = 500 * time.Millisecond
