package config

import (
	"path/filepath"
	"slices"

	"releve/doors/account"
)

// Socket is where the command line finds the server of a configuration.
func (c Config) Socket() string { return filepath.Join(c.Site.Data, "control.sock") }

// Journal is the directory of its journal.
func (c Config) Journal() string { return filepath.Join(c.Site.Data, "journal") }

// Page is the directory of its page's certificate.
func (c Config) Page() string { return filepath.Join(c.Site.Data, "page") }

// Program is what a server keeps, and reads while it runs. The database and its copies were
// never root's: where they are, somebody brought them back, which PostgreSQL's room says.
func (c Config) Program() account.Program {
	return account.Program{
		Dir: c.Site.Data, Accounts: []string{c.Database.Account},
		Keep: account.Keep{
			Entries: []string{"journal", "spool", "diary", "postgres", "control.sock",
				"overflow.json", ".overflow.json*", "verified.json", ".verified.json*", "drills.json", ".drills.json*",
				"procedures.json", ".procedures.json*", "runs.json", ".runs.json*",
				"replayed.json", ".replayed.json*", "alarms.json", ".alarms.json*", "licences",
				"accounts.json*", ".accounts.json*", "page", "snmp-engine.json", ".snmp-engine.json*"},
			Closed: []string{"postgres/data", "postgres/data.*"},
		},
		Files: account.Files{
			Secret: named(c.Peer.Key, c.PBX.Key),
			Public: named(c.Peer.CA, c.Peer.Certificate, c.Peer.OtherCertificate, c.PBX.CA, c.PBX.Certificate),
		},
	}
}

// named are those files that the configuration names.
func named(files ...string) []string {
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}
