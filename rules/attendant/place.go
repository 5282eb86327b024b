package attendant

import "slices"

// Place is where a conversation is, as another server goes on with it (SPEC H11). The number that the
// caller was in the middle of is not part of it: he hears the menu again.
type Place struct {
	Phase         string   `json:"phase"`
	Target        Transfer `json:"target,omitzero"` // announced or under way
	Silences      int      `json:"silences,omitempty"`
	Mistakes      int      `json:"mistakes,omitempty"`
	Returns       int      `json:"returns,omitempty"`
	OperatorCalls int      `json:"operator_calls,omitempty"`
	LastFailure   string   `json:"last_failure,omitempty"`
}

// Place is where the conversation is now.
func (c *Conversation) Place() Place {
	return Place{
		Phase: string(c.phase), Target: c.target, LastFailure: c.lastFailure,
		Silences: c.silences, Mistakes: c.mistakes, Returns: c.returns, OperatorCalls: c.operatorCalls,
	}
}

// Resume is the conversation that another server has come so far with. It goes on with [Resumed].
// What it had counted bounds it here too. A place that this script does not know, or from which a number
// would be called that its plan does not hold (SPEC K7), is that of a caller who was greeted.
func Resume(s Script, p Place) *Conversation {
	c := &Conversation{
		script: s, phase: phase(p.Phase), target: p.Target, lastFailure: p.LastFailure,
		silences: max(0, p.Silences), mistakes: max(0, p.Mistakes), returns: max(0, p.Returns), operatorCalls: max(0, p.OperatorCalls),
	}
	puts := c.phase == announcing || c.phase == transferring
	if !slices.Contains(inProgress, c.phase) || puts && !s.Plan.Holds(c.target.User) {
		c.phase, c.target = prompted, Transfer{}
	}
	return c
}

// inProgress are the phases in which a caller is there.
var inProgress = []phase{waiting, prompted, listening, dialling, announcing, transferring, bridged, closing}

// sayAgain gives the caller the menu that he was in.
func (c *Conversation) sayAgain(Event) []Action { return c.menu("menu") }

// announceAgain tells the caller where his call goes, as he may not have heard it to the end.
func (c *Conversation) announceAgain(Event) []Action {
	said := "transfer"
	if c.target.As == Operator {
		said = "operator"
	}
	return c.announce(c.target, said)
}

// await leaves a transfer to the PBX, which goes on with it whoever asked for it.
func (c *Conversation) await(Event) []Action { return []Action{Await{}} }

func (c *Conversation) closeAgain(Event) []Action { return c.close() }
