// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"strings"
	"testing"

	"corten/tests/bundle"
)

func digest(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	found, err := exec.LookPath(path)
	must(t, err)
	text, err := os.ReadFile(found)
	must(t, err)
	return sha256.Sum256(text)
}

// cve: CVE-2019-5736, CVE-2020-14300
func TestCVE_2019_5736_TheRuntimeIsNotWrittenByWhatItStarts(t *testing.T) {
	before := digest(t, bundle.Runtime(t))
	for _, args := range [][]string{{"/proc/self/exe"}, {"/script"}} {
		b := bundle.New(t, bundle.Args(args...))
		must(t, os.WriteFile(b.Rootfs("script"), []byte("#!/proc/self/exe\n"), 0o755))
		b.Run()
	}
	b := bundle.New(t, bundle.Probe("write-exes", "3"), bundle.Capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"))
	must(t, os.WriteFile(b.Rootfs("script"), []byte("#!/proc/self/exe\n"), 0o755))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready")
	for !strings.Contains(p.Stdout(), "done") {
		b.Exec("ID", "/proc/self/exe")
		b.Exec("ID", "/script")
		b.Exec("ID", "true")
	}
	if out := p.Wait().Stdout; strings.Contains(out, "WROTE") {
		t.Errorf("a program from outside could be written:\n%s", out)
	}
	if digest(t, bundle.Runtime(t)) != before {
		t.Error("the runtime's file has changed")
	}
}
