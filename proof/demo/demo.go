// Package demo is the demonstration: a whole site on this machine, with people
// who call, whose main server is killed and brought back. It tells what happens
// as it happens, and ends with what was measured.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"releve"
	"releve/proof/practice"
	"releve/screen/view"
)

// Options say what to show.
type Options struct {
	Releve   string // the product's binary
	Keep     bool   // leave the site running after the table, until ctx ends
	Language releve.Language
	Out      io.Writer
	Account  string // unix account of PostgreSQL under root, "": the site's default

	// MakeSite writes the two configurations; nil runs `releve init`.
	MakeSite func(context.Context, Plan) (Site, error)
}

// show is one demonstration while it runs.
type show struct {
	options  Options
	narrator *narrator
	street   street
	dir      string
	site     Site
	nursery  *nursery
	servers  map[releve.Seat]*server
	traffic  *traffic
	ledger   *ledger
	facts    facts
	cleanups []func() error
}

// Limits of what the show waits for; beyond them it says what did not happen.
const (
	protectLimit = 90 * time.Second
	returnLimit  = 90 * time.Second
	rowLimit     = 10 * time.Second

	// Many calls fit into it: a site that has not answered one of them is broken.
	takeoverLimit = 30 * time.Second
)

// Run gives the demonstration in under two minutes. Whatever happens, and when
// ctx ends, every process that it started is stopped before it returns.
func Run(ctx context.Context, o Options) error {
	_, err := play(ctx, o)
	return err
}

// play is Run, with what was measured.
func play(ctx context.Context, o Options) (measured facts, err error) {
	if o.MakeSite == nil {
		o.MakeSite = func(ctx context.Context, p Plan) (Site, error) { return initSite(ctx, o.Releve, p) }
	}
	n := newNarrator(o.Out, o.Language)
	s := &show{
		options: o, narrator: n, nursery: newNursery(),
		servers: map[releve.Seat]*server{}, traffic: newTraffic(n), ledger: newLedger(),
	}
	defer func() { err = errors.Join(err, s.clear()) }()
	if err := s.open(ctx); err != nil {
		return s.facts, err
	}
	err = s.perform(ctx)
	return s.facts, err
}

// open lays the site out and brings everybody to his place.
func (s *show) open(ctx context.Context) error {
	var err error
	if s.street, err = freeStreet(); err != nil {
		return err
	}
	if s.dir, err = newDir(); err != nil {
		return err
	}
	s.later(func() error { return os.RemoveAll(s.dir) })
	if err := s.openTelephony(ctx); err != nil {
		return err
	}
	s.site, err = s.options.MakeSite(ctx, Plan{
		Dir: s.dir, PBX: s.street.sip(pbxHouse), Main: s.street.house(mainHouse), Secondary: s.street.house(secondaryHouse),
		Language: s.options.Language, Account: s.options.Account,
	})
	if err != nil {
		return fmt.Errorf("the site cannot be laid out: %w", err)
	}
	s.later(s.stopServers)
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		if err := s.serve(seat); err != nil {
			return err
		}
	}
	return nil
}

// openTelephony starts the PBX, two telephones and somebody who calls.
func (s *show) openTelephony(ctx context.Context) error {
	log := slog.New(slog.DiscardHandler) // the narrator tells what matters
	s.traffic.hosts = map[string]releve.Seat{
		"sip:" + practice.ReceptionUser + "@" + s.street.sip(mainHouse).String():      releve.Main,
		"sip:" + practice.ReceptionUser + "@" + s.street.sip(secondaryHouse).String(): releve.Secondary,
		"sip:" + practice.StandbyUser + "@" + s.street.sip(secondaryHouse).String():   releve.Secondary,
		"sip:" + practice.StandbyUser + "@" + s.street.sip(mainHouse).String():        releve.Main,
	}
	pbx, err := practice.NewPBX(practice.PBXOptions{
		Listen: s.street.sip(pbxHouse), Realm: domain, Number: number,
		ReceptionPassword: receptionPassword, StandbyPassword: standbyPassword, PhonePassword: phonePassword,
		Log: log, OnEvent: s.traffic.heed,
	})
	if err != nil {
		return err
	}
	s.later(pbx.Close)
	s.narrator.say(plain, "addresses",
		"pbx", s.street.sip(pbxHouse), "main", s.street.house(mainHouse), "secondary", s.street.house(secondaryHouse))
	for house, user := range map[byte]string{phoneHouse: extension, operatorHouse: operator} {
		phone, err := practice.NewPhone(ctx, practice.PhoneOptions{
			Listen: s.street.sip(house), PBX: s.street.sip(pbxHouse), Domain: domain, User: user, Password: phonePassword,
			Ring: 200 * time.Millisecond, Log: log,
		})
		if err != nil {
			return err
		}
		s.later(phone.Close)
	}
	s.narrator.say(plain, "people", "telephones", extension+", "+operator, "number", number)
	s.traffic.caller, err = practice.NewCaller(practice.CallerOptions{
		Listen: s.street.sip(callerHouse), PBX: s.street.sip(pbxHouse), Domain: domain,
		User: callerUser, Password: phonePassword, Log: log,
	})
	if err == nil {
		s.later(s.traffic.caller.Close)
	}
	return err
}

