package access

import (
	"crypto/sha256"
	"maps"
	"strings"
	"time"

	"releve"
)

// Act is what is done to an account.
type Act string

// The acts.
const (
	Add     Act = "add"
	AddWall Act = "screen" // a screen, which shows a token in the place of a login
	Remove  Act = "remove"
	Rekey   Act = "password" // gives it another password
	Promote Act = "role"     // gives it another role
	Enrol   Act = "codes"    // asks it for one-time codes from now on
	Unenrol Act = "no-codes" // … and no more
)

// Order is what an administrator wants done to an account.
type Order struct {
	Act      Act
	Name     string
	Role     Role
	Password string
	Salt     []byte // of a new password, drawn by chance
	Secret   []byte // of new one-time codes, or a screen's token, drawn by chance
}

// nameMost is how many letters a name has.
const nameMost = 40

// named says that a text can be a name. Names are small and plain: they are typed, and stand in the words
// that others read.
func named(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return text != "" && len(text) <= nameMost && strings.Trim(text, letters+"._-") == "" && strings.ContainsRune(letters, rune(text[0]))
}

// Desk is one server's part in the book. Its owner calls it from one place at a time.
type Desk struct {
	Seat releve.Seat
	Book Book
}

// Hear takes in the other server's book.
func (d *Desk) Hear(now time.Time, theirs Book) { d.Book = Merge(d.Book, theirs).Tidy(now) }

// Change does to an account what is ordered. It fails with a [releve.Fault]: an account that there is, or is
// not, a name or a role that cannot be, a password that is too easily guessed.
func (d *Desk) Change(o Order) error {
	if code, cause := d.refuses(o); code != "" {
		return &releve.Fault{Cause: cause, Why: releve.Say(code, "user", o.Name, "role", string(o.Role), "roles", list(Roles()))}
	}
	d.write(o.Name, func(a *Account, stamp Stamp) {
		switch o.Act {
		case Add:
			*a = Account{
				Life: a.Life + 1, Removed: a.Removed,
				Role: Register[Role]{o.Role, stamp}, Password: Register[string]{Hash(o.Password, o.Salt), stamp},
			}
		case AddWall:
			shown := sha256.Sum256(o.Secret)
			*a = Account{Life: a.Life + 1, Removed: a.Removed, Role: Register[Role]{Screen, stamp}, Device: Register[[]byte]{shown[:], stamp}}
		case Remove:
			*a = Account{Life: a.Life, Removed: a.Life}
		case Rekey:
			a.Password = Register[string]{Hash(o.Password, o.Salt), stamp}
		case Promote:
			a.Role = Register[Role]{o.Role, stamp}
		case Enrol:
			a.Second = Register[[]byte]{o.Secret, stamp}
		case Unenrol:
			a.Second = Register[[]byte]{nil, stamp}
		}
	})
	return nil
}

// refuses is why an order is not carried out, "" where it is.
func (d *Desk) refuses(o Order) (code string, cause error) {
	a, there := d.Book.Find(o.Name)
	_, known := d.Book.Accounts[o.Name]
	switch o.Act {
	case Add, AddWall:
		switch {
		case !named(o.Name):
			return "user-name", releve.ErrUnknown
		case there:
			return "user-there", releve.ErrForbidden
		case !known && len(d.Book.Accounts) >= Most:
			return "user-too-many", releve.ErrForbidden
		}
	case Remove, Rekey, Promote, Enrol, Unenrol:
		if !there {
			return "user-not-there", releve.ErrUnknown
		}
	default:
		return "user-act", releve.ErrUnknown
	}
	if (o.Act == Add || o.Act == Promote) && !o.Role.Valid() {
		return "user-role-unknown", releve.ErrUnknown
	}
	if len(a.Device.Value) > 0 && (o.Act == Promote || o.Act == Rekey || o.Act == Enrol) {
		return "user-a-screen", releve.ErrForbidden
	}
	if o.Act == Unenrol && len(a.Second.Value) == 0 {
		return "user-no-codes", releve.ErrForbidden
	}
	if o.Act == Add || o.Act == Rekey {
		return weak(o.Name, o.Password), releve.ErrForbidden
	}
	return "", nil
}

func list(all []Role) string {
	var names []string
	for _, r := range all {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// write makes a change under a stamp of its own. Books that others hold are left as they were.
func (d *Desk) write(name string, change func(*Account, Stamp)) {
	stamp := d.stamp()
	a := d.Book.Accounts[name]
	change(&a, stamp)
	d.Book.Accounts[name] = a
}

func (d *Desk) stamp() Stamp {
	d.Book.Count++
	d.Book.Accounts = maps.Clone(d.Book.Accounts)
	if d.Book.Accounts == nil {
		d.Book.Accounts = map[string]Account{}
	}
	return Stamp{d.Book.Count, d.Seat}
}

// Draw keeps a key that was drawn by chance, where the book has none.
func (d *Desk) Draw(key []byte) {
	if len(d.Book.Key.Value) == 0 {
		d.Book.Key = Register[[]byte]{key, d.stamp()}
	}
}
