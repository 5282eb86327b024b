package view

import (
	"net/netip"

	"releve"
)

// Account is somebody who may log in.
type Account struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Codes bool   `json:"codes"` // it is asked for one-time codes
}

// Person is somebody who is logged in, and what he may.
type Person struct {
	Name, Role                                          string
	SeesCalls, SeesPeople, HandlesAlarms, KeepsAccounts bool
	Rehearses, RunsSite                                 bool // he may see what an order would do, and give it
}

// MaySeeCalls, MaySeePeople and MayKeepAccounts ask for a right.
func (p Person) MaySeeCalls() bool     { return p.SeesCalls }
func (p Person) MaySeePeople() bool    { return p.SeesPeople }
func (p Person) MayKeepAccounts() bool { return p.KeepsAccounts }

// MayRehearse and MayRunSite ask for a right.
func (p Person) MayRehearse() bool { return p.Rehearses }
func (p Person) MayRunSite() bool  { return p.RunsSite }

// Credentials are what somebody proves with who he is.
type Credentials struct {
	Name, Password, Code string
	From                 netip.Addr
}

// AccountOrder is what an administrator wants done to an account.
type AccountOrder struct {
	Act      string `json:"act"` // add, remove, password, role, codes, no-codes
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
	Password string `json:"password,omitempty"`
	By       string `json:"by"`
}

// AccountChanged is what became of it: the accounts after it, or why it is refused.
type AccountChanged struct {
	Accounts  []Account        `json:"accounts"`
	Enrolment string           `json:"enrolment,omitempty"` // for a program that shows one-time codes: a secret
	Refused   *releve.Sentence `json:"refused,omitempty"`
	Unknown   bool             `json:"unknown,omitempty"` // there is no such account, role or act
}
