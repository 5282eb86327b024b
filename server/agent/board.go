package agent

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// eventsKept is how many events a screen shows; eventsTold how many of them the
// other server is told each time.
const (
	eventsKept = 50
	eventsTold = 10
)

// aloneCounted is how many calls are told apart while the owner is alone; beyond it
// the screen says that many, and the point is made.
const aloneCounted = 100_000

// board is what viewers see beside the machine: events, the other server's own
// word about itself, and the progress of what lasts.
type board struct {
	mu       sync.Mutex
	events   []view.Event // own, newest first
	other    Message
	heardAt  time.Time
	heard    heard           // up to which other is
	seen     takeover.Mirror // as it was when it last streamed
	behind   time.Time       // since when the mirror lacks something
	waits    time.Time       // since when facts wait and none was stored; zero: none waits
	progress *releve.Progress
	alone    map[releve.CallID]struct{} // calls with facts that only this server's database has
	proof    *view.Procedure            // a verification that runs here
	page     releve.Tier                // as it last proved itself
	verified Verified
	witness  error                      // what the last question to the witness failed with
	vain     vain                       // the last job that was tried, if it failed
	standing map[string]releve.Sentence // what lasts, by what it is about
	licences *view.Licences
	copied   time.Time // as of when the copy is that lies here at rest
	since    int       // calls that are not in the other's copy

	readiness *view.Readiness // nil: nobody has looked
	outlets   []releve.Outlet // that send alarms; never changed, but replaced
	lines     []releve.Line   // analogue ones; never changed, but replaced
}

func (b *board) notice(about string, what releve.Sentence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if what.Code == "" {
		delete(b.standing, about)
		return
	}
	if b.standing == nil {
		b.standing = map[string]releve.Sentence{}
	}
	b.standing[about] = what
}

func (b *board) notices() (all []releve.Sentence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(b.standing)) {
		all = append(all, b.standing[about])
	}
	return all
}

func (b *board) arbiter(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.witness = err
}

// Verified is what the last verification found (M7).
type Verified struct {
	Data        releve.DataID // of the copy that was compared
	At          time.Time
	Differences int
}

// Proving shows a verification while it runs, nil when none does.
func (f *Front) Proving(p *view.Procedure) {
	f.board.prove(p)
	f.changed.announce()
}

func (b *board) prove(p *view.Procedure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proof = p
}

func (b *board) proving() *view.Procedure {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proof
}

// Interfaces is told how this server's page is: it proves itself.
func (f *Front) Interfaces(t releve.Tier) {
	if f.board.served(t) {
		f.changed.announce()
	}
}

// Verified is told what a verification found, or an earlier run's did.
func (f *Front) Verified(v Verified) {
	f.board.mu.Lock()
	f.board.verified = v
	f.board.mu.Unlock()
	f.changed.announce()
}

// served says whether the page is other than before.
func (b *board) served(t releve.Tier) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.page
	b.page = t
	return !reflect.DeepEqual(before, t)
}

// interfaces is how the page is; not known, before it was first asked.
func (b *board) interfaces() releve.Tier {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.page.State == "" {
		return releve.Tier{State: releve.TierUnknown}
	}
	return b.page
}

// Licensed is told what the site's licences say. What was told is not changed any more.
func (f *Front) Licensed(l view.Licences) {
	f.board.mu.Lock()
	f.board.licences = &l
	f.board.mu.Unlock()
	f.changed.announce()
}

func (b *board) licensed() *view.Licences {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.licences
}

// CopyAt is told as of when the copy is that lies here at rest, the zero time where there is none.
func (f *Front) CopyAt(at time.Time) {
	if f.board.keepCopied(at) {
		f.changed.announce()
	}
}

func (b *board) keepCopied(at time.Time) (other bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	other = !b.copied.Equal(at)
	b.copied = at
	return other
}

func (b *board) copiedAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.copied
}

// SinceCopy is told how many calls this server's database has since the other's copy.
func (f *Front) SinceCopy(calls int) {
	if f.board.keepSince(calls) {
		f.changed.announce()
	}
}

func (b *board) keepSince(calls int) (other bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	other = b.since != calls
	b.since = calls
	return other
}

func (b *board) sinceCopy() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since
}

