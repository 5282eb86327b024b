package phone_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve/adapters/phone/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is a clip without sound that lasts d.
func silence(d time.Duration) media.Clip {
	return media.FromPCM(make([]int16, d*8000/time.Second))
}
