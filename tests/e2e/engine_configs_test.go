// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// captured makes a bundle of the configuration that an engine handed to its
// runtime, with the files that its relative paths name; the text is changed in
// those and in the cgroup's name only.
func captured(t *testing.T, engine string) (*bundle.Bundle, []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../data", engine, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	b := bundle.NewEmpty(t)
	b.Volume("data", "hello", "hello\n")
	b.Volume("shm")
	volumes := filepath.Dir(b.Volume("shm"))
	for _, name := range []string{"hostname", "hosts", "resolv.conf", ".containerenv"} {
		if err := os.WriteFile(filepath.Join(volumes, name), []byte("# "+name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hook := filepath.Join(b.Home, "libnetwork-setkey")
	script := "#!/bin/sh\necho \"$*\" >" + b.Home + "/hook.args\ncat >" + b.Home + "/hook.state\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"source":"volumes/`), []byte(`"source":"`+volumes+`/`))
	text = bytes.ReplaceAll(text, []byte(`"path":"hooks/libnetwork-setkey"`), []byte(`"path":"`+hook+`"`))
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"`+spec.Linux.CgroupsPath+`"`), []byte(`"/`+b.ID+`"`))
	b.WriteText(text)
	return b, text
}

func TestCapturedConfigurationsRunUnchanged(t *testing.T) {
	for _, c := range []struct{ engine, hostname, caps, nnp string }{
		{"podman", "spec", "00000000800405fb", "0"},
		{"containerd", "host", "00000000a80425fb", "1"},
		{"docker", "spec", "00000000a80425fb", "0"},
	} {
		t.Run(c.engine, func(t *testing.T) {
			b, text := captured(t, c.engine)
			var spec specs.Spec
			if err := json.Unmarshal(text, &spec); err != nil {
				t.Fatal(err)
			}
			hostname := spec.Hostname
			if c.hostname == "host" {
				hostname, _ = os.Hostname()
			}
			lines := strings.Split(strings.TrimSpace(b.RunOK()), "\n")
			want := []string{"hi", "uid=0(root) gid=0(root)", hostname, "/", "1024", "hello",
				"CapInh:\t0000000000000000", "CapPrm:\t" + c.caps, "CapEff:\t" + c.caps, "CapBnd:\t" + c.caps,
				"CapAmb:\t0000000000000000", "NoNewPrivs:\t" + c.nnp, "Seccomp:\t2"}
			if len(lines) != len(want) {
				t.Fatalf("printed %q", lines)
			}
			for i, w := range want {
				if got := lines[i]; got != w && !(i == 1 && strings.HasPrefix(got, w)) {
					t.Errorf("line %d is %q, want %q", i, got, w)
				}
			}
			if spec.Hooks != nil {
				checkSetkey(t, b, spec.Hooks.Prestart[0])
			}
		})
	}
}

// checkSetkey looks at what docker's prestart hook was given.
func checkSetkey(t *testing.T, b *bundle.Bundle, hook specs.Hook) {
	t.Helper()
	if got, want := b.Text(filepath.Join(b.Home, "hook.args")), strings.Join(hook.Args[1:], " "); got != want {
		t.Errorf("the hook's arguments are %q, want %q", got, want)
	}
	var state specs.State
	if err := json.Unmarshal([]byte(b.Text(filepath.Join(b.Home, "hook.state"))), &state); err != nil {
		t.Fatal(err)
	}
	if state.ID != b.ID || state.Pid <= 0 || state.Bundle != b.Dir {
		t.Errorf("the hook's state is %+v", state)
	}
}

func TestCapturedConfigurationsConfineTheProbe(t *testing.T) {
	for _, engine := range []string{"podman", "containerd", "docker"} {
		t.Run(engine, func(t *testing.T) {
			b, text := captured(t, engine)
			args, _ := json.Marshal([]string{"/bin/probe"})
			begin := bytes.Index(text, []byte(`"args":["sh"`)) + len(`"args":`)
			end := begin + bytes.Index(text[begin:], []byte(`],"env"`)) + 1
			text = append(append(append([]byte{}, text[:begin]...), args...), text[end:]...)
			b.WriteText(text)
			var spec specs.Spec
			if err := json.Unmarshal(text, &spec); err != nil {
				t.Fatal(err)
			}
			r := b.Report()
			for _, m := range spec.Mounts {
				if m.Type == "cgroup" {
					continue // its own mounts below depend on the machine
				}
				if r.Mount(m.Destination) == nil {
					t.Errorf("nothing is mounted on %s", m.Destination)
				}
			}
			if m := r.Mount("/data"); m == nil || !m.Has("ro") {
				t.Errorf("/data is not read-only: %+v", m)
			}
			if m := r.Mount("/proc/sys"); m == nil || !m.Has("ro") {
				t.Errorf("/proc/sys is not read-only: %+v", m)
			}
			for _, path := range spec.Linux.MaskedPaths {
				if _, err := os.Stat(path); err == nil && r.Mount(path) == nil {
					t.Errorf("%s is not masked", path)
				}
			}
			if r.Rlimits[7].Soft != 1024 || r.Rlimits[7].Hard != 1024 {
				t.Errorf("RLIMIT_NOFILE is %+v", r.Rlimits[7])
			}
			if r.Status("Seccomp") != "2" {
				t.Errorf("Seccomp is %s", r.Status("Seccomp"))
			}
			for _, fd := range r.FDs {
				if fd.FD > 2 {
					t.Errorf("descriptor %d is open: %s", fd.FD, fd.Link)
				}
			}
		})
	}
}

func TestCapturedLimitsAreInForce(t *testing.T) {
	for _, engine := range []string{"podman", "containerd", "docker"} {
		t.Run(engine, func(t *testing.T) {
			b, _ := captured(t, engine)
			b.Create()
			checkFile(t, cgroupOf(t, b, "memory"), "memory.limit_in_bytes", "memory.max", "67108864")
			checkFile(t, cgroupOf(t, b, "cpu"), "cpu.cfs_quota_us", "cpu.max", "50000")
			if engine != "containerd" {
				checkFile(t, cgroupOf(t, b, "pids"), "pids.max", "pids.max", "50")
			}
		})
	}
}

// seccompOf is the profile in a configuration.
func seccompOf(t *testing.T, text []byte) *specs.LinuxSeccomp {
	t.Helper()
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	return spec.Linux.Seccomp
}
