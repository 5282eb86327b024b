package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// What the outer process tells the one inside the namespace.
const (
	envDir        = "RELEVE_ACCEPTANCE_DIR"         // holds everything the tests write
	envBuildError = "RELEVE_ACCEPTANCE_BUILD_ERROR" // why there is no product to test
	envAsterisk   = "RELEVE_ACCEPTANCE_ASTERISK"    // the directory that it was unpacked to
	envNoAsterisk = "RELEVE_ACCEPTANCE_NO_ASTERISK" // why there is none
	envKeep       = "RELEVE_ACCEPTANCE_KEEP"        // set by hand: the directory stays, to be read
	envRace       = "RELEVE_ACCEPTANCE_RACE"        // set by hand: the product has the race detector in it (see doc.go)
)

// TestMain runs the tests in namespaces of their own: with a process namespace,
// not even a postmaster whose parent was killed can outlive them.
func TestMain(m *testing.M) {
	playClock()
	if os.Getenv(envDir) == "" {
		os.Exit(enter())
	}
	os.Exit(inside(m))
}

// enter builds the product, starts this binary again inside new namespaces and
// gives back its exit code.
func enter() int {
	runtime.LockOSThread() // Pdeathsig follows the thread, not the process
	dir, err := os.MkdirTemp("/tmp", "rlv-")
	if err != nil {
		return complain("cannot make a directory for the tests: %v", err)
	}
	defer discard(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL and Kamailio run under other accounts
		return complain("cannot open %s to other accounts: %v", dir, err)
	}
	cmd := exec.Command("unshare", append(unshareFlags(), os.Args...)...)
	if os.Geteuid() != 0 {
		cmd = exec.Command("sudo", append([]string{"-n", "-E", "unshare"}, cmd.Args[1:]...)...)
	}
	asterisk, none := unpackAsterisk()
	cmd.Env = append(os.Environ(), envDir+"="+dir, envBuildError+"="+build(dir), envAsterisk+"="+asterisk, envNoAsterisk+"="+none)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1) // the namespace gets Ctrl-C as well; we stay to clean up
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := cmd.Run(); cmd.ProcessState == nil {
		return complain("cannot make a namespace: %v; the tests need unshare (util-linux) and root, or sudo without a password", err)
	}
	return cmd.ProcessState.ExitCode()
}

// unshareFlags end with a shell, which is the first process of the namespace: it
// reaps what loses its parent there, which a Go program that waits for its own
// children cannot do.
func unshareFlags() []string {
	return []string{"--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", `ip link set lo up || exit 1; "$0" "$@"; exit $?`}
}

// discard removes what the tests wrote, and what other accounts wrote there.
func discard(dir string) {
	if os.Getenv(envKeep) != "" {
		fmt.Fprintln(os.Stderr, "kept:", dir)
		return
	}
	if os.RemoveAll(dir) != nil {
		_ = exec.Command("sudo", "-n", "rm", "-rf", dir).Run()
	}
}

// build makes the product and gives back what the compiler said against it. It
// runs outside, where the Go caches and the module proxy are.
func build(dir string) string {
	arguments := []string{"build", "-o", filepath.Join(dir, "releve"), "releve/cmd/releve"}
	cgo := "CGO_ENABLED=0" // as make builds it
	if raced() {
		arguments = slices.Insert(arguments, 1, "-race")
		cgo = "CGO_ENABLED=1" // the detector is a C library
	}
	compile := exec.Command("go", arguments...)
	compile.Env = append(os.Environ(), cgo)
	out, err := compile.CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out) + "\n" + err.Error())
	}
	return ""
}

// unpackAsterisk has Asterisk beside the system, outside, where the mirror is. Without it its story fails, and
// no other.
func unpackAsterisk() (dir, none string) {
	var said bytes.Buffer
	script := exec.Command(filepath.Join("..", "..", "scripts", "asterisk.sh"))
	script.Stderr = &said
	out, err := script.Output()
	if err != nil {
		return "", strings.TrimSpace(said.String() + "\n" + err.Error())
	}
	return strings.TrimSpace(string(out)), ""
}

// inside runs the tests, stops the site they shared and looks for what was left.
func inside(m *testing.M) int {
	if raced() {
		// A server ends where it has raced: that is an exit which nobody ordered.
		if err := os.Setenv("GORACE", "halt_on_error=1"); err != nil {
			return complain("%v", err)
		}
	}
	if err := hideClosedMediaPorts(); err != nil {
		return complain("%v", err)
	}
	code := m.Run()
	closeSharedSite()
	exits.watching.Wait()
	for _, told := range exits.take() {
		code = complain("%s", told)
	}
	if err := goleak.Find(); err != nil {
		code = complain("%v", err)
	}
	var left []string
	if await(5*time.Second, func() error { // what ends with another, as the keeper of its clock, ends a moment later
		if left = strangers(); len(left) > 0 {
			return errNotYet
		}
		return nil
	}) != nil {
		code = complain("processes left behind:\n%s", strings.Join(left, "\n"))
	}
	return code
}

// strangers are the processes of the namespace other than the tests themselves.
func strangers() []string {
	var left []string
	for _, p := range processes() {
		if !slices.Contains([]int{1, os.Getpid()}, p.pid) && !p.dead() {
			left = append(left, fmt.Sprintf("%d %s", p.pid, p.command))
		}
	}
	return left
}

// raced says that the product under test has the race detector in it.
func raced() bool { return os.Getenv(envRace) != "" }

// slowness is how much longer all lasts with the race detector, and how much more memory it takes.
const slowness = 5

// allowed is what a product may take of time, or of memory.
func allowed[N time.Duration | float64](limit N) N {
	if raced() {
		return slowness * limit
	}
	return limit
}

func complain(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "acceptance: "+format+"\n", args...)
	return 1
}
