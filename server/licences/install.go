package licences

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"releve"
	"releve/rules/licence"
	"releve/screen/view"
)

// tellLimit is how long whoever installs a licence waits for the other server to know it.
const tellLimit = 3 * time.Second

// InstallLicence keeps a licence on this server and tells it to the other; a dry run shows what
// would come of it. What is refused is in the answer; an error is this machine's.
func (k *Keeper) InstallLicence(ctx context.Context, file []byte, how view.Installing) (view.Installed, error) {
	answer, err := k.install(file, how)
	if err != nil || answer.Refused != nil || how.DryRun {
		return answer, err
	}
	answer.After = k.tell(ctx)
	return answer, nil
}

// tell tells the other server what is new here, and gives how the site stands then.
func (k *Keeper) tell(ctx context.Context) view.Licences {
	if k.o.Front.OtherHeard() {
		ctx, cancel := context.WithTimeout(ctx, tellLimit)
		defer cancel()
		if err := k.exchange(ctx); err != nil { // the beat tells it when the other is back
			k.o.Log.Info("what is new of licences is not told to the other server yet", "err", err)
		}
		k.look()
	}
	k.again()
	return k.Licences()
}

// again has the other server asked at the next beat at the latest, where it does not hold all.
func (k *Keeper) again() {
	if k.sharedNow() {
		return
	}
	select {
	case k.asked <- struct{}{}:
	default:
	}
}

func (k *Keeper) install(file []byte, how view.Installing) (answer view.Installed, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read()
	answer.DryRun, answer.After = how.DryRun, k.shown
	l, err := k.admit(file)
	if err == nil {
		err = k.preceded(l, how.WithoutStudy)
	}
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		answer.Refused = &fault.Why
		return answer, nil
	}
	wall := k.o.Wall()
	answer.Already = k.has(l.ID)
	after, _ := k.verdict(append(k.licences(), l.Licence), wall)
	answer.After = k.viewOf(after, wall)
	answer.Licence = &answer.After.All[slices.IndexFunc(answer.After.All, func(v view.Licence) bool { return v.ID == l.ID })]
	if how.DryRun || answer.Already {
		return answer, nil
	}
	if err := k.shelf.put(l); err != nil {
		return answer, fmt.Errorf("the licence cannot be kept in %s: %w", k.o.Dir, err)
	}
	k.held = append(k.held, l)
	if err := k.vouched(l, how.WithoutStudy); err != nil {
		return answer, err
	}
	k.o.Front.Explain(releve.Say("licence-installed", "serial", l.Serial, "level", string(l.Level)))
	k.weigh()
	return answer, nil
}

// admit reads a licence that somebody wants to install, and says why it is of no use here.
func (k *Keeper) admit(file []byte) (kept, error) {
	l, err := k.o.Issuers.Read(file)
	if err == nil {
		err = l.For(k.o.Site)
	}
	if err != nil {
		return kept{}, err
	}
	sum := licence.Add(append(k.licences(), l), k.memory.Clock.Now())
	i := slices.IndexFunc(sum.All, func(h licence.Held) bool { return h.ID == l.ID })
	clash := slices.IndexFunc(k.held, func(h kept) bool { return h.Issuer == l.Issuer && h.Serial == l.Serial && h.ID != l.ID })
	switch {
	case clash >= 0:
		return kept{}, no("licence.clash", "serial", l.Serial, "issuer", l.Issuer)
	case sum.All[i].State == licence.Expired:
		return kept{}, no("licence.expired", "serial", l.Serial, "date", l.LastDay())
	case sum.All[i].State == licence.Replaced:
		return kept{}, no("licence.replaced", "serial", l.Serial, "by", sum.All[i].By)
	case len(k.held) >= licence.Most && !k.has(l.ID):
		return kept{}, no("licence.many", "most", fmt.Sprint(licence.Most), "dir", k.o.Dir)
	}
	return kept{l, licence.Tidy(file)}, nil
}

func no(code string, pairs ...string) error {
	return &releve.Fault{Cause: licence.ErrRefused, Why: releve.Say(code, pairs...)}
}

// viewOf is a ruling as screens show it.
func (k *Keeper) viewOf(r licence.Ruling, wall time.Time) view.Licences {
	v := view.Licences{
		At: r.Clock.Now(), Running: r.Level, Channels: r.Channels, Licensed: r.Licensed(), ForChannels: r.ChannelsOf(r.Level),
		Until: r.Until, Demonstration: r.Demonstration(), All: []view.Licence{}, Shared: k.allShared(k.licences()),
	}
	if v.Licensed == nil {
		v.Licensed = []releve.Level{}
	}
	if f := r.FallsBack; f.To != "" {
		v.FallsBack = &view.FallBack{To: f.To, At: f.At, Due: f.Due}
	}
	v.Notices = append(v.Notices, k.notices(r, wall)...)
	v.Levels, v.Study = k.cleared(r.Sum), adopted(k.papers, k.o.Place, v.At)
	for _, h := range r.All {
		v.All = append(v.All, Shown(h))
	}
	return v
}

// allShared says that the other server has these, and what comes before a level, as far as its
// version knows of that.
func (k *Keeper) allShared(all []licence.Licence) bool {
	lacking := slices.ContainsFunc(all, func(l licence.Licence) bool { return !k.shared[l.ID] })
	return !lacking && (k.theirs == "" || k.theirs == k.papers.ID())
}

// Shown is a licence as screens show it.
func Shown(h licence.Held) view.Licence {
	return view.Licence{
		ID: h.ID, Serial: h.Serial, Issuer: h.Issuer, Site: h.Site, IssuedTo: h.IssuedTo, Level: h.Level, Channels: h.Channels,
		From: h.FirstDay(), Until: h.LastDay(), Issued: h.Issued, Replaces: h.Replaces, State: string(h.State), Why: h.Sentence(),
	}
}
