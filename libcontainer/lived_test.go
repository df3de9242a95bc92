// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The age that taskstats tell is the one of /proc/PID/stat, but for its ticks of
// a hundredth of a second (proc_pid_stat(5), starttime).
func TestTaskstatsTellTheAgeOfAProcess(t *testing.T) {
	const tick = time.Second / 100
	fields, err := statFields(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	age := func() time.Duration {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
			t.Fatal(err)
		}
		return time.Duration(now.Nano()) - time.Duration(ticks)*tick
	}
	least := age() - tick
	got, err := taskAge(os.Getpid())
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		t.Skip("needs CONFIG_TASKSTATS and CAP_NET_ADMIN: ", err)
	}
	if most := age(); err != nil || got < least || got > most {
		t.Errorf("%v, error %v, want %v to %v", got, err, least, most)
	}
	if lived := lived(); lived < got {
		t.Errorf("lived %v, before that %v", lived, got)
	}
	if _, err := taskAge(1 << 22); err == nil {
		t.Error("a process that cannot be has an age")
	}
}