// Outlets is told how those are by which this server sends alarms. What was told is not changed any more.
func (f *Front) Outlets(all []releve.Outlet) {
	f.board.mu.Lock()
	f.board.outlets = all
	f.board.mu.Unlock()
	f.changed.announce()
}

func (b *board) sends() []releve.Outlet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outlets
}

// Lines is told how this server's analogue lines are. What was told is not changed any more.
func (f *Front) Lines(all []releve.Line) {
	f.board.mu.Lock()
	same := slices.Equal(f.board.lines, all)
	f.board.lines = all
	f.board.mu.Unlock()
	if !same {
		f.changed.announce()
	}
}

func (b *board) analogue() []releve.Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines
}

// OtherCopyAt is as of when the other server's copy is, as it last said; zero while it is not heard.
func (f *Front) OtherCopyAt() time.Time {
	m, _, heard := f.board.theirs()
	if !heard {
		return time.Time{}
	}
	return m.Server.Copied
}

func (b *board) add(e view.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = slices.Insert(b.events, 0, e)
	b.events = b.events[:min(len(b.events), eventsKept)]
}

// newest says whether this was the last to be said here, but for how often a job was in vain.
func (b *board) newest(what releve.Sentence) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := slices.IndexFunc(b.events, func(e view.Event) bool { return e.What.Code != inVain })
	return last >= 0 && reflect.DeepEqual(b.events[last].What, what)
}

func (b *board) hear(m Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard.overtaken(m.Life, m.Told) {
		return
	}
	b.other, b.heardAt = m, time.Now()
}

// upon is the last word of the other that was heard.
func (b *board) upon() Upon {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Upon{b.other.Life, b.other.Said}
}

// silent is how long the other may say nothing and still count as heard.
const silent = 1200 * time.Millisecond

// theirs is what the other last said, when, and whether that is still news.
func (b *board) theirs() (m Message, at time.Time, heard bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.other, b.heardAt, time.Since(b.heardAt) < silent
}

// OtherHeard says whether the other server said something lately.
func (f *Front) OtherHeard() bool {
	_, _, heard := f.board.theirs()
	return heard
}

func (b *board) mirror(m takeover.Mirror) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Streaming {
		b.seen = m
	}
	if m.Streaming && m.Flush >= m.Own {
		b.behind = time.Time{}
	} else if b.behind.IsZero() {
		b.behind = time.Now()
	}
}

// spooled takes in how many facts wait on our disk.
func (b *board) spooled(waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case waiting == 0:
		b.waits = time.Time{}
	case b.waits.IsZero():
		b.waits = time.Now()
	}
}

// standsMost is how long what ought to move may stand still before the site no longer counts
// as protected: a takeover would wait for it.
const standsMost = 5 * time.Second

// undrained says that facts wait and that nothing has been stored for too long.
func (b *board) undrained() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.waits.IsZero() && time.Since(b.waits) > standsMost
}

func (b *board) advance(p *releve.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress = p
}

// store takes in facts that were acknowledged. What was committed alone would be
// lost by a failure now, until the mirror holds the vote again.
func (b *board) store(facts []releve.Fact, alone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.waits.IsZero() {
		b.waits = time.Now()
	}
	if !alone {
		b.alone = nil
		return
	}
	if b.alone == nil {
		b.alone = map[releve.CallID]struct{}{}
	}
	for _, f := range facts {
		if len(b.alone) < aloneCounted {
			b.alone[f.Call] = struct{}{}
		}
	}
}

// Stored is told of each acknowledged fact. What is no call's is nobody's record.
func (f *Front) Stored(facts []releve.Fact) {
	m := f.Machine()
	f.board.store(releve.OfCalls(facts), m.CommitsAlone())
}

// own is a copy of the newest events of this server.
func (b *board) own(n int) []view.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events[:min(len(b.events), n)])
}

// all merges both servers' events, newest first.
func (b *board) all() []view.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	merged := slices.Concat(b.events, b.other.Events)
	slices.SortStableFunc(merged, func(x, y view.Event) int { return y.At.Compare(x.At) })
	return merged[:min(len(merged), eventsKept)]
}

// Message is what the other is told: the status with the messages of the vote,
// and what its screen shows of us.
func (a *Agent) Message() Message {
	upon := a.board.upon() // before the status: what is told is not older than that
	m := a.Machine()
	status := m.Status()
	status.Spooled = a.parts.Spool.Waiting()
	return Message{
		Life: a.lifeID, Told: m.Now, Said: a.Now(), Upon: upon,
		Status: status, Server: a.server(m), Mirror: a.mirrorView(m), PBX: a.pbx(m), Events: a.board.own(eventsTold),
		Procedure: a.guide.Latest(), Proof: a.board.proving(),
	}
}

