package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// proceduresSheet is the page of the procedures: those that one may choose of, and what became of others.
type proceduresSheet struct {
	*sheet
	Offers []view.Offer
	All    []view.Run
}

// Now are those that may begin now, Later the others.
func (p proceduresSheet) Now() []view.Offer   { return p.offers(true) }
func (p proceduresSheet) Later() []view.Offer { return p.offers(false) }

func (p proceduresSheet) offers(free bool) (some []view.Offer) {
	for _, o := range p.Offers {
		if (len(o.Why) == 0 && !o.Already) == free {
			some = append(some, o)
		}
	}
	return some
}

// nightly are the procedures that people look for at night; the others follow by their names.
var nightly = []string{"return", "switchover", "takeover", "solo", "solo-carried", "restore", "mirror-resume", "mirror-rebuild", "copy"}

func inOrder(all []view.Offer) []view.Offer {
	rank := func(o view.Offer) int {
		if at := slices.Index(nightly, o.Name); at >= 0 {
			return at
		}
		return len(nightly)
	}
	slices.SortStableFunc(all, func(a, b view.Offer) int { return rank(a) - rank(b) })
	return all
}

// Of is one of them on the page.
func (p proceduresSheet) Of(o view.Offer) offerRow { return offerRow{p.sheet, o} }

type offerRow struct {
	*sheet
	Offer view.Offer
}

// Lasts is how long it takes, as it took here before.
func (o offerRow) Lasts() string {
	if o.Offer.Expected == 0 {
		return ""
	}
	return o.Say("ui-procedure-expected", "lasts", o.Offer.Expected.String())
}

// State is how a procedure stands: it runs, is done, failed, or was cut short and can be gone on with.
func (s *sheet) State(r view.Run) string {
	p := r.Procedure
	switch {
	case p.Finished.IsZero() && s.Procedure != nil && s.Procedure.ID == p.ID && s.Procedure.Runs():
		return "running"
	case p.Finished.IsZero():
		return "cut"
	case p.Failed != nil:
		return "failed"
	}
	return "done"
}

func (s *Server) proceduresPage(w http.ResponseWriter, r *http.Request) {
	p := proceduresSheet{sheet: s.liveSheet(r), Offers: inOrder(s.options.Guide.Offers()), All: s.options.Guide.Runs()}
	s.show(w, r, http.StatusOK, "procedures", p.Lang, p)
}

// liveSheet is a sheet of a page behind the login that keeps itself up to date.
func (s *Server) liveSheet(r *http.Request) *sheet {
	sheet := s.plainSheet(r)
	sheet.Other, sheet.Live = s.other(r), true
	return sheet
}

// choiceSheet is the page on which a procedure is rehearsed and ordered.
type choiceSheet struct {
	*sheet
	Offer     view.Offer
	Rehearsal []string          // as `--dry-run` shows it
	Needs     []view.Need       // each condition and what there is of it
	Typed     wishForm          // as it was filled in
	Wrong     string            // why nothing was begun
	Bad       map[string]string // what is wrong with a field, by its name
	Can       bool              // nothing forbids it
}

// Confirm is what has to be typed where callers could notice: the server that is acted upon, by its name.
func (c choiceSheet) Confirm() string { return c.Say("seat-" + string(c.Offer.Target)) }

// wishForm is what somebody filled in.
type wishForm struct {
	Off, Vouch bool
	By         string
	Word       string // the other server's, as `releve abdicate` wrote it
	Confirm    string
}

func filledIn(r *http.Request) wishForm {
	return wishForm{
		Off: r.FormValue("off") == "true", Vouch: r.FormValue("vouch") == "true", By: strings.TrimSpace(r.FormValue("by")),
		Word: strings.TrimSpace(r.FormValue("word")), Confirm: strings.TrimSpace(r.FormValue("confirm")),
	}
}

