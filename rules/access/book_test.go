package access_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
	"releve/rules/access"
)

var now = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func text(t interface{ Fatal(...any) }, b access.Book) string {
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func salted(s string) []byte { return fmt.Appendf(nil, "%016s", s)[:access.SaltSize] }

const good = "a horse, a battery, a staple"

func desk(seat releve.Seat) *access.Desk { return &access.Desk{Seat: seat} }

func change(t *testing.T, d *access.Desk, o access.Order) {
	t.Helper()
	if o.Password != "" {
		o.Salt = salted(o.Password)
	}
	if err := d.Change(o); err != nil {
		t.Fatal(err)
	}
}

// meet brings both books together, each way.
func meet(t *testing.T, main, secondary *access.Desk) {
	t.Helper()
	theirs := secondary.Book
	secondary.Hear(now, main.Book)
	main.Hear(now, theirs)
	if m, s := text(t, main.Book), text(t, secondary.Book); m != s {
		t.Fatalf("both met, and differ:\n%s\n%s", m, s)
	}
}

func says(d *access.Desk) string {
	all := ""
	for _, name := range d.Book.Names() {
		a, _ := d.Book.Find(name)
		all += fmt.Sprintf("%s %s; ", name, a.Role.Value)
	}
	return all
}

func want(t *testing.T, want string, desks ...*access.Desk) {
	t.Helper()
	for _, d := range desks {
		if got := says(d); got != want {
			t.Errorf("the %s has %q, not %q", d.Seat, got, want)
		}
	}
}

// A pair cut apart loses no account and nothing that was done to one.
func TestWhatIsDoneOnBothSidesOfACutIsKept(t *testing.T) {
	main, secondary := desk(releve.Main), desk(releve.Secondary)
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	meet(t, main, secondary)
	change(t, main, access.Order{Act: access.Promote, Name: "anna", Role: access.Keeper})
	change(t, secondary, access.Order{Act: access.Rekey, Name: "anna", Password: good + "!"})
	change(t, main, access.Order{Act: access.Add, Name: "bruno", Role: access.Auditor, Password: good})
	change(t, secondary, access.Order{Act: access.Add, Name: "carla", Role: access.Screen, Password: good})
	meet(t, main, secondary)
	want(t, "anna keeper; bruno auditor; carla screen; ", main, secondary)
	anna, _ := main.Book.Find("anna")
	if !access.Proves(good+"!", anna.Password.Value) || access.Proves(good, anna.Password.Value) {
		t.Error("the password of the other side of the cut does not count")
	}
}

// A removal wins over what was done beside it, however much that was; who is made again later is somebody new.
func TestARemovalWins(t *testing.T) {
	main, secondary := desk(releve.Main), desk(releve.Secondary)
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	meet(t, main, secondary)
	change(t, main, access.Order{Act: access.Remove, Name: "anna"})
	for range 5 {
		change(t, secondary, access.Order{Act: access.Promote, Name: "anna", Role: access.Administrator})
	}
	change(t, secondary, access.Order{Act: access.Rekey, Name: "anna", Password: good + "!"})
	meet(t, main, secondary)
	want(t, "", main, secondary)
	if a := main.Book.Accounts["anna"]; a.Password.Value != "" {
		t.Error("the password of who is gone is kept")
	}
	change(t, secondary, access.Order{Act: access.Add, Name: "anna", Role: access.Screen, Password: good})
	meet(t, main, secondary)
	want(t, "anna screen; ", main, secondary)
}

// Nothing of a life before counts in the next, though its stamps are later.
func TestALifeBeforeHasNoPartInTheNext(t *testing.T) {
	main, secondary := desk(releve.Main), desk(releve.Secondary)
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	meet(t, main, secondary)
	change(t, main, access.Order{Act: access.Remove, Name: "anna"})
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Screen, Password: good})
	for range 9 {
		change(t, secondary, access.Order{Act: access.Promote, Name: "anna", Role: access.Administrator})
	}
	meet(t, main, secondary)
	want(t, "anna screen; ", main, secondary)
}

// A server whose disk was lost has all back, and what it gives meanwhile is kept.
func TestALostDisk(t *testing.T) {
	main, secondary := desk(releve.Main), desk(releve.Secondary)
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	main.Draw([]byte("key"))
	meet(t, main, secondary)
	main = desk(releve.Main)
	change(t, main, access.Order{Act: access.Add, Name: "bruno", Role: access.Keeper, Password: good})
	meet(t, main, secondary)
	want(t, "anna operator; bruno keeper; ", main, secondary)
	if string(main.Book.Key.Value) != "key" {
		t.Errorf("the key is %q", main.Book.Key.Value)
	}
}

