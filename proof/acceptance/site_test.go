package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// site is a whole establishment: the PBX, the two servers and two telephones, with
// an ear on the wire and a ledger of what the servers said they stored.
type site struct {
	dir             string
	exchange        exchange // the PBX, whichever it is
	pbx             *pbx     // nil where that is not Kamailio
	phones          []*phone
	ear             *ear
	ledger          *ledger
	heard           *wireTap // what goes over the wire; nil where nobody listens
	main, secondary *server
	witness         *witness   // nil in a site without one
	replayed        testing.TB // the test that ends with a replay of the diaries
}

// plan is what a site is made with.
type plan struct {
	init     []string                      // more flags of `releve init`
	witness  bool                          // a third machine keeps the register (R5)
	settings map[string]string             // of both configuration files: "section.key" to TOML value
	pbx      map[string]string             // of the PBX, by its environment
	exchange func(*site) (exchange, error) // another PBX than Kamailio, started once the site is laid out
}

// exchange is what every story needs of a PBX.
type exchange interface {
	registered(user, host string) error // says whether the contact of a user is at a host
	close()
}

// shared is the site that tests use one after the other when they can.
var shared *site

// normalSite is the shared site in its normal state: the main on duty, the mirror
// in sync. A test that fails leaves it to nobody.
func normalSite(t *testing.T) *site {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			closeSharedSite()
		}
	})
	if shared == nil {
		shared = openSite(t, plan{})
		shared.waitNormal(t)
	} else {
		shared.replayAtTheEnd(t)
		shared.bringBack(t)
	}
	return shared
}

func closeSharedSite() {
	if shared != nil {
		shared.close()
		shared = nil
	}
}

// ownSite is a site for one test, for what would harm the others.
func ownSite(t *testing.T, p plan) *site {
	t.Helper()
	closeSharedSite() // it uses the same addresses
	s := openSite(t, p)
	t.Cleanup(s.close)
	s.waitNormal(t)
	return s
}

// openSite makes a site and starts its two servers.
func openSite(t *testing.T, p plan) *site {
	t.Helper()
	s, err := newSite(newDir(t), p)
	if err != nil {
		t.Fatal(err)
	}
	s.startBoth(t)
	return s
}

// newSite lays out a site with `releve init` and starts all but the two servers.
func newSite(dir string, p plan) (*site, error) {
	if err := productError(); err != nil {
		return nil, err
	}
	s := &site{dir: dir}
	s.main = newServer(releve.Main, dir, mainHost)
	s.secondary = newServer(releve.Secondary, dir, secondaryHost)
	if p.witness {
		s.witness = newWitness(dir)
		p.init = append(slices.Clip(p.init), s.witness.flags()...)
	}
	if err := s.layOut(p); err != nil {
		return nil, err
	}
	err := s.startParts(p)
	if err != nil {
		s.close()
	}
	return s, err
}

