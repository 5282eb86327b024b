package attendant

import (
	"slices"
	"strconv"
	"time"
)

// patience is how long a caller may stay silent before something is said to him
// or done for him.
const patience = 5 * time.Second

// How often the caller comes back to the menu before the operator takes over,
// and how often the operator is tried. They bound every conversation.
const (
	silencesForOperator = 2
	mistakesForOperator = 2
	returnsForOperator  = 2
	operatorAttempts    = 2
)

// phase is where the caller is.
type phase string

const (
	waiting      phase = "waiting"      // not greeted yet
	prompted     phase = "menu"         // hears what can be dialled
	listening    phase = "listening"    // may dial
	dialling     phase = "dialling"     // is in the middle of a number
	announcing   phase = "announcing"   // hears where the call goes
	transferring phase = "transferring" // is being put through
	bridged      phase = "bridged"      // talks to somebody by way of this server
	closing      phase = "closing"      // hears that nobody can be had
	over         phase = "over"
)

// Conversation is one caller's way through a script. One goroutine drives it.
type Conversation struct {
	script Script
	phase  phase

	dialled string   // the number so far
	target  Transfer // announced or under way

	silences, mistakes, returns, operatorCalls int
	lastFailure                                string // of a transfer, for the outcome
}

// New begins a conversation by a script that was checked.
func New(s Script) *Conversation { return &Conversation{script: s, phase: waiting} }

// rule is one row of the script: where the caller is, what happens, and what
// is done about it, with the sentence that tells a colleague why.
type rule struct {
	in  []phase
	on  Kind
	why string
	do  func(*Conversation, Event) []Action
}

// rules is the whole script. What no row names came too late or means nothing
// there, such as a key during an announcement, and changes nothing.
var rules = []rule{
	{[]phase{waiting}, Started, "a caller: greet, and say the menu", (*Conversation).greet},
	{[]phase{waiting, prompted, listening, dialling}, Resumed, "another server goes on with the call: say the menu again",
		(*Conversation).sayAgain},
	{[]phase{announcing}, Resumed, "another server goes on with the call: say again where it goes", (*Conversation).announceAgain},
	{[]phase{transferring}, Resumed, "another server goes on with the call: the PBX has the transfer, wait for its end",
		(*Conversation).await},
	{[]phase{bridged}, Resumed, "another server goes on with the call: it has both sides of the talk, or the menu is said again",
		(*Conversation).talkAgain},
	{[]phase{closing}, Resumed, "another server goes on with the call: say the last word again", (*Conversation).closeAgain},
	{[]phase{prompted}, PromptDone, "the menu is said: listen", (*Conversation).listen},
	{[]phase{prompted, listening, dialling}, Digit, "a key: it stops the prompt and counts", (*Conversation).press},
	{[]phase{dialling, announcing}, Disowned, "somebody else dialled that: the caller begins anew", (*Conversation).disown},
	{[]phase{listening}, Silence, "nothing was dialled", (*Conversation).staySilent},
	{[]phase{dialling}, Silence, "the number was left unfinished", (*Conversation).leaveUnfinished},
	{[]phase{announcing}, PromptDone, "the caller knows: put him through", (*Conversation).putThrough},
	{[]phase{transferring}, TransferResult, "the transfer is settled", (*Conversation).settle},
	{[]phase{closing}, PromptDone, "nobody can be had, and the caller was told", (*Conversation).giveUp},
	{[]phase{bridged}, CallerGone, "the talk is over", (*Conversation).talked},
	{[]phase{bridged}, CallerLost, "the talk is over, as the PBX has lost one side of it", (*Conversation).talked},
	{inProgress, CallerLost, "the PBX has the call no more", (*Conversation).lose},
	{[]phase{closing}, CallerGone, "the caller did not wait for the last word", (*Conversation).giveUp},
	{[]phase{waiting, prompted, listening, dialling, announcing, transferring}, CallerGone,
		"the caller hung up", (*Conversation).abandon},
}

// Step takes what happened and says what to do, in order, and why. No action:
// what is under way goes on.
func (c *Conversation) Step(e Event) (actions []Action, why string) {
	for _, r := range rules {
		if r.on == e.What && slices.Contains(r.in, c.phase) {
			return r.do(c, e), r.why
		}
	}
	return nil, ""
}

func (c *Conversation) greet(Event) []Action {
	return append([]Action{Note{Name: "greeting"}}, c.menu("greeting", "menu")...)
}

// menu says prompts after which the caller may dial, or before: a key stops them.
func (c *Conversation) menu(prompts ...string) []Action {
	c.phase = prompted
	c.dialled = ""
	return []Action{Note{Name: "menu"}, c.say(prompts...)}
}

func (c *Conversation) listen(Event) []Action {
	c.phase = listening
	return []Action{Collect{patience}}
}

func (c *Conversation) press(e Event) []Action {
	first := c.dialled == ""
	switch {
	case first && e.Key == '0' && c.hasOperator():
		return append([]Action{Note{"digits", "0"}}, c.callOperator()...)
	case !first && e.Key == '#':
		return c.dial()
	case e.Key < '0' || e.Key > '9':
		return c.mistake()
	}
	c.dialled += string(e.Key)
	if c.complete() {
		return c.dial()
	}
	c.phase = dialling
	return []Action{Collect{patience}}
}

// complete says that no further key is waited for: the number has all its digits, or is in
// the plan and begins no other.
func (c *Conversation) complete() bool {
	plan := c.script.Plan
	return len(c.dialled) >= c.script.ExtensionDigits || plan.Holds(c.dialled) && !plan.GoesOn(c.dialled)
}

