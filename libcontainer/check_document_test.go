// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

func TestADraftIsTheDocumentWithoutWhatIsTakenOut(t *testing.T) {
	d, err := newDraft([]byte(`{ "a" : [ 1.50, {"b/~":"\u00e9\n"}, null ], "c\"\t": {} , "d": [] }`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		find, at string
		whole    bool
		text     string // once that is gone
	}{
		{"", "", true, `{"a":[1.50,{"b/~":"\u00e9\n"},null],"c\"\u0009":{},"d":[]}`},
		{"/a/0", "/a/0", true, `{"a":[{"b/~":"\u00e9\n"},null],"c\"\u0009":{},"d":[]}`},
		{"/a/1", "/a/2", true, `{"a":[{"b/~":"\u00e9\n"}],"c\"\u0009":{},"d":[]}`},
		{"/a/0/b~1~0", "/a/1/b~1~0", true, `{"a":[{}],"c\"\u0009":{},"d":[]}`},
		{"/a/0/x/y", "/a/1/x/y", false, `{"a":[],"c\"\u0009":{},"d":[]}`},
		{"/a/7", "/a/7", false, `{"c\"\u0009":{},"d":[]}`},
		{"/d", "/d", true, `{"c\"\u0009":{}}`},
	} {
		p := d.find(c.find)
		if p.at != c.at || p.whole != c.whole {
			t.Errorf("%s is %s, %v, want %s, %v", c.find, p.at, p.whole, c.at, c.whole)
		}
		if last := p.trail[len(p.trail)-1]; last != d.root {
			last.gone = true
		}
		if got := string(d.text()); got != c.text {
			t.Errorf("without %s: %s, want %s", c.at, got, c.text)
		}
	}
	if _, err := newDraft([]byte(`{"a":1,"a":2}`)); err == nil {
		t.Error("a member twice is no document")
	}
}

// Whatever has the wrong type, anywhere: it is taken out, and the rest is asked
// about.
func TestEveryWrongTypeIsRepaired(t *testing.T) {
	n := 0
	everyValue(reflect.TypeFor[specs.Spec](), nil, func(path []string, wrong []string) {
		for _, text := range wrong {
			d, err := newDraft([]byte(nested(path, text)))
			if err != nil {
				continue // no JSON
			}
			at := pointer(path)
			for round := 0; ; round++ {
				_, err := DecodeSpec(d.text())
				var e *plan.Error
				if !errors.As(err, &e) || round == 50 {
					break
				}
				p := d.find(e.At.String())
				if (p.at == at) != (round == 0) && !d.follows(p.at, false) {
					t.Errorf("%s: round %d finds %v", clip(nested(path, text)), round, err)
				}
				if !d.repair(p) {
					break
				}
			}
			n++
		}
	})
	if n < 1000 {
		t.Errorf("only %d values", n)
	}
}

// Golden bundles are documents that a draft does not change the meaning of.
func TestADraftMeansWhatTheDocumentMeans(t *testing.T) {
	files, _ := filepath.Glob("../tests/golden/*/config.json")
	captured, _ := filepath.Glob("../tests/data/*/config.json")
	for _, file := range append(files, captured...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := newDraft(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		want, err := DecodeSpec(raw)
		got, err2 := DecodeSpec(d.text())
		if err != nil || err2 != nil {
			if err == nil || err2 == nil || err.Error() != err2.Error() {
				t.Errorf("%s: %v, %v", file, err, err2)
			}
		} else if !reflect.DeepEqual(got.Spec, want.Spec) {
			t.Errorf("%s: the draft says something else", file)
		}
	}
	if len(files)+len(captured) < 10 {
		t.Errorf("only %d files", len(files)+len(captured))
	}
}

// Several faults, some of which have others in their train: the ones and not
// the others.
func TestFaultsOfADocumentAreFoundAtOnce(t *testing.T) {
	dir := t.TempDir()
	text := `{"ociVersion":"1.x","root":{"path":"rootfs","readonly":1},"hostname":7,
		"process":{"cwd":"here","args":[],"user":{"uid":-1,"gid":0},"env":["A=1","B","C=1","D"],
			"rlimits":[{"type":"RLIMIT_FUN","soft":1,"hard":1},{"type":"RLIMIT_CORE","soft":2,"hard":1}]},
		"mounts":[{"destination":7},{"destination":"/a","type":"tmpfs","options":"ro"},{"type":"tmpfs"}],
		"linux":{"namespaces":[{"type":"galaxy"},{"type":"uts"},{"type":"user"}],
			"uidMappings":[{"containerID":0,"hostID":0,"size":0}],"gidMappings":[{"containerID":0,"hostID":0,"size":1}],
			"sysctl":{"kernel.core_pattern":"x","net.ipv4.ip_forward":"1","kernel.hostname":"x"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range (&Runtime{Root: dir}).Check(CreateOptions{Bundle: dir}) {
		if f.Severity == SeverityError && f.Pointer != "/root/path" { // which is not there
			got = append(got, f.Pointer)
		}
	}
	want := "/root/readonly /hostname /process/user/uid /mounts/0/destination /mounts/1/options /mounts/2/destination " +
		"/ociVersion /process/args /process/cwd /process/env/1 /process/env/3 /process/rlimits/0/type /process/rlimits/1/soft " +
		"/linux/namespaces/0/type /linux/uidMappings/0/size /linux/sysctl/kernel.core_pattern /linux/sysctl/kernel.hostname"
	if missing := difference(strings.Fields(want), got); len(missing) > 0 {
		t.Errorf("not found: %q", missing)
	}
	if more := difference(got, strings.Fields(want)); len(more) > 0 {
		t.Errorf("found in addition: %q", more)
	}
}

func difference(a, b []string) (only []string) {
	for _, s := range a {
		if !strings.Contains(" "+strings.Join(b, " ")+" ", " "+s+" ") {
			only = append(only, s)
		}
	}
	return only
}
