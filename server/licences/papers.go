package licences

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/rules/licence"
	"releve/rules/study"
	"releve/screen/view"
)

// studyMost is the size of the largest study that is adopted, in bytes as it travels: it comes through
// a socket that takes 64 KiB, and one of a site has 30.
const studyMost = 60 << 10

// AdoptStudy has a study come before the levels that it found feasible, on both servers; a dry run
// shows what would come of it. What is refused is in the answer; an error is this machine's.
func (k *Keeper) AdoptStudy(ctx context.Context, file []byte, dryRun bool) (view.Adoption, error) {
	answer, err := k.adopt(file, dryRun)
	if err != nil || answer.Refused != nil || dryRun {
		return answer, err
	}
	answer.After = k.tell(ctx)
	return answer, nil
}

func (k *Keeper) adopt(file []byte, dryRun bool) (answer view.Adoption, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	answer.DryRun, answer.After = dryRun, k.shown
	papers, err := k.adopting(file)
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		answer.Refused = &fault.Why
		return answer, nil
	}
	if dryRun {
		defer func(before study.Papers) { k.papers = before }(k.papers)
		k.papers = papers
		wall := k.o.Wall()
		ruling, _ := k.verdict(k.licences(), wall)
		answer.After = k.viewOf(ruling, wall)
		return answer, nil
	}
	if err := k.keep(papers); err != nil {
		return answer, err
	}
	k.o.Front.Explain(releve.Say("study-adopted", "date", papers.Study.At.UTC().Format(time.DateOnly)))
	k.weigh()
	return answer, nil
}

// adopting reads a study, and what the papers are with it.
func (k *Keeper) adopting(file []byte) (study.Papers, error) {
	var made releve.Study
	if err := json.Unmarshal(file, &made); err != nil || made.Format < 1 || made.Format > releve.StudyFormat || len(made.Findings) == 0 {
		return study.Papers{}, no("study.foreign")
	}
	if raw, err := json.Marshal(made); err != nil || len(raw) > studyMost {
		return study.Papers{}, no("study.large", "most", strconv.Itoa(studyMost))
	}
	return k.papers.Adopt(made, k.o.Place, k.memory.Clock.Now())
}

// Study is the study that the site adopted, nil where it adopted none.
func (k *Keeper) Study() *releve.Study {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.papers.Study
}

// preceded says why a licence is not installed: nothing comes before what it gives. One that
// renews what was licensed before asks for nothing.
func (k *Keeper) preceded(l kept, without string) error {
	renews := slices.ContainsFunc(k.held, func(h kept) bool { return h.Gives(l.Level) })
	if renews || without != "" {
		return nil
	}
	if _, err := k.papers.Clears(l.Level, k.o.Place, k.memory.Clock.Now()); err != nil {
		return no("licence.unstudied", "serial", l.Serial, "level", string(l.Level), "why", releve.Reason(err))
	}
	return nil
}

// vouched keeps the word on which a licence is installed.
func (k *Keeper) vouched(l kept, name string) error {
	if name == "" {
		return nil
	}
	if _, err := k.papers.Clears(l.Level, k.o.Place, k.memory.Clock.Now()); err == nil {
		return nil // there is no need of a word
	}
	return k.keep(k.papers.Vouch(l.Level, name, k.memory.Clock.Now()))
}

// Vouch keeps an operator's word that a level may be had without a study, and tells it to the
// other server at the next beat.
func (k *Keeper) Vouch(level releve.Level, name string) error {
	k.mu.Lock()
	err := k.keep(k.papers.Vouch(level, name, k.memory.Clock.Now()))
	if err == nil {
		k.weigh()
	}
	k.mu.Unlock()
	k.again()
	return err
}