func (s *show) later(f func() error) { s.cleanups = append(s.cleanups, f) }

// clear undoes everything in reverse.
func (s *show) clear() error {
	var errs []error
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		errs = append(errs, s.cleanups[i]())
	}
	s.nursery.close()
	s.narrator.say(dim, "stopped")
	return errors.Join(errs...)
}

func (s *show) serve(seat releve.Seat) error {
	config := s.site.MainConfig
	if seat == releve.Secondary {
		config = s.site.SecondaryConfig
	}
	name := s.narrator.seat(seat)
	server, err := s.nursery.serve(s.options.Releve, name, config, s.dir+"/"+string(seat))
	if err != nil {
		return err
	}
	s.servers[seat] = server
	s.narrator.say(plain, "started", "server", name, "process", server.pid())
	return nil
}

// stopServers stops both at once: one after the other, each would wait for the other.
func (s *show) stopServers() error {
	var wg sync.WaitGroup
	errs := make(chan error, len(s.servers))
	for _, server := range s.servers {
		wg.Go(func() { errs <- server.stop() })
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

func (s *show) console(seat releve.Seat) netip.AddrPort {
	house := byte(mainHouse)
	if seat == releve.Secondary {
		house = secondaryHouse
	}
	return netip.AddrPortFrom(s.street.house(house), consolePort)
}

// perform is the story, its table, and what is left to try.
func (s *show) perform(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer s.ledger.wg.Wait()
	defer stop()
	s.narrator.say(plain, "wait")
	began := time.Now()
	if err := s.protected(ctx, releve.Main, protectLimit); err != nil {
		return err
	}
	s.narrator.say(green, "protected", "after", seconds(time.Since(began)))
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		s.ledger.follow(ctx, seat, s.console(seat))
	}
	err := s.actWithCallers(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.close(ctx)
	if err == nil && s.options.Keep {
		s.keep(ctx)
	}
	return err
}

// actWithCallers plays the acts while people call, and lets the last calls end.
func (s *show) actWithCallers(ctx context.Context) error {
	offering, hangUp := context.WithCancel(ctx)
	var callers sync.WaitGroup
	defer callers.Wait()
	defer hangUp()
	callers.Go(func() { s.traffic.run(ctx, offering, callEvery) })
	return s.acts(ctx)
}

// acts are the four acts while calls go on.
func (s *show) acts(ctx context.Context) error {
	for _, act := range []func(context.Context) error{s.normal, s.kill, s.goOn, s.goBack} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) normal(ctx context.Context) error {
	s.narrator.say(bold, "act-normal")
	return s.traffic.heardBy(ctx, releve.Main, 4, time.Time{})
}

// kill kills the main whole, and waits for the first call on the secondary and
// for its first row.
func (s *show) kill(ctx context.Context) error {
	before := s.ledger.all()
	failure := time.Now()
	killed := s.servers[releve.Main].killAll()
	s.narrator.sayAt(failure, red, "act-kill", "processes", killed)
	err := s.traffic.until(ctx, takeoverLimit, "call answered by the secondary",
		func() bool { return s.facts.takeover(s.traffic, failure) })
	if err != nil {
		return errors.Join(err, s.servers[releve.Secondary].ended())
	}
	if err := s.firstRow(ctx); err != nil {
		return err
	}
	s.narrator.sayAt(s.facts.firstRow, green, "first-row", "server", s.narrator.seat(releve.Secondary))
	s.tellState(ctx, releve.Secondary)
	s.facts.ackedBefore = len(before)
	n, err := s.find(ctx, releve.Secondary, before)
	if err == nil {
		s.facts.foundAfter = &n
	}
	return err
}

// firstRow waits for the first row that the secondary acknowledges by itself.
func (s *show) firstRow(ctx context.Context) error {
	for deadline := time.Now().Add(rowLimit); ; pause(ctx, 20*time.Millisecond) {
		at, ok := s.ledger.firstOf(releve.Secondary, s.facts.overflow)
		if ok {
			s.facts.firstRow = at
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("the secondary acknowledged no row within %s of its first call", rowLimit)
		}
	}
}

func (s *show) goOn(ctx context.Context) error {
	s.narrator.say(bold, "act-more")
	return s.traffic.heardBy(ctx, releve.Secondary, 3, time.Now())
}

// goBack starts the main again and returns to normal.
func (s *show) goBack(ctx context.Context) error {
	s.narrator.say(bold, "act-return")
	if err := s.serve(releve.Main); err != nil {
		return err
	}
	if err := s.reachable(ctx, releve.Main); err != nil {
		return err
	}
	began := time.Now()
	args := []string{"return", "-c", s.site.MainConfig, "--language", string(s.options.Language)}
	s.narrator.tell(began, dim, "$ releve "+strings.Join(args, " "))
	limited, cancel := context.WithTimeout(ctx, returnLimit)
	defer cancel()
	tell := func(text string) { s.narrator.tell(time.Now(), plain, "  "+text) }
	if err := run(limited, tell, s.options.Releve, args...); err != nil {
		return err
	}
	if err := s.protected(ctx, releve.Main, returnLimit); err != nil {
		return err
	}
	s.facts.returned = time.Since(began)
	s.narrator.say(green, "returned", "after", seconds(s.facts.returned))
	return s.traffic.heardBy(ctx, releve.Main, 2, time.Now())
}

// close counts, and shows the table.
func (s *show) close(ctx context.Context) {
	s.traffic.mu.Lock()
	results := s.traffic.results
	s.traffic.mu.Unlock()
	s.facts.count(results)
	rows := s.ledger.all()
	s.facts.ackedAll = len(rows)
	if n, err := s.find(ctx, releve.Main, rows); err == nil {
		s.facts.foundAll = &n
	}
	s.narrator.table(s.facts.rows(s.narrator))
}

// find asks a server's database for its rows, and counts those of the ledger among them.
func (s *show) find(ctx context.Context, seat releve.Seat, rows []entry) (int, error) {
	there, err := databaseRows(ctx, dataOf(s.dir, seat))
	if err != nil {
		return 0, fmt.Errorf("the rows of the %s cannot be read: %w", seat, err)
	}
	return found(rows, there), nil
}

// protected waits until a seat is on duty and the site protected.
func (s *show) protected(ctx context.Context, owner releve.Seat, limit time.Duration) error {
	return s.await(ctx, owner, limit, func(v view.Site) bool { return v.Word == view.Protected && v.Owner == owner })
}

func (s *show) reachable(ctx context.Context, seat releve.Seat) error {
	return s.await(ctx, seat, protectLimit, func(view.Site) bool { return true })
}

// await looks at what a server says until it is as wanted.
func (s *show) await(ctx context.Context, seat releve.Seat, limit time.Duration, wanted func(view.Site) bool) error {
	var last view.Site
	var lastErr error
	for deadline := time.Now().Add(limit); ; pause(ctx, 100*time.Millisecond) {
		if err := errors.Join(context.Cause(ctx), s.servers[seat].ended()); err != nil {
			return err
		}
		if lastErr = ask(ctx, s.console(seat), "/api/site", &last); lastErr == nil && wanted(last) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the %s did not get there within %s (%s, owner %s, %s %v): %w. Its last words:\n%s",
				seat, limit, last.Word, last.Owner, last.Why.Code, last.Why.Args, lastErr, tail(s.servers[seat].log, 12))
		}
	}
}

