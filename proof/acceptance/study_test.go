package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/proof/practice"
	"releve/proof/practice/stranger"
)

// The two machines of a study: the main is this namespace, the secondary one beside it, and
// a cable between them. The PBX is on the main's side.
const (
	studyMain      = "10.77.0.1"
	studySecondary = "10.77.0.2"
	studyPBX       = "10.77.0.10"
)

// studied is that site, and the namespace of its secondary.
type studied struct {
	dir   string
	far   *part
	pbx   *practice.PBX
	clock *ownClock // of the secondary, where it has one of its own
	under []string  // what the secondary's program is run by
}

func newStudied(t *testing.T) *studied {
	t.Helper()
	s := &studied{dir: newDir(t)}
	s.far = must(launch(filepath.Join(s.dir, "far.log"), exec.Command("unshare", "--net", "sleep", "infinity")))(t)
	t.Cleanup(func() { s.far.signal(syscall.SIGKILL); <-s.far.gone })
	pid := s.far.cmd.Process.Pid
	if err := await(5*time.Second, func() error { return inNamespaceOfItsOwn(pid) }); err != nil {
		t.Fatal(err)
	}
	s.here(t, "ip", "link", "add", "study0", "type", "veth", "peer", "name", "study1")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "study0").Run() })
	s.here(t, "ip", "link", "set", "study1", "netns", strconv.Itoa(pid))
	s.here(t, "ip", "addr", "add", studyMain+"/24", "dev", "study0")
	s.here(t, "ip", "addr", "add", studyPBX+"/24", "dev", "study0")
	s.here(t, "ip", "link", "set", "study0", "up")
	s.there(t, "ip", "link", "set", "lo", "up")
	s.there(t, "ip", "addr", "add", studySecondary+"/24", "dev", "study1")
	s.there(t, "ip", "link", "set", "study1", "up")
	s.openPBX(t)
	if err := os.WriteFile(s.code(), []byte("ABCDEFGHJKLMNPQR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func inNamespaceOfItsOwn(pid int) error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil || its == own {
		return errNotYet
	}
	return nil
}

func (s *studied) openPBX(t *testing.T) {
	t.Helper()
	s.pbx = must(practice.NewPBX(practice.PBXOptions{
		Listen: netip.MustParseAddrPort(studyPBX + ":5060"), Realm: domain, Number: receptionNumber, Log: slog.New(slog.DiscardHandler),
		ReceptionPassword: receptionPassword, StandbyPassword: standbyPassword, PhonePassword: phonePassword,
	}))(t)
	t.Cleanup(func() { _ = s.pbx.Close() })
}

func (s *studied) code() string { return filepath.Join(s.dir, "code") }

// here and there run a command on the main and on the secondary.
func (s *studied) here(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
}

func (s *studied) there(t *testing.T, command ...string) {
	t.Helper()
	s.here(t, s.over(command...)...)
}

// over is a command as it runs on the secondary.
func (s *studied) over(command ...string) []string {
	return append([]string{"nsenter", "-t", strconv.Itoa(s.far.cmd.Process.Pid), "-n"}, command...)
}

// run makes a study: both ends, as people would start them.
func (s *studied) run(t *testing.T, far []string, near ...string) releve.Study {
	t.Helper()
	log := filepath.Join(s.dir, "answer.log")
	end := must(launch(log, s.answer(t, far)))(t)
	defer func() { end.signal(syscall.SIGKILL); <-end.gone }()
	begin := time.Now()
	r := runReleve(append([]string{"study", "--own", studyMain, "--peer", studySecondary, "--pbx", studyPBX, "--domain", domain,
		"--data", filepath.Join(s.dir, "m"), "--code-file", s.code(), "--output", "json"}, near...)...)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s\n%s", r.code, r.stderr, tail(log, 20))
	}
	if code, err := end.wait(5 * time.Second); err != nil || code != 0 {
		t.Errorf("the end that answers: %d, %v\n%s", code, err, tail(log, 20))
	}
	if lasted := time.Since(begin); lasted > 2*time.Minute {
		t.Errorf("it lasted %v", lasted)
	}
	var made releve.Study
	if err := json.Unmarshal([]byte(r.stdout), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// silent are the findings of a PBX that says nothing: all of it is open.
func (s *studied) silent(well []string) []string {
	want := []string{"pbx-answers main: failed study-pbx-silent", "pbx-answers secondary: failed study-pbx-silent"}
	for _, line := range well {
		if before, ok := strings.CutSuffix(line, "study-no-users"); ok {
			want = append(want, before+"study-pbx-silence-first")
		}
	}
	return want
}

// answer is the end on the secondary, under its clock.
func (s *studied) answer(t *testing.T, more []string) *exec.Cmd {
	t.Helper()
	arguments := append([]string{"study", "answer", "--own", studySecondary, "--peer", studyMain,
		"--data", filepath.Join(s.dir, "s"), "--code-file", s.code()}, more...)
	if s.clock == nil {
		command := s.over(slices.Concat(s.under, []string{product()}, arguments)...)
		return exec.Command(command[0], command[1:]...)
	}
	own := must(os.Executable())(t)
	command := s.over(append([]string{own, s.clock.program}, arguments...)...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), envClock+"="+s.clock.offset)
	return cmd
}