// wish is what the form asks for, and what is wrong with its fields.
func (f wishForm) wish(o view.Offer, person view.Person) (w view.Wish, bad map[string]string) {
	w, bad = view.Wish{Name: o.Name, OtherIsOff: f.Off && (o.Off || o.MayOff), Ordered: person.Name}, map[string]string{}
	if o.Named {
		w.By = f.By
	}
	if f.Vouch && o.Vouched {
		w.WithoutStudy = person.Name
	}
	if o.Carried && f.Word != "" {
		read := json.NewDecoder(strings.NewReader(f.Word))
		read.DisallowUnknownFields()
		var word view.Abdication
		if read.Decode(&word) != nil || word.Seat == "" || word.Signature == "" {
			bad["word"] = "form-word"
		} else {
			w.Abdication = &word
		}
	}
	return w, bad
}

// begin says what else is wrong with a form by which a procedure is to begin.
func (f wishForm) begin(o view.Offer, confirm string, bad map[string]string) {
	if o.Off && !f.Off {
		bad["off"] = "form-off"
	}
	if o.Named && f.By == "" {
		bad["by"] = "form-by"
	}
	if o.Carried && f.Word == "" {
		bad["word"] = "form-word"
	}
	if o.Noticed && !strings.EqualFold(f.Confirm, confirm) {
		bad["confirm"] = "form-confirm"
	}
}

// offered is the procedure that an address names.
func (s *Server) offered(r *http.Request) (view.Offer, bool) {
	for _, o := range s.options.Guide.Offers() {
		if o.Name == r.PathValue("name") {
			return o, true
		}
	}
	return view.Offer{}, false
}

func (s *Server) choicePage(w http.ResponseWriter, r *http.Request) {
	s.choose(w, r, http.StatusOK, filledIn(r), nil, "")
}

// choose shows a procedure with its rehearsal, as it would go with what was filled in.
func (s *Server) choose(w http.ResponseWriter, r *http.Request, status int, form wishForm, bad map[string]string, wrong string) {
	o, there := s.offered(r)
	if !there {
		unknown(w, r)
		return
	}
	c := choiceSheet{sheet: s.plainSheet(r), Offer: o, Typed: form, Bad: map[string]string{}, Wrong: wrong}
	if c.Typed.By == "" {
		c.Typed.By = c.Person.Name
	}
	wish, unread := form.wish(o, *c.Person)
	for _, some := range []map[string]string{unread, bad} {
		for field, code := range some {
			c.Bad[field] = c.Say(code, "word", c.Confirm())
		}
	}
	wish.DryRun = true
	var last view.Procedure
	err := s.options.Door.Order(r.Context(), view.Order{By: caller(r), Deed: view.Rehearse, What: wish.Sentence()}, func(ctx context.Context) error {
		return s.options.Guide.Procedure(ctx, wish, func(p view.Procedure) { last = p })
	})
	c.Can = err == nil
	c.Needs, c.Rehearsal = last.Needs, text.Steps(last, c.Lang)
	if err != nil && last.ID == "" {
		c.Wrong = cmp.Or(c.Wrong, words.Say(c.Lang, reasonOf(err)))
	}
	s.show(w, r, status, "choice", c.Lang, c)
}

// reasonOf is an error as a sentence that a page can show.
func reasonOf(err error) releve.Sentence {
	if fault, is := errors.AsType[*releve.Fault](err); is {
		return fault.Why
	}
	return releve.Say("form-failed", "why", releve.Reason(err))
}

// orderProcedure rehearses a procedure again with what was filled in, or begins it.
func (s *Server) orderProcedure(w http.ResponseWriter, r *http.Request) {
	o, there := s.offered(r)
	form := filledIn(r)
	if !there || r.FormValue("act") != "begin" {
		s.choose(w, r, http.StatusOK, form, nil, "")
		return
	}
	wish, bad := form.wish(o, *s.who(r))
	form.begin(o, choiceSheet{sheet: s.plainSheet(r), Offer: o}.Confirm(), bad)
	if len(bad) > 0 && s.who(r).RunsSite {
		s.choose(w, r, http.StatusUnprocessableEntity, form, bad, "")
		return
	}
	id, err := s.begin(view.Order{By: caller(r), Deed: view.RunProcedure, What: wish.Sentence()}, wish)
	switch {
	case err == nil:
		http.Redirect(w, r, "/procedures/runs/"+url.PathEscape(id), http.StatusSeeOther)
	case errors.Is(err, view.ErrNobody):
		s.showLogin(w, r, http.StatusUnauthorized, loginSheet{Next: r.URL.Path, Wrong: s.plainSheet(r).Say("login-over")})
	case errors.Is(err, view.ErrNoRight):
		sheet := s.plainSheet(r)
		s.show(w, r, http.StatusForbidden, "denied", sheet.Lang, sheet)
	default:
		s.choose(w, r, http.StatusConflict, form, nil, words.Say(readerLanguage(r), reasonOf(err)))
	}
}

