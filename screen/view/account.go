package view

import "releve"

// Account is somebody who may log in.
type Account struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// AccountOrder is what an administrator wants done to an account.
type AccountOrder struct {
	Act      string `json:"act"` // add, remove, password, role
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
	Password string `json:"password,omitempty"`
	By       string `json:"by"`
}

// AccountChanged is what became of it: the accounts after it, or why it is refused.
type AccountChanged struct {
	Accounts []Account        `json:"accounts"`
	Refused  *releve.Sentence `json:"refused,omitempty"`
	Unknown  bool             `json:"unknown,omitempty"` // there is no such account, role or act
}