// nameless are what is found of addresses that no name server knows, where names are used.
func nameless() (all []string) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		for _, host := range []string{studyMain, studySecondary, studyPBX} {
			all = append(all, fmt.Sprintf("name-back %s %s: poor study-name-back-none", seat, host))
		}
	}
	return all
}

// wrong are the findings that are not ok, "check seat about: verdict code".
func wrong(made releve.Study) (all []string) {
	for _, f := range made.Findings {
		if f.Verdict != releve.StudyOK {
			name := strings.Join(strings.Fields(f.Check+" "+string(f.Seat)+" "+f.About), " ")
			all = append(all, fmt.Sprintf("%s: %s %s", name, f.Verdict, f.Why.Code))
		}
	}
	return all
}

// withoutLoaded leaves out the values that another test on this machine can spoil.
func withoutLoaded(all []string) []string {
	return slices.DeleteFunc(all, func(line string) bool {
		check, _, _ := strings.Cut(line, " ")
		return slices.Contains([]string{"latency", "loss", "disk-rate", "disk-sync", "disk-sync-worst", "pbx-answers"}, check) &&
			strings.HasSuffix(line, " study-why-"+check)
	})
}

// slowDisk has each fsync of the secondary take its time, which a busy machine does not do by itself.
func (s *studied) slowDisk(t *testing.T) {
	const takes = 150 * time.Millisecond
	s.under = []string{"strace", "-f", "--seccomp-bpf", "-o", os.DevNull, "-e", "trace=fsync",
		"-e", fmt.Sprintf("inject=fsync:delay_enter=%d", takes.Microseconds())}
	defer func() { s.under = nil }()
	made := s.run(t, nil)
	i := slices.IndexFunc(made.Findings, func(f releve.Finding) bool { return f.Check == "disk-sync" && f.Seat == releve.Secondary })
	if i < 0 || made.Findings[i].Verdict != releve.StudyFailed || made.Findings[i].Value < takes.Seconds() {
		t.Errorf("of a disk that takes %v for each page: %s", takes, strings.Join(wrong(made), "\n"))
	}
}

