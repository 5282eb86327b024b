package console_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"releve"

	"releve/screen/console"
	"releve/screen/console/client"
)

// desk notes what it is asked and answers with its one salvage.
type desk struct {
	asked []string
	err   error
}

func (d *desk) note(format string, args ...any) (releve.Salvage, error) {
	d.asked = append(d.asked, fmt.Sprintf(format, args...))
	return releve.Salvage{ID: 7, State: releve.SalvageOpen}, d.err
}

func (d *desk) all(v releve.Salvage, err error) ([]releve.Salvage, error) {
	return []releve.Salvage{v}, err
}

func (d *desk) Salvages(context.Context) ([]releve.Salvage, error) { return d.all(d.note("list")) }

func (d *desk) Salvage(_ context.Context, id int64, limit int) (releve.Salvage, error) {
	return d.note("show %d, %d rows", id, limit)
}

func (d *desk) ExtractSalvage(context.Context) ([]releve.Salvage, error) {
	return d.all(d.note("extract"))
}

func (d *desk) ApplySalvage(_ context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return d.note("apply %d dry=%t replace=%t", id, dryRun, replace)
}

func (d *desk) DiscardSalvage(_ context.Context, id int64) (releve.Salvage, error) {
	return d.note("discard %d", id)
}

func TestAnOperatorDecidesAboutASalvageByTheSocketOnly(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	d := &desk{}
	server := served(t, newSite(t, "protected"), console.Options{Socket: socket, Salvage: d})
	operator := client.New(socket)

	list, errList := operator.Salvages(t.Context())
	shown, errShow := operator.Salvage(t.Context(), 7, 20)
	_, errExtract := operator.ExtractSalvage(t.Context())
	_, errApply := operator.ApplySalvage(t.Context(), 7, true, false)
	_, errReplace := operator.ApplySalvage(t.Context(), 7, false, true)
	_, errDiscard := operator.DiscardSalvage(t.Context(), 7)
	if err := errors.Join(errList, errShow, errExtract, errApply, errReplace, errDiscard); err != nil ||
		len(list) != 1 || shown.ID != 7 {
		t.Errorf("list %+v, show %+v: %v", list, shown, err)
	}
	want := "[list show 7, 20 rows extract apply 7 dry=true replace=false apply 7 dry=false replace=true discard 7]"
	if got := fmt.Sprint(d.asked); got != want {
		t.Errorf("asked %s, expected %s", got, want)
	}
	for _, cause := range []error{releve.ErrNoSalvage, releve.ErrSalvageDecided, releve.ErrNotOnDuty} {
		d.err = fmt.Errorf("no: %w", cause)
		if _, err := operator.DiscardSalvage(t.Context(), 7); !errors.Is(err, cause) {
			t.Errorf("%v came as %v", cause, err)
		}
	}
	if response, body := ask(t, "POST", "http://"+server.Address()+"/api/salvages/7/apply"); response.StatusCode/100 != 4 {
		t.Errorf("by the page's address: %s %s", response.Status, body)
	}
}
