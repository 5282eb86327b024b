package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// salvagesSheet is the page of what one server committed alone (SPEC M6): all that was found.
type salvagesSheet struct {
	*sheet
	All   []releve.Salvage
	Wrong string
}

// StateOf is how one stands, in words.
func (s *sheet) StateOf(one releve.Salvage) string { return s.Say("salvage-" + string(one.State)) }

func (s *Server) salvagesPage(w http.ResponseWriter, r *http.Request) {
	p, status := salvagesSheet{sheet: s.plainSheet(r)}, http.StatusOK
	all, err := s.options.Salvage.Salvages(r.Context())
	if p.All = all; err != nil {
		status, p.Wrong = http.StatusServiceUnavailable, p.Sentence(reasonOf(err))
	}
	s.show(w, r, status, "salvages", p.Lang, p)
}

// salvageSheet is the page of one, its rows side by side with what the site has.
type salvageSheet struct {
	*sheet
	One     releve.Salvage
	Rows    []text.SalvageRow
	More    int                   // rows that are not shown
	Tried   *releve.SalvageCounts // as a rehearsal says that it would be then
	Replace bool                  // … with what is in conflict
	Wrong   string
	Done    string
}

// Undecided says that something waits for an operator.
func (s salvageSheet) Undecided() bool {
	return s.One.Counts.Undecided() > 0 && s.One.State != releve.SalvageDiscarded
}

// Text is a number as it stands in a sentence.
func (salvageSheet) Text(n int) string { return strconv.Itoa(n) }

// salvageOnPage is how many rows a page shows; `releve salvage show` shows the others.
const salvageOnPage = 500

func (s *Server) salvagePage(w http.ResponseWriter, r *http.Request) {
	p := salvageSheet{}
	if done := r.URL.Query().Get("done"); done == "apply" || done == "discard" {
		p.Done = "salvaging-done-" + done
	}
	s.showSalvage(w, r, http.StatusOK, p)
}

func (s *Server) showSalvage(w http.ResponseWriter, r *http.Request, status int, p salvageSheet) {
	p.sheet = s.plainSheet(r)
	id, err := salvageNumber(r)
	if err == nil {
		p.One, err = s.options.Salvage.Salvage(r.Context(), id, salvageOnPage)
	}
	if errors.Is(err, releve.ErrNoSalvage) || p.One.ID == 0 && err == nil {
		unknown(w, r)
		return
	}
	if err != nil {
		status, p.Wrong = http.StatusServiceUnavailable, p.Sentence(reasonOf(err))
	}
	if p.Done != "" {
		p.Done = p.Say(p.Done)
	}
	p.Rows = text.SalvageRows(p.One, p.Lang)
	p.More = p.One.Counts.All() - len(p.Rows)
	s.show(w, r, status, "salvage", p.Lang, p)
}

// decide does with one what somebody chose: a rehearsal, what is new, what is in conflict too, or nothing of it.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	id, err := salvageNumber(r)
	if err != nil {
		unknown(w, r)
		return
	}
	act, replace := r.PostFormValue("act"), r.PostFormValue("replace") == "true"
	deed, code, dryRun := view.ApplySalvage, "order-salvage-apply", act == "rehearse"
	switch act {
	case "rehearse":
		deed = view.Rehearse
	case "discard":
		deed, code = view.DiscardSalvage, "order-salvage-discard"
	case "apply":
	default:
		s.showSalvage(w, r, http.StatusBadRequest, salvageSheet{})
		return
	}
	what := releve.Say(code, "number", strconv.FormatInt(id, 10), "replace", strconv.FormatBool(replace), "rehearsed", strconv.FormatBool(dryRun))
	var after releve.Salvage
	err = s.options.Door.Order(r.Context(), view.Order{By: caller(r), Deed: deed, What: what}, func(context.Context) (err error) {
		if deed == view.DiscardSalvage {
			after, err = s.options.Salvage.DiscardSalvage(s.life, id)
			return err
		}
		after, err = s.options.Salvage.ApplySalvage(s.life, id, dryRun, replace)
		return err
	})
	switch {
	case err == nil && dryRun:
		s.showSalvage(w, r, http.StatusOK, salvageSheet{Tried: &after.Counts, Replace: replace})
	case err == nil:
		http.Redirect(w, r, "/salvage/"+url.PathEscape(r.PathValue("id"))+"?done="+act, http.StatusSeeOther)
	case errors.Is(err, view.ErrNoRight):
		sheet := s.plainSheet(r)
		s.show(w, r, http.StatusForbidden, "denied", sheet.Lang, sheet)
	default:
		s.showSalvage(w, r, http.StatusConflict, salvageSheet{Wrong: s.plainSheet(r).Sentence(reasonOf(err))})
	}
}
