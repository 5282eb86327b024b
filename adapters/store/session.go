package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// warning is the SQLSTATE of "canceling wait for synchronous replication": the
// transaction is committed here and perhaps nowhere else (manual §27.2.8.4).
const warning = "01000"

// backend names one server process. A pid alone comes back with another process.
type backend struct {
	pid     int32
	started string // pg_stat_activity.backend_start as text
}

// session is what the store knows of one of its connections.
type session struct {
	backend
	socket net.Conn

	// committing keeps pgx from sending a cancel request when the connection breaks or is closed: it would end the
	// wait of a COMMIT and make its row visible here and on no mirror (RULES R7).
	committing atomic.Bool
	warned     atomic.Pointer[string]
}

// sessionKey is where a connection carries its session, in pgx's custom data.
const sessionKey = "releve.session"

// Configure prepares a pool's configuration for Open: each connection is watched
// for the warning on COMMIT, refuses to serve where synchronous_commit is not on
// (R1), and never cancels a COMMIT (R7).
func Configure(cfg *pgxpool.Config) {
	before := cfg.BeforeConnect
	cfg.BeforeConnect = func(ctx context.Context, cc *pgx.ConnConfig) error {
		watch(cc, "on")
		if before == nil {
			return nil
		}
		return before(ctx, cc)
	}
}

// watch makes a session of the connection that cc is about to make. durability is what
// synchronous_commit must be in it.
func watch(cc *pgx.ConnConfig, durability string) *session {
	s := new(session)
	dial, notice, after := cc.DialFunc, cc.OnNotice, cc.AfterConnect
	cc.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if s.committing.Load() {
			return nil, errors.New("a COMMIT is never cancelled")
		}
		return dial(ctx, network, address)
	}
	cc.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.Code == warning {
			s.warned.Store(&n.Message)
		}
		if notice != nil {
			notice(conn, n)
		}
	}
	cc.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := s.meet(ctx, conn, durability); err != nil {
			return err
		}
		if after == nil {
			return nil
		}
		return after(ctx, conn)
	}
	return s
}

// meet learns who serves the connection.
func (s *session) meet(ctx context.Context, conn *pgconn.PgConn, durability string) error {
	results, err := conn.Exec(ctx, `SELECT current_setting('synchronous_commit'), pid, backend_start
		FROM pg_stat_activity WHERE pid = pg_backend_pid()`).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return errors.New("PostgreSQL does not list this session in pg_stat_activity")
	}
	row := results[0].Rows[0]
	if got := string(row[0]); got != durability {
		return fmt.Errorf("synchronous_commit is %q and must be %q: an acknowledged row would not be mirrored; "+
			"mend the configuration of PostgreSQL (R1)", got, durability)
	}
	pid, err := strconv.ParseInt(string(row[1]), 10, 32)
	if err != nil {
		return err
	}
	s.backend = backend{pid: int32(pid), started: string(row[2])}
	s.socket = conn.Conn()
	conn.CustomData()[sessionKey] = s
	return nil
}

// sessionOf finds the session of a connection.
func sessionOf(conn *pgx.Conn) (*session, error) {
	s, ok := conn.PgConn().CustomData()[sessionKey].(*session)
	if !ok {
		return nil, errors.New("store: the pool was not made with store.Configure")
	}
	return s, nil
}

// sever ends the session from our side without a word to PostgreSQL. Whoever reads from it
// gets an error at once; a COMMIT it had sent is in doubt.
func (s *session) sever() {
	s.committing.Store(true)
	_ = s.socket.Close() // an error would say that it is closed already
}
