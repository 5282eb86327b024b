package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
)

// knockLimit is how long the other server's PostgreSQL may take to let somebody in.
const knockLimit = 5 * time.Second

// Knock says whether the other server's PostgreSQL, at an address, shows what config
// believes and lets in who shows its certificate, as a copy would come. It changes nothing.
func Knock(ctx context.Context, at netip.AddrPort, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, knockLimit)
	defer cancel()
	info, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=require",
		at.Addr(), at.Port(), RoleClone, superuser))
	if err != nil {
		return err
	}
	info.TLSConfig, info.Fallbacks = config, nil
	conn, err := pgx.ConnectConfig(ctx, info)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
