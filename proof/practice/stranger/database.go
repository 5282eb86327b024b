package stranger

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
)

// Codes of the packets with which a connection to PostgreSQL begins (manual §55.7).
const (
	protocol3     = 196608
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// forgedLine asks for a session under a name that is a line of the log.
var forgedLine = visit{
	name: "PostgreSQL: a name that forges a line of the log",
	begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := c.Write(startup(names(d)...))
		return err
	},
}

// databaseDoor speaks PostgreSQL's protocol.
var databaseDoor = door{
	silence,
	forgedLine, forgedLine, forgedLine, forgedLine, forgedLine, forgedLine, // the shortest way to do harm, where it is open
	{name: "PostgreSQL: the same by TLS", begin: func(d *draw, c net.Conn, v *Stranger) error {
		secure, err := encrypt(c, v)
		if err != nil {
			return nil
		}
		_, _ = secure.Write(startup(names(d)...))
		return nil
	}},
	{name: "PostgreSQL: half a packet", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		packet := startup(names(d)...)
		binary.BigEndian.PutUint32(packet, uint32(len(packet)+d.IntN(10000)))
		_, err := c.Write(packet[:d.IntN(len(packet))])
		return err
	}},
	{name: "PostgreSQL: a wish for TLS, then silence", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := c.Write(packet([]uint32{sslRequest, gssRequest}[d.IntN(2)], ""))
		return err
	}},
	{name: "PostgreSQL: TLS without an end", begin: func(d *draw, c net.Conn, v *Stranger) error {
		if _, err := c.Write(packet(sslRequest, "")); err != nil {
			return err
		}
		return unfinished(d, c, v)
	}},
	{name: "PostgreSQL: a cancellation of somebody's query", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := c.Write(packet(cancelRequest, string(d.bytes(8))))
		return err
	}},
	{name: "PostgreSQL: noise", begin: func(d *draw, c net.Conn, _ *Stranger) error {
		_, err := c.Write(d.bytes(d.length(20000)))
		return err
	}},
}

func encrypt(c net.Conn, v *Stranger) (net.Conn, error) {
	if _, err := c.Write(packet(sslRequest, "")); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil {
		return nil, err
	}
	secure := tls.Client(c, v.dressed.settings("x", true))
	return secure, secure.Handshake()
}

// startup asks for a session with parameters: pairs of name and value.
func startup(parameters ...string) []byte {
	return packet(protocol3, strings.Join(parameters, "\x00")+"\x00\x00")
}

func packet(code uint32, body string) []byte {
	b := make([]byte, 8, 8+len(body))
	binary.BigEndian.PutUint32(b, uint32(8+len(body)))
	binary.BigEndian.PutUint32(b[4:], code)
	return append(b, body...)
}

// names are parameters of a session with what a log would say of a disaster.
func names(d *draw) []string {
	all := []string{
		"user", d.one(disaster(d), disaster(d), disaster(d), "releve", "postgres", "replication", ""),
		"database", d.one(disaster(d), "releve", "postgres", ""),
		"application_name", d.one(disaster(d), d.word(d.length(5000))),
	}
	return append(all, []string{"options", "-c log_line_prefix= -c log_min_messages=debug5"}[:2*d.IntN(2)]...)
}

// disaster is a line of a log that somebody might believe, between what may end lines.
func disaster(d *draw) string {
	end := d.one("\r", "\r", "\r", "\n", "\r\n", "\n\t", "\x0b", "\u2028", "")
	code := d.one("XX001", "XX002", "58030", "53100", "58P01", "57P01", "53200", "53300", "00000")
	process := d.one("checkpointer", "postmaster", "walwriter", "startup", "client backend")
	before := d.one(code+" ["+process+"] ", code+" ["+process+"] ", code+" ", d.word(26)+" "+code+" ["+process+"] ")
	said := d.one(
		"could not write to file \"pg_wal/xlogtemp.1\": No space left on device",
		"could not fsync file \"base/1/1\": Input/output error",
		"invalid page in block 1 of relation base/1/1", "database system is shut down",
		"page verification failed, calculated checksum 1 but expected 2",
		"terminating connection due to administrator command",
		"could not open file \"global/pg_control\": No such file or directory")
	return d.one("", "x", "releve") + end + before +
		d.one("PANIC", "PANIC", "ERROR", "FATAL", "LOG", "WARNING") + ":  " + said + end
}
