package postgres

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Mode is how a start makes PostgreSQL behave.
type Mode string

// The modes. A mirror follows as CatchUp until it is verified, and bears the
// synchronous name only from BecomeMirror on (RULES R1).
const (
	Primary  Mode = "primary"
	Isolated Mode = "isolated" // a copy that streams from nobody: the owner is not known yet
	CatchUp  Mode = "releve_catchup"
	Mirror   Mode = RoleMirror
)

// setting is one line of postgresql.conf.
type setting struct{ name, value string }

// strangersStay is how long a connection may take to say and prove who it is.
const strangersStay = 3 * time.Second

// settings of PostgreSQL in a mode. What must be equal on both servers for a mirror
// to follow (manual §27.4.5: max_connections …) does not depend on the machine.
func (c *Cluster) settings(mode Mode) []setting {
	s := []setting{
		{"data_directory", c.dataDir()},
		{"hba_file", c.path("conf", "pg_hba.conf")},
		{"ident_file", c.path("conf", "pg_ident.conf")},
		{"unix_socket_directories", c.path("run")},
		{"unix_socket_permissions", "0700"},
		{"port", fmt.Sprint(c.opts.port())},
		{"cluster_name", c.title()},

		// What an acknowledged commit means. The name is there from the first start
		// and never changes: PostgreSQL publishes a change late (RULES R1).
		{"synchronous_standby_names", RoleMirror},
		{"synchronous_commit", "on"},
		{"fsync", "on"},
		{"full_page_writes", "on"},
		{"restart_after_crash", "off"}, // RULES R6

		{"wal_level", "logical"}, // salvage decodes it
		{"wal_keep_size", "0"},   // the slot keeps what the mirror needs, within the disk's bounds:
		{"include", c.roomFile()},
		{"max_wal_senders", "10"},
		{"max_replication_slots", "10"},
		{"wal_sender_timeout", "2s"},

		{"hot_standby", "on"},
		{"max_standby_streaming_delay", "0"}, // a reader never delays a promotion (RULES R4)
		{"max_standby_archive_delay", "0"},
		{"wal_receiver_timeout", "2s"},
		{"wal_receiver_status_interval", "1s"},
		{"wal_retrieve_retry_interval", "200ms"},

		// Whoever connects and says nothing holds a process, of some 160 that there may be. The
		// other server gives up a connection after two seconds itself (conninfo).
		{"authentication_timeout", fmt.Sprint(strangersStay.Seconds()) + "s"},
		{"superuser_reserved_connections", "10"}, // our own questions, whatever sessions others hold

		{"max_connections", "60"},
		{"shared_buffers", "64MB"},
		{"jit", "off"},

		// Nothing of ours is in /dev/shm: it may be full when we start, and the account's last
		// logout sweeps it (logind.conf, RemoveIPC). What is shared has room from the start;
		// queries here are small, and none needs help.
		{"dynamic_shared_memory_type", "mmap"},
		{"max_parallel_workers_per_gather", "0"},
		{"max_parallel_maintenance_workers", "0"},
		{"min_dynamic_shared_memory", "16MB"},
		{"timezone", "UTC"},
		{"log_timezone", "UTC"},
		{"log_destination", "stderr"}, // our pipe
		{"logging_collector", "off"},
		{"log_line_prefix", logPrefix(c.logToken)},
		{"log_checkpoints", "off"},
		{"log_startup_progress_interval", "1s"},
	}
	s = append(s, c.networkSettings()...)
	if mode != Primary {
		s = append(s, c.followSettings(mode)...)
	}
	if c.aside {
		s = append(s, asideSettings...)
	}
	return s
}

func (c *Cluster) networkSettings() []setting {
	if !c.opts.Listen.IsValid() {
		return []setting{{"listen_addresses", ""}}
	}
	return []setting{
		{"listen_addresses", c.opts.Listen.Addr().String()},
		{"ssl", "on"},
		{"ssl_min_protocol_version", "TLSv1.3"},
		{"ssl_ca_file", c.path("tls", clientsFile)},
		{"ssl_cert_file", c.path("tls", shownFile)},
		{"ssl_key_file", c.path("tls", shownKeyFile)},
	}
}

func (c *Cluster) followSettings(mode Mode) []setting {
	if mode == Isolated {
		return []setting{{"primary_conninfo", ""}}
	}
	s := []setting{{"primary_conninfo", c.conninfo(c.opts.Upstream, RoleMirror, string(mode))}}
	if mode == Mirror {
		s = append(s, setting{"primary_slot_name", RoleMirror})
	}
	return s
}

// conninfo is how the other server is reached: by certificate, both ways.
func (c *Cluster) conninfo(server netip.AddrPort, role, application string) string {
	pairs := append(c.whom(server), []setting{
		{"port", fmt.Sprint(server.Port())},
		{"user", role},
		{"application_name", application},
		{"sslrootcert", c.path("tls", serversFile)},
		{"sslcert", c.path("tls", mirrorFile)},
		{"sslkey", c.path("tls", mirrorKeyFile)},
		{"connect_timeout", "2"}, // seconds, libpq's least
	}...)
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = p.name + "=" + quoteConninfo(p.value)
	}
	return strings.Join(words, " ")
}