// left is told what runs, and sees what became of the level that ran: whether it fell as was
// announced, and that the word for it ends, for to have it again somebody says so again.
func (k *Keeper) left(runs licence.Running) licence.Running {
	was := k.ran.Level
	if was == "" || !runs.Level.Raises(was) {
		return runs
	}
	if k.papers.Words[was].Name != "" {
		k.file(k.papers.Vouch(was, "", k.memory.Clock.Now()))
	}
	if k.ruling.Level == was && k.ruling.FallsBack.Due && k.ruling.FallsBack.To == runs.Level {
		k.memory = k.ruling.Fell(k.memory)
	}
	return runs
}

// notices are what people are told of licences, and of what stands in the place of a study.
func (k *Keeper) notices(r licence.Ruling, wall time.Time) []releve.Sentence {
	all := r.Notices(wall)
	for _, level := range releve.Levels() {
		by, err := k.papers.Clears(level, k.o.Place, r.Clock.Now())
		if err != nil || by == "" {
			continue
		}
		day := k.papers.Words[level].At.UTC().Format(time.DateOnly)
		all = append(all, releve.Say("study-vouched-for", "level", string(level), "name", by, "date", day))
	}
	return all
}

// cleared is what each level asks for, and what there is of it.
func (k *Keeper) cleared(sum licence.Sum) (all []view.Cleared) {
	for _, level := range releve.Levels() {
		all = append(all, view.Cleared{Level: level, Licence: licenceOf(sum, level), Study: k.studyOf(level)})
	}
	return all
}

func licenceOf(sum licence.Sum, level releve.Level) view.Paper {
	if !sum.May(level) {
		return view.Paper{What: releve.Say("paper-unlicensed", "why", releve.Reason(sum.Lacks(level)))}
	}
	channels := strconv.Itoa(sum.ChannelsOf(level))
	if end := sum.Ends(level); !end.IsZero() {
		return view.Paper{There: true, What: releve.Say("paper-licensed-until", "channels", channels, "date", licence.LastDay(end))}
	}
	return view.Paper{There: true, What: releve.Say("paper-licensed", "channels", channels)}
}

func (k *Keeper) studyOf(level releve.Level) view.Paper {
	by, err := k.papers.Clears(level, k.o.Place, k.memory.Clock.Now())
	switch {
	case err != nil:
		return view.Paper{What: releve.Say("paper-unstudied", "why", releve.Reason(err))}
	case by != "":
		return view.Paper{There: true, What: releve.Say("paper-vouched", "name", by)}
	}
	return view.Paper{There: true, What: releve.Say("paper-studied", "date", k.papers.Study.At.UTC().Format(time.DateOnly))}
}

// adopted is the study of a site as screens show it, nil where there is none.
func adopted(p study.Papers, here study.Place, now time.Time) *view.Adopted {
	if p.Study == nil {
		return nil
	}
	v := view.Adopted{
		At: p.Study.At, Establishment: p.Study.Question.Establishment, Integrator: p.Study.Question.Integrator, Signed: p.Study.Signed,
		Feasible: []releve.Level{}, Adopted: p.Adopted,
	}
	for _, level := range licence.Levels {
		if study.Before(*p.Study, level, here, now) == nil {
			v.Feasible = append(v.Feasible, level)
		}
	}
	return &v
}

// file keeps papers where they are others than those that are kept.
func (k *Keeper) file(p study.Papers) (changed bool) {
	if p.ID() == k.papers.ID() {
		return false
	}
	k.unread = k.keep(p)
	return k.unread == nil
}

// keep keeps papers on this server's disk, or says why it cannot.
func (k *Keeper) keep(p study.Papers) error {
	if err := k.shelf.lay(p); err != nil {
		return fmt.Errorf("the study cannot be kept in %s: %w", k.o.Dir, err)
	}
	k.papers, k.unread = p, nil
	return nil
}

// filed are the papers that were kept; none, where there never were any.
func (s shelf) filed() (p study.Papers, err error) {
	raw, err := os.ReadFile(s.file(papers))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(raw)).Decode(&p)
	}
	if err != nil {
		return study.Papers{}, err
	}
	return p, nil
}

func (s shelf) lay(p study.Papers) error {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(s.file(papers), append(raw, '\n'), 0o600)
}