// server is this server as a viewer sees it.
func (a *Agent) server(m takeover.Machine) view.Server {
	load := a.parts.Voice.Load()
	return view.Server{
		Seat: m.Seat, Duty: m.Duty(), Heard: true, HeardAt: time.Now().UTC(), Vote: m.Vote || m.Holds(),
		Data: a.data.tier(m, a.board.copying()), Interfaces: a.board.interfaces(), Processing: a.callersTier(m),
		Registered: a.registered(), ChannelsBusy: load.Busy, Channels: load.Channels,
		WithoutDuty: a.withoutDuty(m), SpoolWaiting: a.parts.Spool.Waiting(), SpoolStands: a.board.undrained(),
		CallsOffered: load.Offered, CallsAnswered: load.Answered, CallsRefused: load.Refused,
		Doing: a.doing(m), Witness: m.WitnessHeard(), Levels: a.parts.Site.Levels, Version: a.version(),
		Copied: a.board.copiedAt(), SinceCopy: a.board.sinceCopy(), Notices: slices.Concat(load.Notices, a.board.notices()),
		Outlets: a.board.sends(), Lines: a.board.analogue(),
	}
}

// withoutDuty: an owner that stands still answers all the same where nobody else could
// (M5, R13).
func (a *Agent) withoutDuty(m takeover.Machine) bool {
	return m.WithoutDuty || m.RunsAt() != releve.HighAvailability && m.Phase != takeover.Starting && m.Stance() == takeover.NoDuty
}

// mute says that a seat has no telephone: the secondary below high availability (SPEC §2), and at level
// backup whoever is not on duty.
func mute(m takeover.Machine, seat releve.Seat) bool {
	switch {
	case m.RunsAt() != releve.Backup:
	case seat == m.Seat:
		return m.Mute()
	default:
		return m.Other.Mute
	}
	return m.RunsAt() != releve.HighAvailability && seat == releve.Secondary
}

// apart says that a seat has no part in the site: the secondary at level base.
func apart(m takeover.Machine, seat releve.Seat) bool {
	return m.RunsAt() == releve.Base && seat == releve.Secondary
}

func (a *Agent) registered() []string {
	bound := a.parts.Telephone.Bound()
	users := []string{}
	if bound.Reception {
		users = append(users, a.parts.Site.Reached)
	}
	if bound.Standby {
		users = append(users, a.parts.Site.StandbyUser)
	}
	return users
}

// doing says what this server is about to reach, nothing when it is at rest.
func (a *Agent) doing(m takeover.Machine) releve.Sentence {
	if why := a.board.hopeless(m); why.Code != "" && m.Phase != takeover.Stuck {
		return why
	}
	switch m.Phase {
	case takeover.Serving, takeover.Following:
		return releve.Sentence{}
	case takeover.Isolated:
		if m.RunsAt() == releve.Backup && m.DB.Up {
			return releve.Sentence{} // that is what a copy does there
		}
	case takeover.Waiting:
		if apart(m, m.Seat) {
			return releve.Say("phase-apart")
		}
	case takeover.Stuck:
		return releve.Say("phase-stuck", "why", m.Cause)
	}
	return releve.Say("phase-" + string(m.Phase))
}

// arbiterOf is the one by which this server goes; a server that knows no term goes by
// none but the pair.
func arbiterOf(m takeover.Machine) releve.Arbiter {
	if m.Witnessed() {
		return releve.Witness
	}
	return releve.Pair
}

