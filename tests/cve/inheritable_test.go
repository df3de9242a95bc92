// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"encoding/json"
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// CVE-2022-24769, CVE-2022-27649, CVE-2022-27650, CVE-2022-27651, CVE-2022-27652
// and CVE-2025-27612 are the same fault in other programs.
//
// cve: CVE-2022-29162, CVE-2022-24769, CVE-2022-27649, CVE-2022-27650, CVE-2022-27651, CVE-2022-27652, CVE-2025-27612
func TestCVE_2022_29162_NothingIsInheritableUnlessTheConfigurationSaysSo(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		b := bundle.New(t, bundle.Shell("probe; exec sleep 100"), func(s *specs.Spec) { s.Process.User.UID = uid })
		b.Detach()
		out := func() string { return b.Output(0) }
		if !bundle.Eventually(func() bool { return len(out()) > 0 && out()[len(out())-1] == '\n' }) {
			t.Fatal("no report")
		}
		if got := bundle.ParseReport(t, out()).Caps("Inh"); got != 0 {
			t.Errorf("uid %d, run: CapInh %x", uid, got)
		}
		for _, words := range [][]string{{"ID", "probe"}, {"--cap", "CAP_NET_RAW", "ID", "probe"},
			{"-u", "1000", "--cap", "CAP_NET_RAW", "ID", "probe"}, {"-u", "0", "ID", "probe"}} {
			r := bundle.ParseReport(t, b.Exec(words...).OK(b).Stdout)
			if r.Caps("Inh") != 0 || r.Caps("Amb") != 0 {
				t.Errorf("uid %d, exec %q: CapInh %x, CapAmb %x", uid, words, r.Caps("Inh"), r.Caps("Amb"))
			}
		}
	}
}

func TestCVE_2022_29162_SpecHasNoInheritableSet(t *testing.T) {
	b := bundle.NewEmpty(t)
	os.Remove(b.Dir + "/config.json")
	b.Corten("spec", "--bundle", b.Dir).OK(b)
	var s specs.Spec
	must(t, json.Unmarshal([]byte(b.Raw(b.Dir+"/config.json")), &s))
	if c := s.Process.Capabilities; c == nil || len(c.Inheritable) != 0 {
		t.Errorf("capabilities %+v", c)
	}
}
