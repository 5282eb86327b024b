package model

import (
	"releve"
	"releve/rules/takeover"
)

// siteName is what the servers' configuration and the witness call this site.
const siteName = "site"

// settings are those of the server in seat i.
func (n *interned) settings(i int) takeover.Settings {
	return takeover.Settings{
		Seat: seats[i], Rounds: 1, Limit: now, Pause: now, Watch: now,
		Level: n.site.Level, Site: siteName, Arbiter: n.site.Arbiter,
	}
}

func (n *interned) oneVoice() bool { return n.site.Level == releve.Mirroring }

// blank is a register without memory.
func (n *interned) blank() uint16 { return n.register(takeover.Register{Site: siteName}) }

// apply is the register after a claim of server i, and what the witness answers.
func (n *interned) apply(register, claim uint16, i int) (next, answer uint16) {
	before, c := n.registers.values[register], n.claims.values[claim]
	if n.variant.arrives != nil {
		n.variant.arrives(&before, &c)
	}
	after, err := before.Apply(c, seats[i])
	return n.register(after), n.word(takeover.Word{Heard: true, Register: after, Turn: 1, Granted: err == nil})
}

// listen is what server i can learn of the witness.
func (w *walk) listen(s state, i int) {
	v := &s.servers[i]
	switch {
	case v.held != 0:
		w.late(s, i)
	case v.claim != 0:
		w.answers(s, i)
	case w.asks(&w.machines[v.machine]):
		w.reads(s, i)
	}
	if w.machines[v.machine].RegisterAt > 0 && s.faults < uint8(w.bounds.Faults) {
		s.faults++
		w.step(s, i, input{kind: witness, word: w.word(takeover.Word{})}, move{what: witnessSilent})
	}
}

func (w *walk) reads(s state, i int) {
	word := w.word(takeover.Word{Heard: true, Register: w.registers.values[s.register]})
	w.step(s, i, input{kind: witness, word: word}, move{what: registerRead})
	if s.faults < uint8(w.bounds.Faults) {
		s.faults++
		s.servers[i].held = word
		w.put(s, move{what: readHeld, who: uint8(i)})
	}
}

// answers is what can become of a claim that is out.
func (w *walk) answers(s state, i int) {
	claim := s.servers[i].claim
	s.servers[i].claim = 0
	next, answer := w.apply(s.register, claim, i)
	t := s
	t.register = next
	w.step(t, i, input{kind: witness, word: answer}, move{what: claimAnswered})
	if s.faults >= uint8(w.bounds.Faults) {
		return
	}
	s.faults++
	t = s
	t.register, t.servers[i].held = next, answer
	w.put(t, move{what: answerHeld, who: uint8(i)})
	s.servers[i].late = claim
	w.step(s, i, input{kind: witness, word: w.noAnswer()}, move{what: claimGivenUp})
}

// late tells what was held up, or gives the answer up.
func (w *walk) late(s state, i int) {
	word := s.servers[i].held
	s.servers[i].held = 0
	w.step(s, i, input{kind: witness, word: word}, move{what: wordLate})
	if w.words.values[word].Turn != 0 {
		w.step(s, i, input{kind: witness, word: w.noAnswer()}, move{what: answerLost})
	}
}

// noAnswer ends a claim of which nothing was heard.
func (n *interned) noAnswer() uint16 { return n.word(takeover.Word{Turn: 1}) }

// arrives: a claim that nobody waits for any more reaches the witness after all.
func (w *walk) arrives(s state, i int) {
	v := &s.servers[i]
	if v.late == 0 {
		return
	}
	s.register, _ = w.apply(s.register, v.late, i)
	v.late = 0
	w.put(s, move{what: claimArrives, who: uint8(i)})
}

func (w *walk) wipe(s state) {
	blank := w.blank()
	if !w.site.Wiped || s.register == blank || s.faults >= uint8(w.bounds.Faults) {
		return
	}
	s.faults++
	s.register = blank
	w.put(s, move{what: registerWiped})
}

// decides says that server i may decide alone, now or on the next word of the witness:
// it holds the vote, or its hand-over lies in the register, or the register names it as
// the next owner.
func (w *walk) decides(s *state, i int) bool {
	v := &s.servers[i]
	d := &w.journals.values[v.journal]
	if !v.known || d.Vote {
		return v.known
	}
	r := &w.registers.values[s.register]
	if !d.Witnessed() || !d.Holds() || r.Incarnation != d.Incarnation || d.DataID == "" || r.Candidate.DataID != d.DataID {
		return false
	}
	lies := r.Owner == seats[1-i] && r.Term == d.Term && !r.Alone && r.Number == d.Number
	named := r.Owner == seats[i] && r.Term == d.Term+1 && d.Claimed == d.Number
	return lies || named
}

// orphaned: nothing is left that may decide. The witness has given the duty to a copy
// that was lost since; or, at level mirroring, the owner's data is lost and its mirror's
// is, too, or was set aside when the owner was restored from it. Only an operator can
// tell what becomes of such a site.
func (w *walk) orphaned(s *state) bool {
	if w.oneVoice() {
		owner, mirror := &w.journals.values[s.servers[0].journal], &w.journals.values[s.servers[1].journal]
		aside := owner.Restored && mirror.Term < owner.Term
		return s.servers[0].known && !w.whole(s, 0) && (aside || !w.whole(s, 1))
	}
	r := &w.registers.values[s.register]
	for i := range s.servers {
		d := &w.journals.values[s.servers[i].journal]
		given := d.Witnessed() && r.Owner == seats[i] && r.Incarnation == d.Incarnation && r.Term == d.Term+1
		if given && (!w.whole(s, i) || r.Candidate.DataID != d.DataID) {
			return true
		}
	}
	return false
}

// whole: this server's data is there, and its journal knows it.
func (w *walk) whole(s *state, i int) bool {
	v := &s.servers[i]
	d := &w.journals.values[v.journal]
	return v.known && v.disk == ours && d.DataID != "" && d.DataID == dataID(v.data)
}