// View is the whole site.
func (a *Agent) View() view.Site {
	m := a.Machine()
	other, heardAt, heard := a.board.theirs()
	s := view.Site{
		Name: a.parts.Site.Name, Level: m.RunsAt(), Arbiter: arbiterOf(m), Seat: m.Seat, At: time.Now().UTC(),
		Term: max(m.Term, other.Status.Term), Owner: m.Owner, Mirror: a.siteMirror(m, other, heard),
		PBX:      a.pbx(m),
		Licences: a.board.licensed(), Readiness: a.board.readied(),
		Alarms: a.Alarms.Shown(), Maintenance: a.Alarms.Maintained(),
		Events:    a.board.all(),
		Procedure: a.guide.Latest(), Proof: a.board.proving(),
	}
	if other.Status.Term > m.Term {
		s.Owner = other.Status.Owner
	}
	if r, known := m.Relieved(); known && r.Term > s.Term {
		s.Owner, s.Term = r.Owner, r.Term
	}
	if mute(m, m.Seat) { // it has no way to the PBX, and shows what the main knows
		s.PBX = other.PBX
		s.PBX.Heard = s.PBX.Heard && heard
	}
	theirs := other.Server
	theirs.Seat = m.Seat.Other()
	theirs.Heard, theirs.HeardAt = heard, heardAt.UTC()
	if !heard {
		theirs.Duty = releve.OutOfService
	}
	if mute(m, theirs.Seat) {
		theirs.Processing = releve.Tier{State: releve.TierNone}
	}
	if apart(m, theirs.Seat) {
		theirs.Data = releve.Tier{State: releve.TierNone}
	}
	if p := other.Procedure; p != nil && (heard || p.Runs()) && (s.Procedure == nil || p.Started.After(s.Procedure.Started)) {
		last := *p
		last.Lost = !heard
		s.Procedure = &last
	}
	if heard && s.Proof == nil {
		s.Proof = other.Proof
	}
	s.Main, s.Secondary = a.server(m), theirs
	if m.Seat == releve.Secondary {
		s.Main, s.Secondary = s.Secondary, s.Main
	}
	s.Word, s.Why = word(m, s)
	return s
}

// pbx is what this server knows of the switch.
func (a *Agent) pbx(m takeover.Machine) view.PBX {
	v := view.PBX{Address: a.parts.Site.PBX, Heard: m.PBX.Heard, Reception: a.parts.Site.Reception}
	if v.Heard {
		v.HeardAt = time.Now().UTC()
	}
	return v
}

// mirrorView is the copy as its owner sees it.
func (a *Agent) mirrorView(m takeover.Machine) view.Mirror {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	v := view.Mirror{State: view.MirrorAway}
	if m.CommitsAlone() || !m.Vote && !m.Issued {
		v.LostCalls = len(a.board.alone)
	}
	if last := a.board.verified; last.Data != "" && last.Data == m.Other.DataID {
		v.VerifiedAt, v.Differences = last.At, last.Differences
	}
	if m.Phase == takeover.Rejoining || m.Phase == takeover.Copying {
		v.Progress = a.board.progress // told to the owner too: both screens show the copy (U1)
	}
	if !m.Gate || !m.Mirror.Streaming {
		return v
	}
	v.State = view.MirrorCatchingUp
	if m.Mirror.Flush >= m.Mirror.Own || !m.CommitsAlone() && (m.Vote || m.Issued) {
		v.State = view.MirrorInSync
	}
	if m.Mirror.Own > m.Mirror.Flush {
		v.Bytes = int64(m.Mirror.Own - m.Mirror.Flush)
	}
	if !a.board.behind.IsZero() {
		v.Seconds = time.Since(a.board.behind).Seconds()
	}
	return v
}

// siteMirror is the copy as its owner sees it. An owner that is not heard sees nothing:
// what it last said of the copy, or of how far a new one had come, is withdrawn.
func (a *Agent) siteMirror(m takeover.Machine, other Message, heard bool) view.Mirror {
	if m.RunsAt() == releve.Base {
		return view.Mirror{State: view.MirrorNone}
	}
	v := other.Mirror
	if m.Owns() || !m.Known {
		v = a.mirrorView(m)
	} else if !heard {
		return view.Mirror{State: view.MirrorAway, VerifiedAt: v.VerifiedAt, Differences: v.Differences}
	}
	if v.State == "" {
		v.State = view.MirrorAway
	}
	switch {
	case copies(m.Phase):
		v.State, v.Progress = view.MirrorCloning, a.mirrorView(m).Progress
	case copies(other.Status.Phase) && heard:
		v.State, v.Progress = view.MirrorCloning, other.Mirror.Progress
	case m.RunsAt() == releve.Backup && v.State == view.MirrorAway:
		v.State = view.MirrorCopy
	}
	return v
}

func copies(p takeover.Phase) bool { return p == takeover.Rejoining || p == takeover.Copying }

