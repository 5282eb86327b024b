// Package gateway imitates an analogue gateway: ports for lines (FXO), into which lines of a PABX are plugged, and
// an agent of SNMP that says how they are. It shares no code with what asks it; the encoding of SNMP is a library's.
package gateway

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gosnmp/gosnmp"
)

// Options say what a gateway is.
type Options struct {
	Agent     netip.AddrPort // where its agent answers
	Community string
	Ports     int // for lines
	Phones    int // ports for telephones, which stand in the table before those for lines
	Log       *slog.Logger
}

// Gateway is one that runs.
type Gateway struct {
	options Options
	socket  *net.UDPConn
	ended   chan struct{}

	mu    sync.Mutex
	fed   []bool // the ports for lines
	quiet bool   // the agent says nothing
}

// New starts one whose ports nothing feeds.
func New(o Options) (*Gateway, error) {
	if o.Log == nil {
		return nil, errors.New("a practice gateway needs a logger")
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(o.Agent))
	if err != nil {
		return nil, err
	}
	g := &Gateway{options: o, socket: socket, ended: make(chan struct{}), fed: make([]bool, o.Ports)}
	go g.serve()
	return g, nil
}

// Addr is where its agent answers.
func (g *Gateway) Addr() netip.AddrPort { return g.socket.LocalAddr().(*net.UDPAddr).AddrPort() }

// Feed plugs a living line into a port, from 1, or takes it out.
func (g *Gateway) Feed(port int, fed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fed[port-1] = fed
}

// Quiet has the agent say nothing, or speak again.
func (g *Gateway) Quiet(quiet bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quiet = quiet
}

// Close ends it.
func (g *Gateway) Close() error {
	err := g.socket.Close()
	<-g.ended
	return err
}

func (g *Gateway) serve() {
	defer close(g.ended)
	packet := make([]byte, 64<<10)
	for {
		n, from, err := g.socket.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		answer, err := g.answer(packet[:n])
		if err != nil {
			g.options.Log.Debug("a question is not answered", "from", from, "why", err)
			continue
		}
		_, _ = g.socket.WriteToUDPAddrPort(answer, from) // one that is lost is asked for again
	}
}

// answer answers a question of version 2c (RFC 3416).
func (g *Gateway) answer(packet []byte) ([]byte, error) {
	asked, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c, Logger: gosnmp.NewLogger(nil)}).SnmpDecodePacket(packet)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	quiet, table := g.quiet, g.table()
	g.mu.Unlock()
	if quiet || asked.Community != g.options.Community {
		return nil, errors.New("it is not answered")
	}
	said := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: asked.Community, PDUType: gosnmp.GetResponse, RequestID: asked.RequestID}
	repetitions := 1
	if asked.PDUType == gosnmp.GetBulkRequest {
		repetitions = int(asked.MaxRepetitions)
	}
	for _, v := range asked.Variables {
		name := v.Name
		for range repetitions {
			value := table.next(name)
			said.Variables = append(said.Variables, value)
			if value.Type == gosnmp.EndOfMibView {
				break
			}
			name = value.Name
		}
	}
	return said.MarshalMsg()
}

// Types of interfaces (IANAifType-MIB), and their operational statuses (RFC 2863).
const (
	ethernet, voiceFXO, voiceFXS = 6, 101, 102
	up, down                     = 1, 2
)

// objects are what the agent has, in the order of their names.
type objects []gosnmp.SnmpPDU

// table is the table of interfaces: one of the network, those for telephones, those for lines.
func (g *Gateway) table() objects {
	var all objects
	kinds := []int{ethernet}
	states := []int{up}
	for range g.options.Phones {
		kinds, states = append(kinds, voiceFXS), append(states, up)
	}
	for _, fed := range g.fed {
		state := down
		if fed {
			state = up
		}
		kinds, states = append(kinds, voiceFXO), append(states, state)
	}
	for _, column := range []struct {
		number int
		values []int
	}{{3, kinds}, {8, states}} {
		for i, value := range column.values {
			name := ".1.3.6.1.2.1.2.2.1." + strconv.Itoa(column.number) + "." + strconv.Itoa(i+1)
			all = append(all, gosnmp.SnmpPDU{Name: name, Type: gosnmp.Integer, Value: value})
		}
	}
	return all
}

// next is the first object behind a name.
func (o objects) next(name string) gosnmp.SnmpPDU {
	after := numbers(name)
	for _, v := range o {
		if slices.Compare(numbers(v.Name), after) > 0 {
			return v
		}
	}
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.EndOfMibView}
}

func numbers(name string) (all []int) {
	for part := range strings.SplitSeq(strings.Trim(name, "."), ".") {
		n, _ := strconv.Atoi(part) // the library writes nothing else
		all = append(all, n)
	}
	return all
}