// layOut writes the two configuration files.
func (s *site) layOut(p plan) error {
	args := append([]string{"init", "--dir", s.dir, "--name", "Hôpital", "--pbx", pbxHost + ":5060", "--domain", domain, "--networks", "127.0.0.0/8",
		"--main-host", mainHost, "--secondary-host", secondaryHost, "--reception-number", receptionNumber,
		"--reception-password", receptionPassword, "--standby-password", standbyPassword, "--operator", "1002", "--channels", "100",
		"--main-data", s.main.data, "--secondary-data", s.secondary.data}, p.init...)
	if r := runReleve(args...); r.code != 0 {
		return fmt.Errorf("releve init: exit code %d: %s", r.code, r.stderr)
	}
	for _, server := range []*server{s.main, s.secondary} {
		if p.witness { // so that a cut can tell who asks it
			if err := setInFile(server.file, "witness.from", strconv.Quote(server.host)); err != nil {
				return err
			}
		}
		for key, value := range p.settings {
			if err := setInFile(server.file, key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *site) startParts(p plan) error {
	var err error
	if s.ear, err = listen(); err != nil {
		return err
	}
	if err := s.startExchange(p); err != nil {
		return err
	}
	for i, user := range []string{"1001", "1002"} {
		phone, err := startPhone(s.dir, user, fmt.Sprintf("127.0.0.%d", 31+i))
		if err != nil {
			return err
		}
		s.phones = append(s.phones, phone)
	}
	s.ledger = openLedger(s.main, s.secondary)
	return nil
}

func (s *site) startExchange(p plan) (err error) {
	if p.exchange != nil {
		s.exchange, err = p.exchange(s)
		return err
	}
	if s.pbx, err = startPBX(s.dir, p.pbx); err == nil {
		s.exchange = s.pbx
	}
	return err
}

// close stops everything, in the reverse of the order of its start: a mirror that is
// stopped last has nobody to give the vote back to, and waits to be heard.
func (s *site) close() {
	if s.ledger != nil {
		s.ledger.close()
	}
	for _, m := range slices.Backward(s.machines()) {
		m.stop()
	}
	for _, p := range s.phones {
		p.close()
	}
	if s.exchange != nil {
		s.exchange.close()
	}
	if s.ear != nil {
		s.ear.close()
	}
}

// machines are those that run what is ours.
func (s *site) machines() []*machine {
	all := []*machine{&s.main.machine, &s.secondary.machine}
	if s.witness != nil {
		all = append(all, &s.witness.machine)
	}
	return all
}

// startBoth starts the two servers, and the witness where there is one and it does
// not run.
func (s *site) startBoth(t testing.TB) {
	t.Helper()
	s.replayAtTheEnd(t)
	if s.witness != nil && !s.witness.running() {
		s.witness.start(t)
	}
	s.main.start(t)
	s.secondary.start(t)
}

// protectedUnder says what keeps the site from being protected with that server on
// duty, as both servers see it and as the PBX and the databases show it.
func (s *site) protectedUnder(active *server) error {
	passive := s.other(active)
	for _, teller := range []*server{active, passive} {
		v, err := teller.view()
		if err != nil {
			return err
		}
		if v.Word != view.Protected || v.Owner != active.seat || v.Mirror.State != view.MirrorInSync {
			return fmt.Errorf("the %s server says %s (%s %v), %s on duty, mirror %s", teller.seat, v.Word, v.Why.Code, v.Why.Args, v.Owner, v.Mirror.State)
		}
	}
	return errors.Join(s.exchange.registered("reception", active.host), s.exchange.registered("standby", passive.host), s.lodgedUnder(active))
}

// lodgedUnder says why the witness would not grant a takeover from that server, at a
// site that goes by it.
func (s *site) lodgedUnder(active *server) error {
	v, err := active.view()
	if err != nil || v.Arbiter != releve.Witness {
		return err
	}
	status, err := s.witness.show()
	if r := status.Register; err == nil && (r.Owner != active.seat || r.Term != v.Term || r.Alone) {
		err = fmt.Errorf("the witness has the register %+v", r)
	}
	return err
}

// waitNormal waits for the normal state, and tells what the servers said when it
// does not come.
func (s *site) waitNormal(t testing.TB) {
	t.Helper()
	s.waitProtected(t, s.main)
}

func (s *site) waitProtected(t testing.TB, active *server) {
	t.Helper()
	if err := await(60*time.Second, func() error { return s.protectedUnder(active) }); err != nil {
		t.Fatalf("the site is not protected with the %s server on duty: %v\n%s", active.seat, err, s.logs())
	}
	for _, m := range s.machines() {
		m.checkUnrooted(t)
	}
}

// waitOwner waits until a server says that it is on duty.
func (s *site) waitOwner(t testing.TB, active *server, limit time.Duration) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("the %s server on duty", active.seat), func() error {
		v, err := active.view()
		if err == nil && v.Owner != active.seat {
			err = fmt.Errorf("%s is on duty in term %d", v.Owner, v.Term)
		}
		return err
	})
}

func (s *site) other(one *server) *server {
	if one == s.main {
		return s.secondary
	}
	return s.main
}

// callIn starts callers, who end with the test at the latest.
func (s *site) callIn(t testing.TB, l load) *crowd {
	t.Helper()
	c, err := startCallers(s.dir, s.ear, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.sipp.stop)
	return c
}

// phoneAgain registers the telephones anew, after a restart of the PBX.
func (s *site) phoneAgain(t testing.TB) {
	t.Helper()
	for _, p := range s.phones {
		if err := p.register(); err != nil {
			t.Fatal(err)
		}
	}
}

// bringBack undoes what an earlier story left: a server that is dead, the duty on
// the secondary.
func (s *site) bringBack(t testing.TB) {
	t.Helper()
	for _, m := range s.machines() {
		if !m.running() {
			m.start(t)
		}
	}
	if s.onDuty(t) == s.secondary {
		s.waitBothHearPBX(t)
		s.returnToNormal(t)
	}
	s.waitNormal(t)
}

// waitBothHearPBX waits for what an operator mends before he returns to normal.
func (s *site) waitBothHearPBX(t testing.TB) {
	t.Helper()
	eventually(t, 20*time.Second, "both servers hear the PBX", func() error {
		for _, server := range []*server{s.main, s.secondary} {
			v, err := server.view()
			if err == nil && !v.PBX.Heard {
				err = fmt.Errorf("the %s does not", server.name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// onDuty waits until both servers say the same one is on duty and somebody answers.
func (s *site) onDuty(t testing.TB) *server {
	t.Helper()
	var owner releve.Seat
	err := await(60*time.Second, func() error {
		main, err := s.main.view()
		if err != nil {
			return err
		}
		secondary, err := s.secondary.view()
		if err != nil {
			return err
		}
		owner = main.Owner
		if main.Owner != secondary.Owner || main.Term != secondary.Term || main.Word == view.Stopped || secondary.Word == view.Stopped {
			return fmt.Errorf("the main says %s, %s on duty in term %d, the secondary %s, %s in term %d",
				main.Word, main.Owner, main.Term, secondary.Word, secondary.Owner, secondary.Term)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("nobody is on duty: %v\n%s", err, s.logs())
	}
	if owner == releve.Secondary {
		return s.secondary
	}
	return s.main
}

// returnToNormal brings the old main back and gives it the duty, as an operator
// does once it runs again.
func (s *site) returnToNormal(t testing.TB) {
	t.Helper()
	began := time.Now()
	s.main.mustRun(t, "return")
	s.waitNormal(t)
	t.Logf("return to normal: %v", time.Since(began).Round(time.Millisecond))
}

// logs are the last lines of both servers that tell of more than calls.
func (s *site) logs() string {
	return "--- main:\n" + tail(s.main.log(), 15) + "\n--- secondary:\n" + tail(s.secondary.log(), 15)
}

// setInFile gives a key of a configuration file another TOML value, or adds it to
// its section.
func setInFile(file, key, value string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	section, name, _ := strings.Cut(key, ".")
	head, rest, found := strings.Cut(string(raw), "["+section+"]\n")
	if !found {
		return fmt.Errorf("%s has no section [%s]", file, section)
	}
	line := name + " = " + value + "\n"
	body, next, more := strings.Cut(rest, "\n[")
	if more {
		next = "\n[" + next
	}
	old := regexp.MustCompile(`(?m)^\s*#?\s*` + name + `\s*=.*\n?`)
	if old.MatchString(body) {
		body = old.ReplaceAllLiteralString(body+"\n", line)
	} else {
		body = line + body
	}
	return os.WriteFile(file, []byte(head+"["+section+"]\n"+body+next), 0o600)
}

// productError says why there is no product to test.
func productError() error {
	if said := os.Getenv(envBuildError); said != "" {
		return fmt.Errorf("the product does not build:\n%s", said)
	}
	return nil
}

func product() string { return filepath.Join(os.Getenv(envDir), "releve") }
