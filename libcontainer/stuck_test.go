// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os/exec"
	"testing"
	"time"

	"corten/nsenter/plan"
)

// The machine has been stopped for an hour between two looks at an executor: that
// is none it has stood still for.
func TestAMachineThatWasStoppedDoesNotMakeAStartStuck(t *testing.T) {
	sleeper := exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	pid, switches := sleeper.Process.Pid, ""
	for now := ""; switches == "" || now != switches; now = contextSwitches(pid) { // until it sleeps
		switches = contextSwitches(pid)
		time.Sleep(50 * time.Millisecond)
	}
	w := silence{switches: switches, seen: time.Now().Add(-time.Hour)}
	asked := false
	err := w.check(pid, time.Minute, "", func() (*plan.Plan, error) { asked = true; return &plan.Plan{}, nil })
	if err != nil || asked || w.still > time.Second {
		t.Errorf("%v after %v", err, w.still)
	}
}
