// Package console serves what people and programs look at: the page, the live
// stream and the API on an address of the network; what who is logged in orders
// there; and on a socket of this machine the operator's commands.
package console

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/doors/local"
	"releve/doors/porter"
	"releve/doors/seal"
	"releve/screen/view"
)

// Site is what is shown and commanded.
type Site interface {
	View() view.Site
	Watch(context.Context) <-chan view.Site                                                   // the latest after each change
	Calls(ctx context.Context, q releve.CallQuery, limit int) iter.Seq2[[]releve.Call, error] // newest first, in pages that fit in memory
	Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error)
	Arbiter() view.Arbiter
	Stored(context.Context) <-chan []releve.Fact // each acknowledged fact, once
}

// Guide carries out what an operator orders.
type Guide interface {
	Procedure(context.Context, view.Wish, func(view.Procedure)) error
	Abdicate(context.Context) (view.Abdication, error) // gives the mirror's vote back (R3)
	Offers() []view.Offer
	Runs() []view.Run                                    // of both servers, the newest first
	AbortProcedure(ctx context.Context, id string) error // of either server; what it refuses is of [releve.ErrForbidden] or [releve.ErrUnknown]
}

// Options say where to serve.
type Options struct {
	Site         Site
	Guide        Guide
	Salvage      Salvage   // nil: there is nothing
	Mirror       Mirror    // nil: none to be proven
	Telephone    Telephone // nil: no PBX to be checked
	Alarms       Alarms    // nil: none are kept here
	Post         Post      // nil: no alarms are sent from here
	Licences     Licences  // nil: none are kept here
	Records      Records   // what is recorded of calls, counted
	Accounts     Accounts  // nil: nobody logs in here
	Door         Door      // nil: nothing is ordered here
	Drills       Drills    // nil: none are made here
	History      History   // what both diaries say
	Listen       string    // host:port of the page
	Seal         string    // directory of the page's certificate, which is made there; "": the page is plain, and nobody logs in
	Names        []string  // by which readers may call the page, beside its addresses
	OtherConsole string    // host:port of the other server's page, "" when not known
	Socket       string    // path of the control socket
	Log          *slog.Logger
}

// Server is both faces of this server.
type Server struct {
	options  Options
	public   *http.Server
	control  *http.Server
	listener net.Listener
	socket   net.Listener
	life     context.Context
	end      context.CancelFunc
	live     *live
	distance distances
	screens  *porter.Room
	ledgers  *porter.Room
	serving  sync.WaitGroup
}

// New listens on both and serves from Start on.
func New(o Options) (*Server, error) {
	if o.Door == nil {
		o.Door = closed{}
	}
	if o.Salvage == nil {
		o.Salvage = nothingSalvaged{}
	}
	page, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("the page cannot be served on %s: %w", o.Listen, err)
	}
	socket, err := listenUnix(o.Socket)
	if err != nil {
		_ = page.Close()
		return nil, err
	}
	s := &Server{
		options: o, listener: publicDoor(page), socket: controlDoor(socket), live: newLive(o.Site),
		screens: porter.NewRoom(screens), ledgers: porter.NewRoom(ledgers),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.public = s.server(s.publicRoutes())
	s.control = s.server(s.controlRoutes())
	local.Attach(s.control)
	return s, nil
}

// seal lets the page be asked for over TLS as well, on the same port. Without its certificate the page is there
// all the same, and nobody logs in.
func (o Options) seal(l net.Listener) net.Listener {
	if o.Seal == "" {
		return l
	}
	var names []string
	for name := range o.names() {
		if name != "" && name != hostOf(o.OtherConsole) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	certificate, err := seal.Keep(o.Seal, names)
	if err != nil {
		o.Log.Error("nobody can log in to the page", "err", err)
		return l
	}
	return seal.Listen(l, certificate.Config())
}

// listenUnix takes the place of a socket that a killed server left behind, and
// never that of one that still answers.
func listenUnix(path string) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("a server already runs with this data directory: it answers on %s; stop it first", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the control socket cannot be made: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the control socket cannot be made: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("the control socket cannot be kept private: %w", err)
	}
	return l, nil
}

func (s *Server) server(h http.Handler) *http.Server {
	server := &http.Server{
		Handler: bodied(h), ReadHeaderTimeout: headerLimit, IdleTimeout: time.Minute, MaxHeaderBytes: headerMost,
		BaseContext: func(net.Listener) context.Context { return s.life },
	}
	porter.Attach(server, s.options.Log)
	seal.Attach(server)
	return server
}

// Address is where the page is served.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Start serves until Close. Who started as root has given that up by now: what the account keeps is opened as it.
func (s *Server) Start() {
	page := s.options.seal(s.listener)
	s.serving.Go(func() { s.live.watch(s.life) })
	s.serving.Go(func() { s.live.follow(s.life) })
	s.serving.Go(func() { s.distance.follow(s.life, s.options.Site) })
	s.serving.Go(func() { _ = s.public.Serve(page) })
	s.serving.Go(func() { _ = s.control.Serve(s.socket) })
}

// Close ends every open stream and both servers.
func (s *Server) Close() {
	s.end() // Shutdown would wait for the streams
	_ = s.public.Close()
	_ = s.control.Close()
	_ = s.listener.Close()
	_ = s.socket.Close()
	s.serving.Wait()
}
