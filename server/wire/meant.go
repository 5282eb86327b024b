package wire

import (
	"releve/screen/view"
	"releve/server/agent"
)

// What the agent means, and what goes over the link. Where a type of the wire says the same
// as one of ours, Go converts the one into the other, and refuses to once a field is only in
// one of them.

// wordOf puts a message on the wire.
func wordOf(m agent.Message) Word {
	w := Word{
		Version: Version, Life: m.Life, Told: m.Told, Said: m.Said, Upon: Upon{Life: m.Upon.Life, Said: m.Upon.Said},
		Status: statusOf(m.Status), Server: Server(m.Server), PBX: PBX(m.PBX),
		Mirror: Mirror{
			State: string(m.Mirror.State), Bytes: m.Mirror.Bytes, Seconds: m.Mirror.Seconds, LostCalls: m.Mirror.LostCalls,
			Progress: m.Mirror.Progress, VerifiedAt: m.Mirror.VerifiedAt, Differences: m.Mirror.Differences,
		},
		Procedure: toldProcedure(m.Procedure), Proof: toldProcedure(m.Proof),
	}
	for _, e := range m.Events {
		w.Events = append(w.Events, Event(e))
	}
	return w
}

// messageOf reads the other server's word.
func messageOf(w Word) agent.Message {
	w = w.read()
	m := agent.Message{
		Life: w.Life, Told: w.Told, Said: w.Said, Upon: agent.Upon{Life: w.Upon.Life, Said: w.Upon.Said},
		Status: w.Status.meant(), Server: view.Server(w.Server), PBX: view.PBX(w.PBX),
		Mirror: view.Mirror{
			State: view.MirrorState(w.Mirror.State), Bytes: w.Mirror.Bytes, Seconds: w.Mirror.Seconds, LostCalls: w.Mirror.LostCalls,
			Progress: w.Mirror.Progress, VerifiedAt: w.Mirror.VerifiedAt, Differences: w.Mirror.Differences,
		},
		Procedure: heardProcedure(w.Procedure), Proof: heardProcedure(w.Proof),
	}
	for _, e := range w.Events {
		m.Events = append(m.Events, view.Event(e))
	}
	return m
}

func toldProcedure(p *view.Procedure) *Procedure {
	if p == nil {
		return nil
	}
	told := &Procedure{
		ID: p.ID, Name: p.Name, DryRun: p.DryRun, Started: p.Started, Finished: p.Finished, Costs: p.Costs, Failed: p.Failed, Next: p.Next,
		Firm: p.Firm, Lost: p.Lost,
	}
	for _, n := range p.Needs {
		told.Needs = append(told.Needs, Need(n))
	}
	for _, s := range p.Steps {
		told.Steps = append(told.Steps, Step(s))
	}
	return told
}

func heardProcedure(p *Procedure) *view.Procedure {
	if p == nil {
		return nil
	}
	heard := &view.Procedure{
		ID: p.ID, Name: p.Name, DryRun: p.DryRun, Started: p.Started, Finished: p.Finished, Costs: p.Costs, Failed: p.Failed, Next: p.Next,
		Firm: p.Firm, Lost: p.Lost,
	}
	for _, n := range p.Needs {
		heard.Needs = append(heard.Needs, view.Need(n))
	}
	for _, s := range p.Steps {
		heard.Steps = append(heard.Steps, view.ProcedureStep(s))
	}
	return heard
}
