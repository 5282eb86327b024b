package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"releve/proof/practice"
)

// Ring cadence of a PABX in France, and where between two rings the caller's number is sent (ETSI EN 300 659-1, 6.1.2).
const (
	ringOn     = 1500 * time.Millisecond
	ringOff    = 3500 * time.Millisecond
	callerIDAt = ringOn + 500*time.Millisecond
)

// LineOptions say between whom a port's calls are.
type LineOptions struct {
	Listen netip.AddrPort // of the gateway's SIP
	Server netip.AddrPort
	User   string // to whom the port's calls are sent
	From   string // who calls, as the PABX sends it after the first ring
	Log    *slog.Logger
}

// Line is an analogue line of a PABX that is plugged into a port of the gateway.
type Line struct {
	caller *practice.Caller
	user   string
}

// NewLine opens the gateway's SIP for a line.
func NewLine(o LineOptions) (*Line, error) {
	caller, err := practice.NewCaller(practice.CallerOptions{Listen: o.Listen, PBX: o.Server, Domain: o.Server.Addr().String(), User: o.From, Log: o.Log})
	if err != nil {
		return nil, err
	}
	return &Line{caller, o.User}, nil
}

// Close ends it.
func (l *Line) Close() error { return l.caller.Close() }

// Ring has the PABX ring on the line, so often at most, until it is answered: then the caller talks for as long as hold says. The
// gateway tells the server of the call once it knows who calls, and takes it back when the line rings no more.
func (l *Line) Ring(ctx context.Context, rings int, hold time.Duration) practice.Result {
	known := time.NewTimer(callerIDAt)
	defer known.Stop()
	select {
	case <-known.C:
	case <-ctx.Done():
		return practice.Result{Err: ctx.Err()}
	}
	rest := time.Duration(rings)*(ringOn+ringOff) - callerIDAt
	return l.caller.Call(ctx, practice.CallOptions{Number: l.user, Patience: rest, Hold: hold})
}
