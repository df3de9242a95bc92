// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"path/filepath"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// Also CVE-2020-14298, the same fault come back.
//
// cve: CVE-2016-9962, CVE-2020-14298, CVE-2016-8649
func TestCVE_2016_9962_ExecShowsNothingOfTheHost(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	spec := bundle.Base()
	bundle.Probe("watch", filepath.Join(canary.Dir, "secret"), "4")(spec)
	bundle.Capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")(spec)
	b.Write(spec)
	p := b.Begin(bundle.Options{Dir: canary.Dir}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready")
	for !strings.Contains(p.Stdout(), "done") {
		b.CortenWith(bundle.Options{Dir: canary.Dir, ExtraFiles: leaky(t, canary)[:1]}, "exec", b.ID, "true")
	}
	out := p.Wait().Stdout
	if strings.Contains(out, "REACHED") {
		t.Errorf("a process that joined shows the host:\n%s", out)
	}
	if strings.Contains(out, "done 0\n") {
		t.Error("the watcher saw no process")
	}
}
