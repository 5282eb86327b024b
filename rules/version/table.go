package version

import "releve"

// Release is one version, and what of it the other server meets.
type Release struct {
	Number string
	Beside string // the oldest that one of this version stands beside, and is upgraded from
	Wire   int    // version of what it tells the other server
	Schema int    // of the database: the last migration, which its mirror gets with the rows
	Brings string // what a site gets with it, in a few words
}

// Table is every version, oldest first. A new one stands beside the one before, so that a pair
// is upgraded one server after the other; its migrations leave what that one reads.
func Table() []Release {
	return []Release{
		{"0.1.0", "0.1.0", 1, 3, "two servers, a mirror, takeover by itself"},
		{"0.2.0", "0.1.0", 2, 3, "the page proves itself; half the questions between the servers"},
		{"0.3.0", "0.2.0", 3, 3, "the level is changed while the site runs"},
		{"0.4.0", "0.3.0", 4, 4, "the servers tell each other their versions"},
	}
}

func newest() Release {
	all := Table()
	return all[len(all)-1]
}

func besideOf(number string) string {
	for _, r := range Table() {
		if r.Number == number {
			return r.Beside
		}
	}
	return ""
}

// needs is what a change to each level asks of both servers: to know the change, and the level.
var needs = map[releve.Level]string{
	releve.Base: "0.3.0", releve.Mirroring: "0.3.0", releve.Backup: "0.4.0", releve.HighAvailability: "0.3.0",
}