// dial puts the caller through to what the plan holds, whatever ended the number: its last
// digit, a #, or silence. All else may be an emergency number, an outside line or some
// feature code of the PBX (SPEC K7).
func (c *Conversation) dial() []Action {
	number := c.dialled
	if !c.script.Plan.Holds(number) {
		return c.mistake()
	}
	note := Note{"digits", Mask(number)}
	return append([]Action{note}, c.announce(Transfer{number, Extension}, "transfer")...)
}

func (c *Conversation) leaveUnfinished(Event) []Action { return c.dial() }

// disown gives the caller the menu that a neighbour in the network dialled in, as after a
// transfer that came to nothing: it too happens so often and no more (SPEC K4).
func (c *Conversation) disown(Event) []Action {
	return append([]Action{Note{Name: "disowned"}}, c.backTo([]string{"menu"})...)
}

func (c *Conversation) mistake() []Action {
	note := Note{"invalid", Mask(c.dialled)}
	c.mistakes++
	if c.mistakes >= mistakesForOperator {
		return append([]Action{note}, c.callOperator("invalid")...)
	}
	return append([]Action{note}, c.menu("invalid", "again")...)
}

// staySilent says the menu once more, unless the caller was already told that he
// can have the operator: then his silence is a yes.
func (c *Conversation) staySilent(Event) []Action {
	note := Note{Name: "silence"}
	c.silences++
	if c.silences >= silencesForOperator || c.returns > 0 || c.operatorCalls > 0 {
		return append([]Action{note}, c.callOperator()...)
	}
	return append([]Action{note}, c.menu("menu")...)
}

// callOperator says what led there, then puts the caller through to the
// operator.
func (c *Conversation) callOperator(reason ...string) []Action {
	if !c.hasOperator() {
		c.lastFailure = "this site has no operator"
		return c.close(reason...)
	}
	c.operatorCalls++
	return c.announce(Transfer{c.script.Operator, Operator}, append(reason, "operator")...)
}

func (c *Conversation) hasOperator() bool { return c.script.Plan.Holds(c.script.Operator) }

func (c *Conversation) announce(to Transfer, prompts ...string) []Action {
	c.phase = announcing
	c.dialled = ""
	c.target = to
	return []Action{c.say(prompts...)}
}

func (c *Conversation) putThrough(Event) []Action {
	c.phase = transferring
	return []Action{Note{"transfer", c.target.masked()}, c.target}
}

// masked names the target as it may be recorded. The operator's number says
// nothing of the caller, but it is no use to a reader either.
func (t Transfer) masked() string {
	if t.As == Operator {
		return string(Operator)
	}
	return string(t.As) + " " + Mask(t.User)
}

func (c *Conversation) settle(e Event) []Action {
	v := verdictOf(e.Code)
	switch {
	case v == taken && e.Unreported:
		v = letGo
	case v == taken && e.Bridged:
		return c.bridge(e.Code)
	}
	note := Note{"transfer-result", strconv.Itoa(e.Code) + " " + v.name}
	if e.Lost { // nobody hears what could be said
		return append([]Action{note}, c.end(Lost, "transfer "+strconv.Itoa(e.Code))...)
	}
	return append([]Action{note}, c.after(v)...)
}

// bridge leaves the caller to whom he wanted: this server has nothing to say any more, and carries what both say.
func (c *Conversation) bridge(code int) []Action {
	c.phase = bridged
	return []Action{Note{"transfer-result", strconv.Itoa(code) + " " + taken.name}, Note{Name: "bridged"}}
}

// talked ends a call in which somebody was talked to, whoever of both hung up.
func (c *Conversation) talked(Event) []Action {
	return append([]Action{Note{Name: "talked"}}, c.end(Transferred, string(c.target.As)+" "+string(bridged))...)
}

// talkAgain goes on with a talk, or has the caller again where nobody is at the other end.
func (c *Conversation) talkAgain(e Event) []Action {
	if e.Bridged {
		return nil
	}
	c.lastFailure = failed.name
	return c.takeBack(failed)
}

func (c *Conversation) after(v verdict) []Action {
	c.lastFailure = v.name
	switch {
	case v == taken:
		return c.end(Transferred, string(c.target.As))
	case v == letGo:
		return c.end(Transferred, string(c.target.As)+", "+v.name)
	case c.target.As == Operator && c.operatorCalls >= operatorAttempts:
		return c.close(v.prompt)
	case c.target.As == Operator:
		return c.menu(v.prompt, "again")
	case v == unknown:
		return c.mistake()
	}
	return c.takeBack(v)
}

// takeBack has the caller again, whose number could not be had.
func (c *Conversation) takeBack(v verdict) []Action {
	return c.backTo([]string{v.prompt, "again"}, v.prompt)
}

// backTo says prompts after which the caller may dial again; after so many times he has the
// operator instead, and is told why.
func (c *Conversation) backTo(menu []string, why ...string) []Action {
	c.returns++
	if c.returns >= returnsForOperator {
		return c.callOperator(why...)
	}
	return c.menu(menu...)
}

func (c *Conversation) close(reason ...string) []Action {
	c.phase = closing
	c.dialled = ""
	return []Action{Note{"closing", c.lastFailure}, c.say(append(reason, "closing")...)}
}

func (c *Conversation) giveUp(Event) []Action { return c.end(Unanswered, c.lastFailure) }

func (c *Conversation) abandon(Event) []Action { return c.end(Abandoned, string(c.phase)) }

func (c *Conversation) lose(Event) []Action { return c.end(Lost, string(c.phase)) }

func (c *Conversation) end(o Outcome, detail string) []Action {
	c.phase = over
	return []Action{Hangup{o, detail}}
}

func (c *Conversation) say(prompts ...string) Play {
	said := make([]string, len(prompts))
	for i, p := range prompts {
		said[i] = string(c.script.Language) + "/" + p
	}
	return Play{said}
}
