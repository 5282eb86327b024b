// Package gateway reads what an analogue gateway says of its ports, by SNMP (version 2c) and the interfaces
// table that every gateway with an agent has (IF-MIB, RFC 2863): its ports for lines are the interfaces of type
// voiceFXO (IANAifType-MIB), in the order of their numbers, and whether one is fed is its operational status.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"releve"
)

// Port is that of an agent (RFC 3417, 3.2).
const Port = 161

const (
	// answerWithin is how long an answer is awaited, and asked for once more.
	answerWithin = time.Second
	retries      = 1
	// mostInterfaces is how many are read of one gateway.
	mostInterfaces = 4096
)

// Columns of ifTable.
const (
	ifType       = ".1.3.6.1.2.1.2.2.1.3"
	ifOperStatus = ".1.3.6.1.2.1.2.2.1.8"
)

// voiceFXO is the type of a port that takes a line (IANAifType-MIB).
const voiceFXO = 101

// states are what an operational status says of a line (RFC 2863, ifOperStatus). One that waits for something from
// outside, as a call, is dormant (3.1.12). What is tested, or not known, says nothing.
var states = map[int]releve.LineState{
	1: releve.LinePlugged, 2: releve.LineDead, 5: releve.LinePlugged, 6: releve.LineDead, 7: releve.LineDead,
}

// Gateway is one of the site's.
type Gateway struct {
	Address   netip.AddrPort // of its agent
	Community string
}

// Ports are the states of its ports for lines, from 1. It fails with a [releve.Fault] when it does not answer, or
// has no such port.
func (g Gateway) Ports(ctx context.Context) (map[int]releve.LineState, error) {
	to := &gosnmp.GoSNMP{
		Target: g.Address.Addr().String(), Port: g.Address.Port(), Transport: "udp", Context: ctx,
		Timeout: answerWithin, Retries: retries, MaxOids: gosnmp.MaxOids, MaxRepetitions: 20,
		Version: gosnmp.Version2c, Community: g.Community,
	}
	if err := to.Connect(); err != nil {
		return nil, g.silent(err)
	}
	defer context.AfterFunc(ctx, func() { _ = to.Conn.Close() })()
	defer to.Conn.Close()
	types, err := column(to, ifType)
	if err != nil {
		return nil, g.silent(err)
	}
	status, err := column(to, ifOperStatus)
	if err != nil {
		return nil, g.silent(err)
	}
	ports := portsOf(types, status)
	if len(ports) == 0 {
		return nil, &releve.Fault{Cause: errors.New("no voiceFXO"), Why: releve.Say("lines-no-port", "gateway", g.Address.Addr().String())}
	}
	return ports, nil
}

// portsOf numbers the ports for lines in the order of their interfaces.
func portsOf(types, status map[int]int) map[int]releve.LineState {
	var fxo []int
	for index, kind := range types {
		if kind == voiceFXO {
			fxo = append(fxo, index)
		}
	}
	slices.Sort(fxo)
	ports := map[int]releve.LineState{}
	for i, index := range fxo {
		state, known := states[status[index]]
		if !known {
			state = releve.LineUnknown
		}
		ports[i+1] = state
	}
	return ports
}

// column reads one of the table, by the numbers of the interfaces.
func column(from *gosnmp.GoSNMP, name string) (map[int]int, error) {
	all := map[int]int{}
	err := from.BulkWalk(name, func(v gosnmp.SnmpPDU) error {
		index, err := strconv.Atoi(strings.TrimPrefix(v.Name, name+"."))
		if err != nil || v.Type != gosnmp.Integer {
			return fmt.Errorf("%s is no integer of the table", v.Name)
		}
		if len(all) >= mostInterfaces {
			return fmt.Errorf("more than %d interfaces", mostInterfaces)
		}
		all[index], _ = v.Value.(int)
		return nil
	})
	return all, err
}

// silent is why nothing was read. An agent that does not know the community keeps silent too (RFC 3584, 4.2.3).
func (g Gateway) silent(err error) error {
	why := releve.Reason(err)
	timeout, is := errors.AsType[net.Error](err)
	if errors.Is(err, gosnmp.ErrMaxRetriesExceeded) || errors.Is(err, context.DeadlineExceeded) || is && timeout.Timeout() {
		why = releve.Reason(releve.Known("no answer", "cause-gateway-silent"))
	}
	return &releve.Fault{Cause: err, Why: releve.Say("lines-gateway-silent", "gateway", g.Address.Addr().String(), "why", why)}
}
