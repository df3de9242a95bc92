// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestIDsNameADirectoryAndNothingElse(t *testing.T) {
	for _, id := range []string{"a", "box-1_2+3.4", "-", "a..", strings.Repeat("x", 255)} {
		if !validID(id) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{"", ".", "..", "...", ".a", ".cache", "a/b", "/", "a b", "a\n", "a\x00", "é", "a:b", "a@b", "%61", "../a", "~", strings.Repeat("x", 256)} {
		if validID(id) {
			t.Errorf("%q is taken", id)
		}
	}
}

func TestStateJSONReadsBackAsItWasWritten(t *testing.T) {
	for _, name := range []string{"/bundle", `/a"b\c`, "/new\nline\ttab\x01\x7f", "/é 日本 \u2028 <&>", "/ " + strings.Repeat("d/", 1000)} {
		c, r := made(t)
		c.record = record{Version: recordVersion, ID: "box", PID: 4711, StartTime: 1<<64 - 1, BootID: "b-1", Bundle: name, Rootfs: name + "/rootfs",
			Created: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC), UID: 1000, Cgroups: []string{"/cg" + name, "/cg/2"}, Into: -1, NoNewKeyring: true, Idle: true,
			OCIVersion: "1.3.0", Annotations: map[string]string{"a": name, name: "b"}, OwnPIDs: true, Poststart: true, Poststop: true}
		if err := c.write(); err != nil {
			t.Fatal(err)
		}
		again, err := r.open("box", false)
		if err != nil {
			t.Fatal(err)
		}
		again.close()
		if !again.made || !reflect.DeepEqual(again.record, c.record) {
			t.Errorf("%q: %+v", name, again.record)
		}
		if b, err := os.ReadFile(filepath.Join(r.Root, "box", stateFile)); err != nil || !json.Valid(b) {
			t.Errorf("%q: %s, %v", name, b, err)
		}
		if _, err := os.Stat(filepath.Join(r.Root, "box", "."+stateFile)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file it was written to is left: %v", err)
		}
	}
}

func TestAStateThatCannotBeReadIsAnErrorWithItsContainer(t *testing.T) {
	for text, want := range map[string]string{"": "got the end", "{": "got the end", `{"version":2}`: "version 2 is not known", `{"pid":"x"}`: "state.json#/pid: want "} {
		c, r := made(t)
		if err := writeAt(c.dir, stateFile, []byte(text)); err != nil {
			t.Fatal(err)
		}
		again, err := r.open("box", true)
		if err == nil || !strings.HasPrefix(err.Error(), "state.json of box: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if again == nil || again.made {
			t.Fatalf("%q: %+v", text, again)
		}
		again.close()
	}
}

func TestWhatIsNoContainerDoesNotExist(t *testing.T) {
	_, r := made(t)
	if err := os.WriteFile(filepath.Join(r.Root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{"none": ErrNotExist, "file": ErrNotExist, "box": ErrNotExist, "..": ErrInvalidID, "a/b": ErrInvalidID} {
		if c, err := r.openMade(id, false); c != nil || !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := os.Symlink("box", filepath.Join(r.Root, "link")); err != nil {
		t.Fatal(err)
	}
	if c, err := r.open("link", false); c != nil || err == nil {
		t.Error("a link is followed")
	}
}

func TestARootThatOthersCanWriteIsRefused(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o711: true, 0o755: true, 0o770: false, 0o702: false, 0o777 | os.ModeSticky: true} {
		root := t.TempDir()
		if err := os.Chmod(root, mode); err != nil {
			t.Fatal(err)
		}
		dir, err := (&Runtime{Root: root}).rootDir(false)
		if (err == nil) != ok {
			t.Errorf("%o: %v", mode, err)
		}
		if dir != nil {
			dir.Close()
		}
	}
}

func TestTheStatOfAProcessIsReadPastItsName(t *testing.T) {
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("needs sleep of the package coreutils")
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	_, self, err := processStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// The argument of a multi-call program is its name: here it must be sleep.
	for _, name := range []string{") R 1 2 3", "a) Z 9", "( x )"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, b, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := &exec.Cmd{Path: file, Args: []string{"sleep", "60"}}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(5 * time.Second)
		for comm := ""; comm != name+"\n" && time.Now().Before(deadline); {
			text, _ := os.ReadFile("/proc/" + itoa(int64(cmd.Process.Pid)) + "/comm")
			comm = string(text)
		}
		state, start, err := processStat(cmd.Process.Pid)
		if err != nil || start < self || state != 'S' && state != 'R' && state != 'D' {
			t.Errorf("%q: state %c, started at %d (this test: %d), %v", name, state, start, self, err)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	if _, _, err := processStat(1 << 30); err == nil {
		t.Error("a process that is not there has a state")
	}
}

func TestAProcessIsTheContainersOnlyWithItsStartTimeAndBoot(t *testing.T) {
	_, start, err := processStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	good := record{PID: os.Getpid(), StartTime: start, BootID: boot}
	for name, c := range map[string]*container{
		"not made":      {record: good},
		"another start": {made: true, record: record{PID: good.PID, StartTime: start + 1, BootID: good.BootID}},
		"another boot":  {made: true, record: record{PID: good.PID, StartTime: start, BootID: "other"}},
		"no process":    {made: true, record: record{BootID: good.BootID}},
	} {
		if _, err := c.process(); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fd, err := (&container{made: true, record: good}).process()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}
