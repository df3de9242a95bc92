// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNamesBothWays(t *testing.T) {
	for s := syscall.Signal(0); s <= rtmax; s++ {
		if got, err := Parse(Name(s)); err != nil || got != s {
			t.Errorf("Parse(%q) = %d, %v; want %d", Name(s), got, err, s)
		}
		if kernel := unix.SignalName(s); kernel != "" && kernel != Name(s) {
			t.Errorf("Name(%d) = %q, x/sys says %q", s, Name(s), kernel)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": 15, "SIGTERM": 15, "sigterm": 15, "15": 15, "9": 9, "KILL": 9, "0": 0, "64": 64, "CLD": 17, "SIGPOLL": 29, "IOT": 6,
		"RTMIN": 34, "RTMIN+3": 37, "SIGRTMIN+3": 37, "rtmin+30": 64, "RTMAX": 64, "RTMAX-1": 63, "SIGRTMAX-30": 34,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "SIG", "TERMINATE", "-9", "+9", "65", "256", "9x", " 9", "RT", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMAX-31",
		"RTMIN+", "RTMIN+-1", "MIN", "SIGSIGTERM", "SIG9"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", text, got)
		}
	}
}
