package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"releve"
	"releve/config"
	"releve/rules/licence"
	"releve/screen/words"
)

// The ports that `releve init` gives a server of its own address.
const (
	sipPort      = 5060
	peerPort     = 7443
	databasePort = 5442
	consolePort  = 8080
)

// The establishment of the show.
const (
	domain            = "ipbx.test"
	number            = "9"
	receptionPassword = "reception-practice"
	standbyPassword   = "standby-practice"
	phonePassword     = "phone-practice"
	extension         = "1001"
	operator          = "1002"
	guest             = "1003" // for who calls in by hand
	callerUser        = "1010"
)

// Plan is the site that a show needs: all on addresses of the loopback.
type Plan struct {
	Dir             string // exists, and every account may enter it
	PBX             netip.AddrPort
	Main, Secondary netip.Addr
	Language        releve.Language
	Account         string // unix account of PostgreSQL under root, "": the default
}

// Site is where the configurations of the two servers are.
type Site struct {
	MainConfig, SecondaryConfig string
}

// dataOf is where a server of a site has its data.
func dataOf(site string, seat releve.Seat) string { return filepath.Join(site, string(seat), "data") }

// initSite writes the site with the operator's own command.
func initSite(ctx context.Context, binary string, p Plan) (Site, error) {
	name := words.Text(p.Language, "demo.site")
	args := []string{
		"init", "--demonstration", "--dir", p.Dir, "--name", name, "--language", string(p.Language),
		"--pbx", p.PBX.String(), "--domain", domain, "--networks", "127.0.0.0/8", "--reception-number", number,
		"--reception-password", receptionPassword, "--standby-password", standbyPassword, "--operator", operator,
		"--main-host", p.Main.String(), "--secondary-host", p.Secondary.String(),
		"--main-data", dataOf(p.Dir, releve.Main), "--secondary-data", dataOf(p.Dir, releve.Secondary),
	}
	if p.Account != "" {
		args = append(args, "--account", p.Account)
	}
	site := Site{filepath.Join(p.Dir, "main.toml"), filepath.Join(p.Dir, "secondary.toml")}
	if err := run(ctx, func(string) {}, binary, args...); err != nil {
		return site, err
	}
	return site, license(p, site, name)
}

// license gives both servers the licences for what they run, before they start. Later an
// operator installs them on one, by `releve licence install`.
func license(p Plan, site Site, name string) error {
	conf, mistakes := config.Load(site.MainConfig)
	if len(mistakes) > 0 {
		return fmt.Errorf("%s: %v", site.MainConfig, mistakes)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for i, level := range []releve.Level{releve.Base, conf.Site.Level} {
		l := licence.Licence{
			Serial: fmt.Sprint("demo-", i+1), Site: conf.Site.ID, IssuedTo: name, Level: level, Channels: conf.SIP.Channels,
			From: today, Until: today.Add(licence.DemonstrationLasts), Issued: today,
		}
		file, _, err := licence.Demonstrator().Sign(l)
		if err != nil {
			return err
		}
		for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
			dir := filepath.Join(dataOf(p.Dir, seat), "licences")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, l.Serial+".licence"), file, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// streets are tried until one has all its ports free: 127.0.N.x.
const streets = 64

// street is a /24 of the loopback whose addresses a show takes.
type street byte

// The houses of a street.
const (
	pbxHouse       = 10
	mainHouse      = 21
	secondaryHouse = 22
	phoneHouse     = 31
	operatorHouse  = 32
	callerHouse    = 90
)

func (s street) house(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, byte(s), n}) }

func (s street) sip(n byte) netip.AddrPort { return netip.AddrPortFrom(s.house(n), sipPort) }

// freeStreet finds addresses where nothing of the show's is taken.
func freeStreet() (street, error) {
	var err error
	for n := range streets {
		if err = street(n).free(); err == nil {
			return street(n), nil
		}
	}
	return 0, fmt.Errorf("no free addresses for the show between 127.0.0.0 and 127.0.%d.255: is another one running? %w",
		streets-1, err)
}

// free says which address is taken.
func (s street) free() error {
	var taken error
	for _, house := range []byte{pbxHouse, mainHouse, secondaryHouse, phoneHouse, operatorHouse, callerHouse} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.sip(house)))
		if err != nil {
			return err
		}
		taken = errors.Join(taken, conn.Close())
	}
	for _, house := range []byte{mainHouse, secondaryHouse} {
		for _, port := range []int{peerPort, databasePort, consolePort} {
			l, err := net.Listen("tcp", net.JoinHostPort(s.house(house).String(), strconv.Itoa(port)))
			if err != nil {
				return err
			}
			taken = errors.Join(taken, l.Close())
		}
	}
	return taken
}

// newDir is a short path, because a unix socket's may have 107 bytes, that every
// account may enter, because PostgreSQL's does not run as root.
func newDir() (string, error) {
	dir, err := os.MkdirTemp("", "rlv-")
	if err != nil {
		return "", err
	}
	for _, below := range []string{".", "main", "secondary"} {
		path := filepath.Join(dir, below)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}
