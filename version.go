package releve

// Version is what a server runs: its program, and the PostgreSQL beside it.
type Version struct {
	Number     string `json:"number"`               // of the program, as 1.2.3; "": not known
	Beside     string `json:"beside"`               // the oldest that may stand beside it; "": not known
	PostgreSQL int    `json:"postgresql,omitempty"` // major version of the programs in use; 0: not known
}