// TestAStudyFindsWhatIsBrokenAndInventsNothing breaks one prerequisite at a time (SPEC E1).
func TestAStudyFindsWhatIsBrokenAndInventsNothing(t *testing.T) {
	s := newStudied(t)
	well := withoutLoaded(wrong(s.run(t, nil)))
	for _, line := range well {
		if !strings.HasSuffix(line, "study-no-users") {
			t.Errorf("a good site: %s", line)
		}
	}
	t.Run("a slow disk", s.slowDisk)
	for _, c := range []struct {
		name    string
		breakIt func(t *testing.T) (far, near []string)
		want    []string
	}{
		{"a firewall that drops a port", func(t *testing.T) ([]string, []string) {
			s.wall(t, s.over(), "chain in { type filter hook input priority 0; tcp dport 5442 drop; }")
			return nil, nil
		}, []string{"port-mirror secondary tcp 5442: failed study-port-dropped"}},
		{"a firewall that rejects a port", func(t *testing.T) ([]string, []string) {
			s.wall(t, nil, "chain in { type filter hook input priority 0; ip daddr "+studyMain+" tcp dport 7443 reject with icmp type port-unreachable; }")
			return nil, nil
		}, []string{"port-link main tcp 7443: failed study-port-rejected"}},
		{"a firewall that forbids a host", func(t *testing.T) ([]string, []string) {
			s.wall(t, s.over(), "chain in { type filter hook input priority 0; udp dport 5060 ip saddr "+studyMain+
				" reject with icmp type admin-prohibited; }")
			return nil, nil
		}, []string{"port-telephone secondary udp 5060: failed study-port-prohibited"}},
		{"a firewall that drops answers", func(t *testing.T) ([]string, []string) {
			s.wall(t, nil, "chain in { type filter hook input priority 0; ip saddr "+studySecondary+" ip daddr "+studyMain+" udp sport 5060 drop; }")
			return nil, nil
		}, []string{"port-telephone secondary udp 5060: failed study-port-dropped-back"}},
		{"a firewall on the sender", func(t *testing.T) ([]string, []string) {
			s.wall(t, nil, "chain out { type filter hook output priority 0; ip saddr "+studyMain+" ip daddr "+studySecondary+" udp dport 5060 drop; }")
			return nil, nil
		}, []string{"port-telephone secondary udp 5060: failed study-port-own-wall"}},
		{"a proxy that answers in the other's place", func(t *testing.T) ([]string, []string) {
			s.between(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
			return nil, nil
		}, []string{"port-link secondary tcp 7443: failed study-port-altered"}},
		{"an antivirus that cuts", func(t *testing.T) ([]string, []string) {
			s.between(t, func(c net.Conn) { _, _ = bufio.NewReader(c).ReadByte(); _ = c.(*net.TCPConn).SetLinger(0) })
			return nil, nil
		}, []string{"port-link secondary tcp 7443: failed study-port-foreign"}},
		{"a port that another program holds", func(t *testing.T) ([]string, []string) {
			holder := must(net.Listen("tcp", studyMain+":8080"))(t)
			t.Cleanup(func() { _ = holder.Close() })
			return nil, nil
		}, []string{"port-free main tcp 8080: failed study-port-held", "port-page main tcp 8080: not-measured study-port-not-opened"}},
		{"a tunnel between the servers", func(t *testing.T) ([]string, []string) {
			s.here(t, "ip", "link", "set", "study0", "mtu", "1400")
			s.there(t, "ip", "link", "set", "study1", "mtu", "1400")
			t.Cleanup(func() {
				s.here(t, "ip", "link", "set", "study0", "mtu", "1500")
				s.there(t, "ip", "link", "set", "study1", "mtu", "1500")
			})
			return nil, nil
		}, []string{"datagram main: poor study-why-datagram", "datagram secondary: poor study-why-datagram"}},
		{"a full disk", func(t *testing.T) ([]string, []string) {
			return nil, []string{"--data", s.full(t)}
		}, []string{
			"disk-space main: failed study-why-disk-space", "disk-sync main: failed study-disk-full",
			"disk-sync-worst main: failed study-disk-full", "disk-rate main: failed study-disk-full",
		}},
		{"a name that nobody knows", func(t *testing.T) ([]string, []string) {
			return nil, []string{"--mail", "mail.hospital.invalid"}
		}, append(nameless(), []string{
			"name main mail.hospital.invalid: failed study-name-silence", "name secondary mail.hospital.invalid: failed study-name-silence",
			"name-same secondary mail.hospital.invalid: not-measured study-not-reached",
			"mail main mail.hospital.invalid:25: poor study-service-unreachable", "mail secondary mail.hospital.invalid:25: poor study-service-unreachable",
		}...)},
		{"a clock that is an hour late", func(t *testing.T) ([]string, []string) {
			clock := must(giveClock(product(), s.dir))(t)
			if err := clock.jump(-time.Hour); err != nil {
				t.Fatal(err)
			}
			s.clock = &clock
			t.Cleanup(func() { s.clock = nil })
			return nil, nil
		}, []string{"clock-other secondary: failed study-why-clock-other"}},
		{"analogue lines and virtual machines", func(*testing.T) ([]string, []string) {
			return nil, []string{"--telephony", "analogue"}
		}, []string{"virtual main: failed study-virtual-analogue", "virtual secondary: failed study-virtual-analogue"}},
		{"a PBX that is not there", func(*testing.T) ([]string, []string) {
			_ = s.pbx.Close()
			return nil, nil
		}, s.silent(well)},
	} {
		t.Run(c.name, func(t *testing.T) {
			far, near := c.breakIt(t)
			found := slices.DeleteFunc(withoutLoaded(wrong(s.run(t, far, near...))), func(line string) bool { return slices.Contains(well, line) })
			if !slices.Equal(slices.Sorted(slices.Values(found)), slices.Sorted(slices.Values(c.want))) {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(found, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// wall puts a firewall on a machine: this one, or the one that a command is taken over to.
func (s *studied) wall(t *testing.T, over []string, chain string) {
	t.Helper()
	run := func(arguments ...string) error {
		command := append(slices.Clone(over), append([]string{"nft"}, arguments...)...)
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	}
	if err := run("table ip study { " + chain + "; }"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run("delete table ip study"); err != nil {
			t.Error(err)
		}
	})
}

// between takes the connections to the link of the secondary, as a transparent proxy does.
func (s *studied) between(t *testing.T, do func(net.Conn)) {
	t.Helper()
	stranger.Listen(t, "0.0.0.0:9999", do)
	s.wall(t, nil, "chain out { type nat hook output priority -100; ip daddr "+studySecondary+" tcp dport 7443 redirect to :9999; }")
}

// full is a directory on a disk that has no room left.
func (s *studied) full(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(s.dir, "full")
	s.here(t, "mkdir", "-p", dir)
	s.here(t, "mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", dir)
	t.Cleanup(func() { s.here(t, "umount", dir) })
	_ = os.WriteFile(filepath.Join(dir, "all"), make([]byte, 2<<20), 0o600) // as much of it as there is room for
	return dir
}