// beginLimit is how long a procedure may take to show itself: what forbids it has some seconds to pass.
const beginLimit = 10 * time.Second

// begin begins a procedure that goes on whoever leaves, and gives its ID once it shows itself.
func (s *Server) begin(o view.Order, wish view.Wish) (id string, err error) {
	shown, over := make(chan string, 1), make(chan error, 1)
	s.serving.Go(func() {
		over <- s.options.Door.Order(s.life, o, func(ctx context.Context) error {
			return s.options.Guide.Procedure(ctx, wish, func(p view.Procedure) {
				select {
				case shown <- p.ID:
				default: // it was told before
				}
			})
		})
	})
	limit := time.NewTimer(beginLimit)
	defer limit.Stop()
	select {
	case id := <-shown:
		return id, nil
	case err := <-over:
		select {
		case id := <-shown: // both at once
			return id, nil
		default:
			return "", err
		}
	case <-limit.C:
		return "", errors.New("it has not begun")
	}
}

// runSheet is the page of a procedure that was ordered: while it runs, and its report.
type runSheet struct {
	*sheet
	Run   view.Run
	Wrong string
}

// Elsewhere is this page at the other server, "" where it is not known.
func (r runSheet) Elsewhere() string {
	if r.Other == "" {
		return ""
	}
	at, err := url.Parse(r.Other)
	if err != nil {
		return ""
	}
	at.Path = r.Here.Path
	return at.String()
}

// Reported are the lines of the report's steps.
func (r runSheet) Reported() []stepRow { return r.rowsOf(&r.Run.Procedure) }

// Moment is a time of a day with its date.
func (s *sheet) Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return words.Moment(s.Lang, t)
}

// Lasted is how long a procedure took.
func (r runSheet) Lasted() string {
	p := r.Run.Procedure
	if p.Finished.IsZero() {
		return ""
	}
	return words.Duration(r.Lang, p.Finished.Sub(p.Started))
}

func (s *Server) runPage(w http.ResponseWriter, r *http.Request) {
	s.showRun(w, r, http.StatusOK, "")
}

func (s *Server) showRun(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	for _, run := range s.options.Guide.Runs() {
		if run.Procedure.ID == r.PathValue("id") {
			sheet := s.liveSheet(r)
			sheet.Live = sheet.State(run) == "running"
			s.show(w, r, status, "run", sheet.Lang, runSheet{sheet: sheet, Run: run, Wrong: wrong})
			return
		}
	}
	unknown(w, r)
}

// abort ends a procedure where it is.
func (s *Server) abort(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	err := s.options.Door.Order(r.Context(), view.Order{By: caller(r), Deed: view.AbortProcedure, What: releve.Say("order-abort", "id", id)},
		func(ctx context.Context) error { return s.options.Guide.AbortProcedure(ctx, id) })
	switch {
	case err == nil:
		http.Redirect(w, r, "/procedures/runs/"+url.PathEscape(id), http.StatusSeeOther)
	case errors.Is(err, view.ErrNoRight):
		sheet := s.plainSheet(r)
		s.show(w, r, http.StatusForbidden, "denied", sheet.Lang, sheet)
	case errors.Is(err, releve.ErrUnknown): // it has ended
		http.Redirect(w, r, "/procedures/runs/"+url.PathEscape(id), http.StatusSeeOther)
	case errors.Is(err, releve.ErrForbidden):
		s.showRun(w, r, http.StatusConflict, s.plainSheet(r).Say("form-firm"))
	default:
		s.showRun(w, r, http.StatusServiceUnavailable, words.Say(readerLanguage(r), reasonOf(err)))
	}
}
