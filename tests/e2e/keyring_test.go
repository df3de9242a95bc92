// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func TestTheSessionKeyringIsTheContainersOwn(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	first := b.Report()
	second := bundle.ParseReport(t, b.Corten("run", "--bundle", b.Dir, b.AnotherID()).OK(b).Stdout)
	if first.KeyringSerial <= 0 || first.KeyringSerial == second.KeyringSerial {
		t.Errorf("keyrings %d %q and %d %q", first.KeyringSerial, first.Keyring, second.KeyringSerial, second.Keyring)
	}
	// Without a name of its own, which another container could join.
	if !strings.HasPrefix(first.Keyring, "keyring;") || !strings.HasSuffix(first.Keyring, ";_ses") {
		t.Errorf("keyring %q", first.Keyring)
	}
}

func TestTheCallersKeysAreThePayloadsOnlyWithNoNewKeyring(t *testing.T) {
	bundle.NeedCorten(t)
	for _, edit := range []bundle.Edit{func(*specs.Spec) {}, bundle.UserNamespace(100000)} {
		b := bundle.New(t, bundle.Shell("probe has-key callers; exec probe pause"), edit)
		caller := bundle.Options{Wrap: []string{b.Rootfs("bin/probe"), "in-keyring"}}
		for _, c := range []struct {
			flags []string
			want  string
		}{{nil, "ENOKEY\n"}, {[]string{"--no-new-keyring"}, "ok\n"}} {
			args := append([]string{"run", "--detach"}, c.flags...)
			p := b.Begin(caller, append(args, "--bundle", b.Dir, b.ID)...)
			p.Wait().OK(b)
			p.WaitFor("ready")
			if got, _ := strings.CutSuffix(p.Stdout(), "ready\n"); got != c.want {
				t.Errorf("%v: a search for the caller's key says %q", c.flags, got)
			}
			if got := b.CortenWith(caller, "exec", b.ID, "/bin/probe", "has-key", "callers").Stdout; got != c.want {
				t.Errorf("%v: in exec, %q", c.flags, got)
			}
			b.Corten("delete", "--force", b.ID).OK(b)
		}
	}
}

func TestAnExhaustedQuotaOfKeysIsAWarning(t *testing.T) {
	bundle.NeedCorten(t)
	const uid = 165432
	b := bundle.New(t, bundle.Shell("echo runs"), bundle.UserNamespace(uid))
	hog := exec.Command(b.Rootfs("bin/probe"), "add-keys")
	hog.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := hog.StdoutPipe()
	if err == nil {
		err = hog.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer hog.Wait()
	defer hog.Process.Kill()
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "EDQUOT\n" {
		t.Fatalf("add_key: %q", line)
	}
	// The first session keyring of a process may exceed the quota, a second may not.
	r := b.CortenWith(bundle.Options{Wrap: []string{b.Rootfs("bin/probe"), "in-keyring"}}, "--debug", "run", "--bundle", b.Dir, b.ID).OK(b)
	if r.Stdout != "runs\n" || !strings.Contains(r.Stderr, "warning: config.json#/process: keyctl_session") || !strings.Contains(r.Stderr, "disk quota exceeded: the payload keeps the caller's session keyring") {
		t.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
}
