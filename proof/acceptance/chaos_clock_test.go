package acceptance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"releve"
)

// A wall clock of one process alone. A Go program reads the clock from a page that the
// kernel maps into it (vDSO), where nothing can come between. So the product is started from
// a copy in which the name of that function is misspelt: the runtime does not find it and asks
// the kernel by a system call instead, as it does where there is no such page. A filter
// (seccomp(2), SECCOMP_RET_USER_NOTIF) hands each such call for CLOCK_REALTIME to a keeper,
// which answers with the machine's time and an offset. Durations are not touched: no clock but
// this one ever jumps. PostgreSQL keeps the machine's time.

// What tells this binary to be a part of that.
const (
	envClock  = "RELEVE_ACCEPTANCE_CLOCK"  // file with the offset: the wrapper, which becomes the product
	envKeeper = "RELEVE_ACCEPTANCE_KEEPER" // the same file: the keeper
)

// keeperFD is where the keeper finds the filter's calls.
const keeperFD = 3

// playClock is what this binary does instead of tests when it is told to; it returns when it
// is not.
func playClock() {
	var err error
	switch {
	case os.Getenv(envKeeper) != "":
		err = keepClock(os.Getenv(envKeeper))
	case os.Getenv(envClock) != "":
		err = startUnderClock(os.Getenv(envClock), os.Args[1:])
	default:
		return
	}
	if err != nil {
		os.Exit(complain("the clock of one process: %v", err))
	}
	os.Exit(0)
}

// startUnderClock puts the filter on this thread, starts the keeper and becomes the program.
func startUnderClock(offset string, argv []string) error {
	runtime.LockOSThread() // the filter is this thread's, and exec keeps it
	calls, err := filterClock()
	if err != nil {
		return err
	}
	keeper := exec.Command("/proc/self/exe")
	keeper.Env = append(os.Environ(), envKeeper+"="+offset)
	keeper.ExtraFiles = []*os.File{os.NewFile(calls, "clock")}
	keeper.Stderr = os.Stderr
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a signal to the program's group is not for it
	started := make(chan error)
	go func() { started <- keeper.Start() }() // from a thread without the filter: it must end when nobody has it any more
	if err := <-started; err != nil {
		return err
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// filterClock lets the kernel ask us for each clock_gettime(CLOCK_REALTIME) of this thread
// and of what it becomes.
func filterClock() (calls uintptr, err error) {
	const number, firstArgument = 0, 16 // struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLOCK_GETTIME, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: firstArgument},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.CLOCK_REALTIME, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	calls, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, fmt.Errorf("no filter for the clock: %w", errno)
	}
	return calls, nil
}

// clockCall and clockAnswer are struct seccomp_notif and seccomp_notif_resp.
type (
	clockCall struct {
		id           uint64
		pid, flags   uint32
		number, arch int32
		at           uint64
		arguments    [6]uint64
	}
	clockAnswer struct {
		id, value uint64
		failed    int32
		flags     uint32
	}
)

// keepClock answers until nobody is left who could ask.
func keepClock(offset string) error {
	file, err := os.Open(offset)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		ready := []unix.PollFd{{Fd: keeperFD, Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if ready[0].Revents&unix.POLLHUP != 0 {
			return nil
		}
		var call clockCall
		if errno := ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&call)); errno != 0 {
			continue // who asked has died
		}
		var stored [8]byte
		_, _ = file.ReadAt(stored[:], 0) // a file not written yet holds no offset
		now := unix.NsecToTimespec(time.Now().UnixNano() + int64(binary.NativeEndian.Uint64(stored[:])))
		local := unix.Iovec{Base: (*byte)(unsafe.Pointer(&now))}
		local.SetLen(int(unsafe.Sizeof(now)))
		answer := clockAnswer{id: call.id}
		remote := []unix.RemoteIovec{{Base: uintptr(call.arguments[1]), Len: int(unsafe.Sizeof(now))}}
		if _, err := unix.ProcessVMWritev(int(call.pid), []unix.Iovec{local}, remote, 0); err != nil {
			answer.failed = -int32(unix.EFAULT)
		}
		_ = ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer)) // who asked may have died meanwhile
	}
}

func ioctl(request uintptr, argument unsafe.Pointer) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, keeperFD, request, uintptr(argument))
	return errno
}

// ownClock is a program with a wall clock of its own.
type ownClock struct{ program, offset string }

// giveClock makes the copy of a program and the file with its clock's offset, 0 at first.
func giveClock(program, dir string) (ownClock, error) {
	c := ownClock{program: filepath.Join(dir, "releve-with-a-clock"), offset: filepath.Join(dir, "clock")}
	raw, err := os.ReadFile(program)
	if err != nil {
		return c, err
	}
	name := []byte("__vdso_clock_gettime")
	if !bytes.Contains(raw, name) {
		return c, fmt.Errorf("%s does not read its clock as Go programs of this kind do", program)
	}
	misspelt := bytes.ReplaceAll(raw, name, []byte("__none_clock_gettime"))
	return c, errors.Join(os.WriteFile(c.program, misspelt, 0o755), c.jump(0))
}

// jump sets how far the clock is from the machine's.
func (c ownClock) jump(by time.Duration) error {
	return os.WriteFile(c.offset, binary.NativeEndian.AppendUint64(nil, uint64(by)), 0o600)
}

// command is the program with arguments, under its clock.
func (c ownClock) command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{c.program}, args...)...)
	cmd.Env = append(os.Environ(), envClock+"="+c.offset)
	return cmd
}

// The one who proves that a clock jumped must not have a clock that never does.
func TestTheHarnessShiftsTheClockOfOneProcess(t *testing.T) {
	if err := productError(); err != nil {
		t.Fatal(err)
	}
	dir := newDir(t)
	c, err := giveClock(product(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: dir, main: newServer(releve.Main, dir, mainHost), secondary: newServer(releve.Secondary, dir, secondaryHost)}
	closeSharedSite() // it uses the same addresses
	if err := s.layOut(plan{}); err != nil {
		t.Fatal(err)
	}
	if s.main.process, err = launch(s.main.said, c.command("serve", "-c", s.main.file)); err != nil {
		t.Fatal(err)
	}
	exits.watch(s.main.name, s.main.process)
	t.Cleanup(s.main.stop)
	for _, by := range []time.Duration{0, time.Hour, -time.Hour, 0} {
		if err := c.jump(by); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, fmt.Sprintf("a clock that is off by %v", by), func() error {
			v, err := s.main.view()
			if off := time.Until(v.At); err == nil && (off-by).Abs() > 10*time.Second {
				err = fmt.Errorf("it is off by %v", off)
			}
			return err
		})
	}
}
