// Package access is the rule book of who may do what (SPEC K5): the roles and their rights as a table,
// the accounts of the people who have them, how their passwords and one-time codes are proven, and how
// long somebody stays logged in.
//
// Both servers have a [Book] of all accounts. Books are merged in any order and as often as one likes,
// without anything being lost: a server that was cut off, or whose disk was lost, is no danger to the
// accounts, and a removal wins over all that was done to the account beside it.
package access

import (
	"cmp"
	"slices"

	"releve"
)

// Role is what somebody is at the site, and with it what he may do.
type Role string

// The roles.
const (
	Screen        Role = "screen"        // a wall: it looks, and does nothing; one that is known by a token is shown who has an alarm in hand
	Operator      Role = "operator"      // takes alarms in hand
	Keeper        Role = "keeper"        // runs the site: its procedures, its licences
	Administrator Role = "administrator" // … and says who may
	Auditor       Role = "auditor"       // sees everything, who did what included, and changes nothing
)

// Right is a thing that one may do, or not. There is one for each act that there is.
type Right string

// The rights.
const (
	SeeCalls    Right = "see-calls"    // who called, when, and what became of it
	SeePeople   Right = "see-people"   // who has an alarm in hand, and with which words
	HandleAlarm Right = "handle-alarm" // acknowledge, close, shelve, take back
	Rehearse    Right = "rehearse"     // see what an order would do
	RunSite     Right = "run-site"     // procedures, drills, proofs, salvage, licences
	Accounts    Right = "accounts"     // say who may
	OwnPassword Right = "own-password" // give oneself another password; a wall has nobody who would
)

// rights are what each role may do, the roles from the least on.
var rights = []struct {
	role Role
	has  []Right
}{
	{Screen, nil},
	{Operator, []Right{SeeCalls, SeePeople, HandleAlarm, Rehearse, OwnPassword}},
	{Keeper, []Right{SeeCalls, SeePeople, HandleAlarm, Rehearse, RunSite, OwnPassword}},
	{Administrator, []Right{SeeCalls, SeePeople, HandleAlarm, Rehearse, RunSite, OwnPassword, Accounts}},
	{Auditor, []Right{SeeCalls, SeePeople, Rehearse, OwnPassword}},
}

// Roles are all of them, in the table's order.
func Roles() (all []Role) {
	for _, r := range rights {
		all = append(all, r.role)
	}
	return all
}

// Valid says that there is such a role.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// May says that a role has a right. A role that this version does not know has none.
func (r Role) May(right Right) bool {
	for _, row := range rights {
		if row.role == r {
			return slices.Contains(row.has, right)
		}
	}
	return false
}

// Stamp is the place of a change among all changes of both servers: each is later than all that its
// writer had read (Lamport). Clocks of machines have no part in what counts.
type Stamp struct {
	Count uint64      `json:"count"`
	Seat  releve.Seat `json:"seat"` // the writer, which decides between two of one count
}

func (s Stamp) compare(other Stamp) int {
	return cmp.Or(cmp.Compare(s.Count, other.Count), cmp.Compare(s.Seat, other.Seat))
}
