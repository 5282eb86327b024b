package app

import (
	"log/slog"
	"os"

	"releve/config"
	"releve/doors/account"
)

// NewUnrooted is New for a server that root may have started: what it keeps belongs to
// the account of its PostgreSQL, its ports are opened, and then it is that account and
// nothing more, as under the unit of `releve unit`.
//
// Where that cannot be, it stays root and says why: calls are answered first. It changes
// the whole process, and is called on its first thread (see [account.Account.Assume]).
func NewUnrooted(c config.Prepared, found bool, log *slog.Logger) (*App, error) {
	if os.Geteuid() != 0 {
		return New(c, found, log)
	}
	a := &App{config: c, log: log}
	a.stepDown()
	if _, err := open(a, found); err != nil {
		return nil, err
	}
	if err := a.rights.Drop(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// stepDown makes this process act as the account.
func (a *App) stepDown() {
	who, rights, err := a.config.Program().StepDown()
	if who.Name != "" {
		a.config.Database.Account = who.Name // one for both
	}
	if err != nil {
		a.log.Warn("this server stays root", "err", err)
		why := account.StaysRoot(err)
		a.rooted = &why
		return
	}
	a.rights = rights
	a.log.Info("root is given up", "account", who.Name)
}

// forPort opens what listens, with root's right where the port needs it.
func (a *App) forPort(listen string, open func() error) error {
	if listen == "" {
		return open()
	}
	return a.rights.ForPort(config.Address(listen).Port(), open)
}
