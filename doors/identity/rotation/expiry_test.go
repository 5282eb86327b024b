package rotation

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
	"releve/rules/alarm"
	"releve/screen/words"
)

// The days are virtual: from 40 days before the end of the secondary's certificate.
func TestTheEndOfACertificateIsSaidOnceADayForThirtyDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, day := time.Now(), 24*time.Hour
		held := []identity.Lasting{
			{Name: identity.AuthorityName, Until: begun.Add(3650 * day)},
			{Name: "secondary", Until: begun.Add(40*day + time.Hour)},
			{Name: "main", Until: begun.Add(41 * day)},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var days []int
		var said []releve.Sentence
		go noticeCertificates(ctx, func() ([]identity.Lasting, error) { return slices.Clone(held), nil }, func(what releve.Sentence) {
			want := releve.Warning
			if time.Now().After(held[1].Until) {
				want = releve.Major
			}
			if got := alarm.Of(releve.Main, what).Severity; got != want {
				t.Errorf("its severity is %q, want %q", got, want)
			}
			days = append(days, int(time.Since(begun)/day))
			said = append(said, what)
		})
		time.Sleep(43*day - time.Hour)
		synctest.Wait()
		cancel()
		synctest.Wait()
		var want []int
		for d := 10; d <= 42; d++ {
			want = append(want, d)
		}
		if !slices.Equal(days, want) {
			t.Fatalf("said on the days %v, want %v", days, want)
		}
		date := held[1].Until.Format(time.DateOnly)
		for _, c := range []struct {
			lang releve.Language
			what releve.Sentence
			want string
		}{
			{releve.English, said[0], "The servers of this site know each other by their certificates: the certificate of secondary will expire on " + date +
				"; run `releve certificates renew` where `releve init` wrote this site, and do what it says."},
			{releve.French, said[31], "Les serveurs de cet établissement se reconnaissent à leurs certificats : le certificat de secondary a expiré le " + date +
				" ; vérifiez l'heure de chaque machine, puis lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit."},
		} {
			if got := words.Say(c.lang, c.what); got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		}
	})
}

func TestTheCertificatesThatAServerIsStartedWith(t *testing.T) {
	until := time.Now().Add(time.Minute).Truncate(time.Second)
	dir := identitytest.Until(t, testSite, until)
	p := identity.Files{Authority: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "main.pem"), Other: filepath.Join(dir, "secondary.pem")}
	held, err := Lasting(p)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{identity.AuthorityName, "main", "secondary"} {
		if held[i].Name != name || held[i].Site != testSite {
			t.Errorf("got %+v, want %s", held[i], name)
		}
	}
	if !held[2].Until.Equal(until) {
		t.Errorf("the secondary's lasts until %s, want %s", held[2].Until, until)
	}
	p.Other = filepath.Join(dir, "gone.pem")
	if _, err := Lasting(p); err == nil {
		t.Error("a file that is not there is taken")
	}
}

// Once others are in the files' place, what was said is over within the hour.
func TestANewCertificateEndsWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Value
		lasts := func(days int) {
			held.Store([]identity.Lasting{{Name: "main", Until: time.Now().Add(time.Duration(days) * 24 * time.Hour)}})
		}
		lasts(10)
		ctx, cancel := context.WithCancel(t.Context())
		var said []string
		go noticeCertificates(ctx, func() ([]identity.Lasting, error) { return held.Load().([]identity.Lasting), nil }, func(what releve.Sentence) {
			said = append(said, string(alarm.Of(releve.Main, what).Effect)+" "+alarm.Of(releve.Main, what).Key.String())
		})
		time.Sleep(2 * time.Hour)
		lasts(1000)
		time.Sleep(2 * time.Hour)
		cancel()
		synctest.Wait()
		if got := strings.Join(said, "; "); got != "rises certificate/main:dates; ends certificate/main:dates" {
			t.Errorf("said %q", got)
		}
	})
}
