package site

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"text/template"

	"releve"
	"releve/config"
)

// Unit writes the systemd unit that serves one server's file (systemd.service(5)):
// nothing in it is root, and the rest of the machine is closed to it.
//
// Program and file are absolute paths; account is the unix account of the server and
// of its PostgreSQL. The text is in language, for its comments.
func Unit(c config.Config, program, file, account string, language releve.Language) ([]byte, error) {
	if language != releve.French {
		language = releve.English
	}
	t, err := template.New("").ParseFS(templates, "unit.*.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, "unit."+string(language)+".service.tmpl", map[string]any{
		"Seat": string(c.Site.Seat), "Name": unitText(c.Site.Name), "Unit": "releve-" + string(c.Site.Seat),
		"Program": unitPath(program), "Config": unitPath(file), "Data": unitPath(c.Site.Data), "Account": account,
		"Keys":       unitPath(filepath.Dir(c.Peer.Key)),
		"AtHome":     atHome(c.Site.Data) || atHome(file) || atHome(c.Peer.Key) || atHome(program),
		"Privileged": privileged(c.SIP.Listen, c.Peer.Listen, c.Database.Listen, c.Console.Listen),
	})
	return out.Bytes(), err
}

// unitText is a text within one line of a unit, in which % means something
// (systemd.unit(5), Specifiers).
func unitText(s string) string { return strings.ReplaceAll(releve.Plain(s), "%", "%%") }

// unitPath is a path as one word of a unit (systemd.syntax(7), Quoting). A $ would
// begin a variable in a command.
func unitPath(s string) string {
	s = strings.NewReplacer("$", "$$").Replace(unitText(s))
	if !strings.ContainsAny(s, " \"'\\") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// atHome: what ProtectHome= would hide from the server.
func atHome(path string) bool {
	for _, home := range []string{"/home/", "/root/", "/run/user/"} {
		if strings.HasPrefix(path, home) {
			return true
		}
	}
	return false
}

// privileged: a port that only root may open without a right of its own.
func privileged(listen ...string) bool {
	for _, l := range listen {
		if at, err := netip.ParseAddrPort(l); err == nil && at.Port() < 1024 {
			return true
		}
	}
	return false
}