// tellState repeats what a server says of the site.
func (s *show) tellState(ctx context.Context, seat releve.Seat) {
	var v view.Site
	if ask(ctx, s.console(seat), "/api/site", &v) != nil {
		return // the next act says what is wrong with it
	}
	n := s.narrator
	n.say(plain, "state",
		"server", n.seat(seat), "term", v.Term, "owner", n.seat(v.Owner), "word", n.text("word-"+string(v.Word)))
}

// keep leaves the site to whoever wants to try by hand, until ctx ends.
func (s *show) keep(ctx context.Context) {
	n := s.narrator
	var pids []string
	for _, pid := range family(s.servers[releve.Main].pid(), s.servers[releve.Main].dir) {
		pids = append(pids, strconv.Itoa(pid))
	}
	n.write("")
	n.add(bold, "try")
	n.add(plain, "try-page", "main", s.console(releve.Main), "secondary", s.console(releve.Secondary))
	n.add(plain, "try-kill", "processes", strings.Join(pids, " "))
	n.add(plain, "try-restart", "program", s.options.Releve, "config", s.site.MainConfig)
	n.add(plain, "try-return", "program", s.options.Releve, "config", s.site.MainConfig)
	n.add(plain, "try-call", "user", guest, "password", phonePassword, "domain", domain,
		"proxy", s.street.sip(pbxHouse), "number", number, "extension", extension)
	n.add(plain, "try-logs", "files", s.servers[releve.Main].log+", "+s.servers[releve.Secondary].log)
	n.write("")
	n.say(plain, "kept")
	s.traffic.run(ctx, ctx, 5*time.Second)
}