// Books come together in whatever order they meet, and as often.
func TestBooksMergeInAnyOrder(t *testing.T) {
	names := []string{"anna", "bruno", "carla"}
	salt := salted("")
	rapid.Check(t, func(t *rapid.T) {
		desks := []*access.Desk{desk(releve.Main), desk(releve.Secondary), desk(releve.Main)} // the third lost its disk
		for range rapid.IntRange(0, 12).Draw(t, "acts") {
			d := desks[rapid.IntRange(0, 2).Draw(t, "desk")]
			o := access.Order{
				Act:  rapid.SampledFrom([]access.Act{access.Add, access.Remove, access.Promote, access.Enrol, access.Unenrol}).Draw(t, "act"),
				Name: rapid.SampledFrom(names).Draw(t, "name"), Role: rapid.SampledFrom(access.Roles()).Draw(t, "role"),
				Password: good, Salt: salt, Secret: []byte{byte(rapid.IntRange(1, 9).Draw(t, "secret"))},
			}
			if o.Act == access.Add && len(d.Book.Accounts) > 0 && rapid.IntRange(0, 3).Draw(t, "cheap") > 0 {
				continue // a hash costs some hundredths of a second
			}
			_ = d.Change(o) // refused or not
			if rapid.Bool().Draw(t, "meets") {
				d.Hear(now, desks[rapid.IntRange(0, 2).Draw(t, "with")].Book)
			}
		}
		x, y, z := desks[0].Book, desks[1].Book, desks[2].Book
		all := text(t, access.Merge(access.Merge(x, y), z))
		for name, other := range map[string]access.Book{
			"associative": access.Merge(x, access.Merge(y, z)), "commutative": access.Merge(z, access.Merge(y, x)),
			"idempotent": access.Merge(access.Merge(access.Merge(x, y), z), access.Merge(y, x)),
		} {
			if got := text(t, other); got != all {
				t.Fatalf("not %s:\n%s\n%s", name, all, got)
			}
		}
	})
}

func TestOrdersThatAreRefused(t *testing.T) {
	d := desk(releve.Main)
	change(t, d, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	for _, c := range []struct {
		o     access.Order
		code  string
		cause error
	}{
		{access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good}, "user-there", releve.ErrForbidden},
		{access.Order{Act: access.Add, Name: "<script>", Role: access.Operator, Password: good}, "user-name", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: "Anna", Role: access.Operator, Password: good}, "user-name", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: "an<na", Role: access.Operator, Password: good}, "user-name", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: ".anna", Role: access.Operator, Password: good}, "user-name", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: "", Role: access.Operator, Password: good}, "user-name", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: "bruno", Role: "root", Password: good}, "user-role-unknown", releve.ErrUnknown},
		{access.Order{Act: access.Add, Name: "bruno", Role: access.Screen, Password: "elevenchars"}, "user-password-short", releve.ErrForbidden},
		{access.Order{Act: access.Add, Name: "bruno", Role: access.Screen, Password: "Bruno is my name"}, "user-password-name", releve.ErrForbidden},
		{access.Order{Act: access.Rekey, Name: "anna", Password: string(make([]byte, 300))}, "user-password-long", releve.ErrForbidden},
		{access.Order{Act: access.Remove, Name: "bruno"}, "user-not-there", releve.ErrUnknown},
		{access.Order{Act: access.Promote, Name: "anna"}, "user-role-unknown", releve.ErrUnknown},
		{access.Order{Act: access.Unenrol, Name: "anna"}, "user-no-codes", releve.ErrForbidden},
		{access.Order{Name: "anna"}, "user-act", releve.ErrUnknown},
	} {
		before := text(t, d.Book)
		err := d.Change(c.o)
		fault, is := errors.AsType[*releve.Fault](err)
		if !is || fault.Why.Code != c.code || !errors.Is(err, c.cause) {
			t.Errorf("%s %q: %v", c.o.Act, c.o.Name, err)
		}
		if text(t, d.Book) != before {
			t.Errorf("%s %q was refused, and changed something", c.o.Act, c.o.Name)
		}
	}
}

// The names of a book are bounded, those of who is gone included.
func TestABookIsBounded(t *testing.T) {
	d := desk(releve.Main)
	d.Book.Accounts = map[string]access.Account{}
	for i := range access.Most {
		d.Book.Accounts[fmt.Sprintf("n%d", i)] = access.Account{Life: 1, Removed: 1}
	}
	if err := d.Change(access.Order{Act: access.Add, Name: "anna", Role: access.Screen, Password: good, Salt: salted("")}); !errors.Is(err, releve.ErrForbidden) {
		t.Errorf("one more: %v", err)
	}
	change(t, d, access.Order{Act: access.Add, Name: "n7", Role: access.Screen, Password: good})
}

func TestWhoMayWhat(t *testing.T) {
	for role, may := range map[access.Role]map[access.Right]bool{
		access.Screen:        {},
		access.Operator:      {access.SeeCalls: true, access.SeePeople: true, access.HandleAlarm: true},
		access.Keeper:        {access.SeeCalls: true, access.SeePeople: true, access.HandleAlarm: true},
		access.Administrator: {access.SeeCalls: true, access.SeePeople: true, access.HandleAlarm: true, access.Accounts: true},
		access.Auditor:       {access.SeeCalls: true, access.SeePeople: true},
		"of a later version": {},
		"":                   {},
	} {
		for _, right := range []access.Right{access.SeeCalls, access.SeePeople, access.HandleAlarm, access.Accounts, "unknown"} {
			if role.May(right) != may[right] {
				t.Errorf("%s may %s: %t", role, right, role.May(right))
			}
		}
	}
}
