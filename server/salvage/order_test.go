package salvage_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"releve"
	"releve/adapters/peer"
	"releve/config"
	"releve/config/site"
	"releve/server/salvage"
)

// linked is the secondary's end of a link whose other end answers about salvages only.
func linked(t *testing.T, main peer.Handler) salvage.Other {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-") // short, as a site's must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := site.Defaults()
	o.Dir, o.Name, o.PBX, o.Domain = dir, "Hôpital", netip.MustParseAddrPort("127.0.0.1:5060"), "ipbx.test"
	house := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 64, byte(os.Getpid()), n}) }
	o.Main.Host, o.Secondary.Host = house(21), house(22)
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = "9", "reception-secret", "standby-secret"
	written, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	open := func(file string, h peer.Handler) *peer.Peer {
		c, mistakes := config.Load(file)
		if len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		p, err := peer.New(peer.Options{
			Listen: netip.MustParseAddrPort(c.Peer.Listen), Other: netip.MustParseAddrPort(c.Peer.Other),
			CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key,
			OtherCert: c.Peer.OtherCertificate, Seat: c.Site.Seat, SiteID: c.Site.ID,
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Serve(h)
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	open(written.Main, main)
	return salvage.Other{Link: open(written.Secondary, &found{})}
}

// found is a server on which something big was found: that, and what its salvager says, is
// all that it answers.
type found struct {
	peer.Handler
	salvage.Disk
	salvager *salvage.Salvager
	big      releve.Salvage
}

func (f *found) Extract(context.Context, string) (releve.Salvage, error) { return f.big, nil }

func (f *found) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return salvage.Desk(f, f.salvager)[name](ctx, args, emit)
}

func TestASalvageOfAnySizeComesOverTheLinkWhole(t *testing.T) {
	big := releve.Salvage{Seat: releve.Main, Directory: "data.aside-20261124T030000.000Z", Commits: 1}
	long := strings.Repeat("é", 40<<10)
	for n := range 100 {
		big.Changes = append(big.Changes, releve.SalvageChange{
			Number: n + 1, Table: "call", After: releve.Row{"fact_id": &long, "none": nil},
		})
	}
	disk := linked(t, &found{big: big})
	got, err := disk.Extract(t.Context(), big.Directory)
	if err != nil || !reflect.DeepEqual(got, big) {
		t.Errorf("%d rows of %d came (%v)", len(got.Changes), len(big.Changes), err)
	}
}

// nobook is a database that is not there, or does not know the salvage.
type nobook struct{ salvage.Book }

func (nobook) OnDuty() bool { return true }

func (nobook) Discard(context.Context, int64) (releve.Salvage, error) {
	return releve.Salvage{}, releve.ErrSalvageDecided
}

func TestTheCauseOfARefusalSurvivesTheLink(t *testing.T) {
	disk := linked(t, &found{salvager: salvage.New(salvage.Options{Book: nobook{}})})
	_, err := disk.Carry(t.Context(), salvage.Order{Verb: salvage.VerbDiscard, ID: 1})
	if !errors.Is(err, releve.ErrSalvageDecided) {
		t.Errorf("the refusal came as %v", err)
	}
	if _, err := disk.Carry(t.Context(), salvage.Order{Verb: "dance"}); err == nil || !strings.Contains(err.Error(), "dance") {
		t.Errorf("an order that is none: %v", err)
	}
}
