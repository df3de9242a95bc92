// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// homeOf is HOME in a report; "-" without one.
func homeOf(r *bundle.Report) string {
	for _, e := range r.Env {
		if home, found := strings.CutPrefix(e, "HOME="); found {
			return home
		}
	}
	return "-"
}

// spec: process.env, process.user.uid
func TestHomeIsTheUsersInTheContainersPasswd(t *testing.T) {
	long := "/" + strings.Repeat("h", 4080)
	for _, c := range []struct {
		name, passwd string
		uid          uint32
		want         string
	}{
		{"root", "root:x:0:0:root:/root:/bin/sh\n", 0, "/root"},
		{"another", "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home/guest:\n", 1000, "/home/guest"},
		{"nobody there", "root:x:0:0:root:/root:/bin/sh\n", 77, "/"},
		{"the first counts", "a:x:5:5::/a:\nb:x:5:5::/b:\n", 5, "/a"},
		{"no newline at the end", "a:x:5:5::/a:/bin/sh", 5, "/a"},
		{"no shell", "a:x:5:5::/a", 5, "/a"},
		{"no home field", "a:x:5:5:\na:x:5:5::/later:", 5, "/later"},
		{"empty home", "a:x:5:5:::\n", 5, "/"},
		{"relative home", "a:x:5:5::a:\n", 5, "/"},
		{"empty file", "", 0, "/"},
		{"garbage before", "#comment\n\n:::::\n+::::::\nx\na:x:5:5::/a:\n", 5, "/a"},
		{"numbers that are none", "a:x::5::/a:\nb:x:-5:5::/b:\nc:x:5x:5::/c:\nd:x:0x5:5::/d:\ne:x: 5:5::/e:\nf:x:4294967301:5::/f:\ng:x:5:5::/g:\n", 5, "/g"},
		{"a name that is a number", "5:x:0:0::/wrong:\nx:x:5:5::/right:\n", 5, "/right"},
		{"the largest id", "a:x:4294967294:5::/a:\n", 4294967294, "/a"},
		{"a long home", "a:x:5:5::" + long + ":\n", 5, long},
		{"a home that is too long", "a:x:5:5::" + long + strings.Repeat("h", 20) + ":\n", 5, "/"},
		{"many lines", strings.Repeat("a:x:6:6:"+strings.Repeat("g", 1000)+":/a:\n", 5000) + "b:x:5:5::/b:\n", 5, "/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.User.UID = c.uid })
			if err := os.WriteFile(b.Rootfs("etc/passwd"), []byte(c.passwd), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := homeOf(b.Report()); got != c.want {
				t.Errorf("HOME %q, want %q", got, c.want)
			}
		})
	}
}

// spec: process.env
func TestAHomeThatIsGivenStays(t *testing.T) {
	for _, home := range []string{"", "/", "/srv", "relative"} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "HOME="+home) })
		if got := homeOf(b.Report()); got != home {
			t.Errorf("HOME %q, want %q", got, home)
		}
	}
}

// spec: process.env
func TestAnImageWithoutPasswdHasARootForAHome(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	os.Remove(b.Rootfs("etc/passwd"))
	log := b.Home + "/log"
	r := b.Corten("--log", log, "run", "--bundle", b.Dir, b.ID).OK(b)
	if got := homeOf(bundle.ParseReport(t, r.Stdout)); got != "/" {
		t.Errorf("HOME %q", got)
	}
	if text, _ := os.ReadFile(log); strings.Contains(string(text), "passwd") {
		t.Errorf("log %s", text)
	}
}

func TestExecHasTheHomeOfItsUser(t *testing.T) {
	b := running(t)
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{nil, "/root"}, {[]string{"-u", "1000"}, "/home/guest"}, {[]string{"-u", "1234"}, "/"}, {[]string{"-e", "HOME=/x"}, "/x"},
	} {
		r := b.Exec(append(c.flags, "ID", "probe")...).OK(b)
		if got := homeOf(bundle.ParseReport(t, r.Stdout)); got != c.want {
			t.Errorf("%q: HOME %q, want %q", c.flags, got, c.want)
		}
	}
}

// spec: process.env
func TestOfSeveralEntriesOfANameTheLastCounts(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Process.Env = []string{"A=1", "PATH=/nowhere", "B==", "HOME=/x", "A=2", "a=3", "PATH=/bin", "A=", "É=é"}
	})
	want := []string{"A=", "PATH=/bin", "B==", "HOME=/x", "a=3", "Ã\u0089=Ã©"}
	if got := b.Report().Env; !slices.Equal(got, want) {
		t.Errorf("env %q, want %q", got, want)
	}
}

// spec: process.env
func TestEntriesThatAreNoVariablesAreRefused(t *testing.T) {
	for _, entry := range []string{"", "=", "=x", "A"} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Env = []string{"PATH=/bin", entry} })
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/process/env/1: want NAME=value") {
			t.Errorf("%q: status %d, %s", entry, r.Status, r.Stderr)
		}
	}
	b := running(t)
	for _, entry := range []string{"=x", "A"} {
		if r := b.Exec("--env", entry, "ID", "true"); r.Status != 255 || !strings.Contains(r.Stderr, "want NAME=value") {
			t.Errorf("exec --env %q: status %d, %s", entry, r.Status, r.Stderr)
		}
	}
}
