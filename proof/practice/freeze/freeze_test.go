package freeze_test

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"releve/proof/practice/freeze"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program that counts as fast as it can has counted nothing more once it is stopped.
func TestWhatIsStoppedDoesNothingMore(t *testing.T) {
	count := exec.Command("sh", "-c", "while :; do echo; done")
	out, err := count.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := count.Start(); err != nil {
		t.Fatal(err)
	}
	defer count.Wait() //nolint:errcheck // it is killed
	defer count.Process.Signal(syscall.SIGKILL)
	lines := bufio.NewReader(out)
	for range 3 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		freeze.Stop(t, count.Process.Pid)
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(count.Process.Pid, &status, syscall.WUNTRACED|syscall.WNOHANG, nil); pid == 0 ||
			err != nil || !status.Stopped() {
			t.Errorf("the kernel says %v, %v", status, err)
		}
		if err := count.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
}
