// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func enabled(file, text string) bool {
	b, _ := os.ReadFile(file)
	return strings.Contains(string(b), text)
}

// On a host without them, see also the tests of CVE-2019-16884.
//
// spec: process.apparmorProfile, process.selinuxLabel
func TestLabelsNeedAHostThatHasThem(t *testing.T) {
	apparmor, selinux := enabled("/sys/module/apparmor/parameters/enabled", "Y"), enabled("/proc/filesystems", "selinuxfs")
	const profile, label = "/process/apparmorProfile: AppArmor is not enabled on this host", "/process/selinuxLabel: SELinux is not enabled on this host"
	running := running(t)
	for _, c := range []struct {
		edit  bundle.Edit
		flags []string
		skip  bool
		want  string
	}{
		{func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" }, []string{"--apparmor", "docker-default"}, apparmor, profile},
		{func(s *specs.Spec) { s.Process.SelinuxLabel = "u:r:t:s0" }, []string{"--process-label", "u:r:t:s0"}, selinux, label},
	} {
		if c.skip {
			continue
		}
		b := bundle.New(t, bundle.Probe(), c.edit)
		for _, verb := range []string{"run", "create"} {
			if r := b.Corten(verb, "--bundle", b.Dir, b.ID); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#"+c.want) {
				t.Errorf("%s: status %d, %s", verb, r.Status, r.Stderr)
			}
		}
		r := running.Exec(append(c.flags, "ID", "probe")...)
		if r.Status != 255 || !strings.Contains(r.Stderr, c.want) {
			t.Errorf("exec: status %d, %s", r.Status, r.Stderr)
		}
	}
}

const appArmorProfile = `profile corten-test flags=(attach_disconnected,mediate_deleted) {
	file, capability, network, mount, umount, signal, ptrace, unix,
	deny /secret r,
}
`

// spec: process.apparmorProfile
func TestAnAppArmorProfileConfinesThePayload(t *testing.T) {
	if !enabled("/sys/module/apparmor/parameters/enabled", "Y") {
		t.Skip("AppArmor is not enabled on this host")
	}
	parser, err := exec.LookPath("apparmor_parser")
	if err != nil {
		t.Skip("the package apparmor is missing")
	}
	for _, flag := range []string{"--replace", "--remove"} {
		load := func() {
			cmd := exec.Command(parser, flag)
			cmd.Stdin = strings.NewReader(appArmorProfile)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("apparmor_parser %s: %v\n%s", flag, err, out)
			}
		}
		if flag == "--remove" {
			t.Cleanup(load)
		} else {
			load()
		}
	}
	script := bundle.Shell("cat /proc/self/attr/current; cat /secret; exec sleep 100")
	for _, edits := range [][]bundle.Edit{{}, {bundle.UserNamespace(100000)}, {func(s *specs.Spec) { s.Process.NoNewPrivileges = false }}} {
		b := bundle.New(t, append(edits, script, func(s *specs.Spec) { s.Process.ApparmorProfile = "corten-test" })...)
		if err := os.WriteFile(b.Rootfs("secret"), []byte("secret\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.Detach()
		if !bundle.Eventually(func() bool { return strings.HasPrefix(b.Output(0), "corten-test (enforce)\n") }) || strings.Contains(b.Output(0), "secret") {
			t.Errorf("%q", b.Output(0))
		}
		for flags, want := range map[string]string{"": "corten-test (enforce)\n", "--apparmor=unconfined": "unconfined\n"} {
			r := b.Exec(append(strings.Fields(flags), "ID", "cat", "/proc/self/attr/current")...).OK(b)
			if r.Stdout != want {
				t.Errorf("exec %s: %q, want %q", flags, r.Stdout, want)
			}
		}
	}
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.ApparmorProfile = "not-loaded" })
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/process/apparmorProfile: write ") {
		t.Errorf("a profile that is not loaded: status %d, %s", r.Status, r.Stderr)
	}
}

// spec: process.selinuxLabel
func TestAnSELinuxLabelIsThePayloads(t *testing.T) {
	if !enabled("/proc/filesystems", "selinuxfs") || !enabled("/sys/fs/selinux/policyvers", "") {
		t.Skip("SELinux is not enabled on this host")
	}
	const label = "system_u:system_r:container_t:s0:c100,c200"
	if exec.Command("runcon", label, "true").Run() != nil {
		t.Skip("the host's policy has no container_t (package container-selinux)")
	}
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Process.SelinuxLabel, s.Linux.MountLabel = label, "system_u:object_r:container_file_t:s0:c100,c200"
	})
	if got := strings.TrimRight(b.Report().Files["/proc/self/attr/current"], "\x00\n"); got != label {
		t.Errorf("label %q, want %q", got, label)
	}
}