// word is the one word on the screen with its reason (V2).
func word(m takeover.Machine, s view.Site) (view.Word, releve.Sentence) {
	switch s.Level {
	case releve.Mirroring:
		return wordOfOneVoice(m, s)
	case releve.Base:
		return wordOfOneServer(s)
	case releve.Backup:
		return wordOfBackup(m, s)
	}
	active, passive := s.Main, s.Secondary
	if s.Owner == releve.Secondary {
		active, passive = passive, active
	}
	switch relieved, known := m.Relieved(); {
	case known && !active.Heard:
		return view.NotProtected, releve.Say("why-witness-names-other", "seat", string(relieved.Owner), "term", fmt.Sprint(relieved.Term))
	case active.Duty != releve.Active && passive.WithoutDuty:
		return view.NotProtected, releve.Say("why-without-duty", "seat", string(passive.Seat))
	case active.Duty != releve.Active:
		return view.Stopped, whyStopped(m, s, active, passive)
	case active.Data.State == releve.TierDegraded: // the rest may follow from it
		return view.NotProtected, active.Data.Why
	case active.SpoolWaiting > spoolQuiet || active.SpoolWaiting > 0 && active.SpoolStands || passive.SpoolWaiting > 0:
		return view.NotProtected, releve.Say("why-spool", "records", itoa(active.SpoolWaiting+passive.SpoolWaiting))
	case !passive.Heard:
		return view.NotProtected, releve.Say("why-other-silent", "seat", string(passive.Seat))
	case s.Mirror.Differences > 0:
		return view.NotProtected, releve.Say("why-mirror-differs", "seat", string(passive.Seat), "differences", itoa(s.Mirror.Differences))
	case !passive.Vote:
		return view.NotProtected, releve.Say("why-alone", "seat", string(active.Seat))
	case m.Witnessed() && !m.WitnessHeard():
		return view.NotProtected, releve.Say("why-witness-silent")
	case active.Processing.State != releve.TierWell:
		return view.NotProtected, active.Processing.Why
	case passive.Data.State == releve.TierDegraded:
		return view.NotProtected, passive.Data.Why
	case passive.Processing.State == releve.TierDegraded:
		return view.NotProtected, passive.Processing.Why
	case passive.Processing.State != releve.TierWell:
		return view.NotProtected, releve.Say("why-standby-unwell", "seat", string(passive.Seat))
	case !m.Protected():
		return view.NotProtected, releve.Say("why-mirror-away")
	}
	if s.Readiness != nil && !s.Readiness.Ready { // nothing would be lost, and yet
		return view.Protected, releve.Say("why-protected-unproven", "seat", string(active.Seat))
	}
	return view.Protected, releve.Say("why-protected", "seat", string(active.Seat))
}

// whyStopped is why nobody answers: what keeps the standby from taking over, and what to
// do first. The way of the calls comes before the server, and the server before its vote:
// what stands later in the row helps nobody while the earlier is not mended.
func whyStopped(m takeover.Machine, s view.Site, owner, standby view.Server) releve.Sentence {
	code := "why-stopped-ready"
	switch begins := owner.Doing.Code; {
	case owner.Heard && (begins == "phase-"+string(takeover.Starting) || begins == "phase-"+string(takeover.Founding)):
		code = "why-stopped-starting"
	case !s.PBX.Heard && (!standby.Heard || standby.Processing.State == releve.TierDown):
		code = "why-stopped-pbx"
	case !standby.Heard:
		code = "why-stopped-silent"
	case owner.Heard && begins == "phase-"+string(takeover.Unconfirmed):
		code = "why-stopped-starting"
	case standby.Data.State != releve.TierWell:
		code = "why-stopped-copy"
	case standby.Processing.State != releve.TierWell:
		code = "why-stopped-unwell"
	case m.Witnessed() && !standby.Witness:
		code = "why-stopped-witness"
	case !standby.Vote:
		code = "why-stopped-vote"
	}
	return releve.Say(code, "seat", string(owner.Seat), "other", string(standby.Seat), "pbx", s.PBX.Address)
}