// whom says where the other server is, and which name its certificate must bear (manual
// §34.19.1): no address, which a site may change, but what it is.
func (c *Cluster) whom(server netip.AddrPort) []setting {
	at := server.Addr().String()
	if c.certificates().ServerName == "" {
		return []setting{{"host", at}, {"sslmode", "verify-ca"}}
	}
	return []setting{{"host", c.certificates().ServerName}, {"hostaddr", at}, {"sslmode", "verify-full"}}
}

// patience is how our programs hold a connection, in libpq's words. A source that is gone
// without a word answers no probe: it is known within ten seconds, not after two hours. A
// stall at this end, of the disk that is copied onto or of the machine, breaks nothing off:
// the source's two seconds are for a mirror in sync, and a copy would begin from zero.
var patience = []setting{
	{"keepalives", "1"},
	{"keepalives_idle", "2"},
	{"keepalives_interval", "2"},
	{"keepalives_count", "4"},
	{"tcp_user_timeout", "10000"},
	{"options", "-c wal_sender_timeout=5min"},
}

// patiently is a connection string for a program that copies.
func patiently(info string) string {
	for _, p := range patience {
		info += " " + p.name + "=" + quoteConninfo(p.value)
	}
	return info
}

func quoteConninfo(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}

func writeSettings(settings []setting) []byte {
	var b strings.Builder
	b.WriteString("# Written by Relève before every start: changes made here are lost.\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = %s\n", s.name, quoteSetting(s.value))
	}
	return []byte(b.String())
}

// hba lets our own sessions in by the socket, which only our account can open, and
// the other server by its certificate.
const hba = `# Written by Relève before every start.
local   all          all                 trust
local   replication  releve_clone        trust
hostssl replication  releve_mirror  all  cert map=releve
hostssl replication  releve_clone   all  cert map=releve
hostssl postgres     releve_clone   all  cert map=releve
host    all          all            all  reject
host    replication  all            all  reject
`

// ident maps the certificates of the other server's mirror, and no others, to the two roles.
func (c *Cluster) ident() string {
	var b strings.Builder
	for _, name := range c.certificates().ClientNames {
		fmt.Fprintf(&b, "releve %q %s\nreleve %q %s\n", name, RoleMirror, name, RoleClone)
	}
	return b.String()
}

// configure writes everything that a start reads besides the data itself. The
// configuration is outside the data directory because clones and rewinds copy that whole.
func (c *Cluster) configure(mode Mode) error {
	c.mode = mode
	who, err := c.prepare()
	if err != nil {
		return err
	}
	if err := c.bound(); err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
	}{
		{c.path("conf", "postgresql.conf"), writeSettings(c.settings(mode))},
		{c.path("conf", "pg_hba.conf"), []byte(hba)},
		{c.path("conf", "pg_ident.conf"), []byte(c.ident())},
	}
	for _, f := range files {
		if err := who.writeFile(f.name, f.content, 0o600); err != nil {
			return fmt.Errorf("cannot write PostgreSQL's configuration: %w", err)
		}
	}
	return nil
}

// bound writes how much log may be kept as if the mirror were there: it may have been until
// a moment ago.
func (c *Cluster) bound() error {
	b, _, err := c.logBounds()
	if err != nil {
		return err
	}
	c.keeps = b.connected
	return c.writeRoom(b, c.keeps)
}

// prepare makes the directories and writes the certificates.
func (c *Cluster) prepare() (account, error) {
	who, err := c.account()
	if err != nil {
		return who, err
	}
	if err := c.makeDirs(who); err != nil {
		return who, fmt.Errorf("cannot prepare PostgreSQL's directory: %w", err)
	}
	return who, c.writeCertificates(who)
}

// makeDirs leaves to the account only what PostgreSQL writes: what we write as root
// is in directories whose entries the account cannot exchange for links.
func (c *Cluster) makeDirs(who account) error {
	if err := os.MkdirAll(c.opts.Dir, 0o711); err != nil {
		return err
	}
	for _, dir := range []string{c.opts.Dir, c.path("conf"), c.path("tls")} {
		if err := who.mkdirOurs(dir); err != nil {
			return err
		}
	}
	return who.mkdir(c.path("run"))
}

// setSignals writes or removes the files that decide whether PostgreSQL may become
// writable. A mirror killed inside a promotion has lost standby.signal and would
// come back as a second primary of the same timeline (RULES R6).
func (c *Cluster) setSignals(mode Mode) error {
	standby, recovery := c.path("data", "standby.signal"), c.path("data", "recovery.signal")
	if err := removeFile(recovery); err != nil {
		return err
	}
	if mode == Primary {
		return removeFile(standby)
	}
	who, err := c.account()
	if err != nil {
		return err
	}
	return who.writeFile(standby, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// forgetAlterSystem empties postgresql.auto.conf, whose settings would win over ours.
func (c *Cluster) forgetAlterSystem() error {
	who, err := c.account()
	if err != nil {
		return err
	}
	return who.writeFile(c.path("data", "postgresql.auto.conf"), []byte("# Emptied by Relève before every start.\n"), 0o600)
}