// wordOfOneVoice is the word where only the main answers: it is protected while each
// record is on both machines (SPEC §2).
func wordOfOneVoice(m takeover.Machine, s view.Site) (view.Word, releve.Sentence) {
	main, mirror := s.Main, s.Secondary
	alone := m.Owns() && m.CommitsAlone() || !m.Owns() && m.Other.Lone
	if word, why := wordOfMain(main, mirror.SpoolWaiting); word != "" {
		return word, why
	}
	switch {
	case s.Mirror.Differences > 0:
		return view.NotProtected, releve.Say("why-mirror-differs", "seat", string(mirror.Seat), "differences", itoa(s.Mirror.Differences))
	case alone:
		return view.NotProtected, releve.Say("why-alone", "seat", string(main.Seat))
	case mirror.Heard && mirror.Data.State == releve.TierDegraded:
		return view.NotProtected, mirror.Data.Why
	case !mirror.Heard || !m.Protected():
		return view.NotProtected, releve.Say("why-mirror-away")
	case main.Processing.State != releve.TierWell:
		return view.NotProtected, main.Processing.Why
	}
	return view.Protected, releve.Say("why-mirrored", "seat", string(main.Seat), "other", string(mirror.Seat))
}

// wordOfOneServer is the word where there is no second one: what befalls it befalls the site, and
// that is what the level says (SPEC §2).
func wordOfOneServer(s view.Site) (view.Word, releve.Sentence) {
	if word, why := wordOfMain(s.Main, s.Secondary.SpoolWaiting); word != "" {
		return word, why
	}
	if s.Main.Processing.State != releve.TierWell {
		return view.NotProtected, s.Main.Processing.Why
	}
	return view.NotProtected, releve.Say("why-base", "seat", string(s.Main.Seat))
}

// wordOfBackup is the word where the second server has a copy at rest: the service could go on there,
// and what came since the copy could not (SPEC §2).
func wordOfBackup(m takeover.Machine, s view.Site) (view.Word, releve.Sentence) {
	active, passive := s.Main, s.Secondary
	if s.Owner == releve.Secondary {
		active, passive = passive, active
	}
	word, why := wordOfMain(active, passive.SpoolWaiting)
	switch {
	case word == view.Stopped && m.Owns() && m.Mute() && !passive.Heard:
		return word, releve.Say("why-stopped-unconfirmed", "seat", string(active.Seat), "other", string(passive.Seat))
	case word == view.Stopped && m.Lease().Stands && !m.Owns():
		return word, releve.Say("why-stopped-lease", "seat", string(active.Seat), "other", string(passive.Seat),
			"until", active.HeardAt.Add(m.Other.Line.Granted).Format(time.RFC3339))
	case word == view.Stopped:
		return word, releve.Say("why-stopped-backup", "seat", string(active.Seat), "other", string(passive.Seat))
	case word != "":
		return word, why
	case !passive.Heard:
		return view.NotProtected, releve.Say("why-other-silent", "seat", string(passive.Seat))
	case passive.Data.State == releve.TierDegraded:
		return view.NotProtected, passive.Data.Why
	case active.Processing.State != releve.TierWell:
		return view.NotProtected, active.Processing.Why
	case passive.Copied.IsZero() || s.Mirror.State != view.MirrorCopy:
		return view.NotProtected, releve.Say("why-backup-no-copy", "seat", string(passive.Seat))
	}
	return view.NotProtected, releve.Say("why-backup", "seat", string(active.Seat), "other", string(passive.Seat),
		"at", passive.Copied.Format(time.RFC3339), "calls", itoa(active.SinceCopy))
}

// wordOfMain is what comes before all else where the main alone answers: whether it does, and where
// its records are; "" where nothing is wrong with that. elsewhere are those that wait at the other.
func wordOfMain(main view.Server, elsewhere int) (view.Word, releve.Sentence) {
	switch {
	case main.WithoutDuty:
		return view.NotProtected, releve.Say("why-without-duty", "seat", string(main.Seat))
	case main.Duty != releve.Active:
		return view.Stopped, releve.Say("why-stopped-one-voice", "seat", string(main.Seat))
	case main.Data.State == releve.TierDegraded:
		return view.NotProtected, main.Data.Why
	case main.Data.State != releve.TierWell:
		return view.NotProtected, releve.Say("why-database-away", "seat", string(main.Seat))
	case main.SpoolWaiting > spoolQuiet || main.SpoolWaiting > 0 && main.SpoolStands || elsewhere > 0:
		return view.NotProtected, releve.Say("why-spool", "records", itoa(main.SpoolWaiting+elsewhere))
	}
	return "", releve.Sentence{}
}
