// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// broken is a configuration with one fault, and the pointer to it.
type broken struct {
	name, at string
	set      string // JSON put at the pointer `put`, which is `at` if empty
	put      string
}

// The mounts of Base are 0 to 6; "-" appends.
var brokenConfigurations = []broken{
	{name: "args is a string", at: "/process/args", set: `"sh"`},
	{name: "args is empty", at: "/process/args", set: `[]`},
	{name: "args has a number", at: "/process/args/0", set: `[1]`, put: "/process/args"},
	{name: "env has no =", at: "/process/env/1", set: `["PATH=/bin","NOVALUE"]`, put: "/process/env"},
	{name: "cwd is relative", at: "/process/cwd", set: `"tmp"`},
	{name: "cwd is empty", at: "/process/cwd", set: `""`},
	{name: "cwd has NUL", at: "/process/cwd", set: `"/a\u0000b"`},
	{name: "terminal is a string", at: "/process/terminal", set: `"yes"`},
	{name: "uid is negative", at: "/process/user/uid", set: `-1`},
	{name: "uid is 2^32-1", at: "/process/user/uid", set: `4294967295`},
	{name: "uid is 2^32", at: "/process/user/uid", set: `4294967296`},
	{name: "uid is a fraction", at: "/process/user/uid", set: `1.5`},
	{name: "gid is a string", at: "/process/user/gid", set: `"0"`},
	{name: "additional gid", at: "/process/user/additionalGids/1", set: `[1,4294967295]`, put: "/process/user/additionalGids"},
	{name: "unknown rlimit", at: "/process/rlimits/0/type", set: `"RLIMIT_FUN"`},
	{name: "soft above hard", at: "/process/rlimits/0/soft", set: `{"type":"RLIMIT_NOFILE","soft":2,"hard":1}`, put: "/process/rlimits/0"},
	{name: "rlimit twice", at: "/process/rlimits/1/type", set: `[{"type":"RLIMIT_CORE","soft":1,"hard":1},{"type":"RLIMIT_CORE","soft":1,"hard":1}]`, put: "/process/rlimits"},
	{name: "oomScoreAdj too big", at: "/process/oomScoreAdj", set: `1001`},
	{name: "no root", at: "/root", set: `null`},
	{name: "root that is not there", at: "/root/path", set: `"nowhere"`},
	{name: "root is a file", at: "/root/path", set: `"config.json"`},
	{name: "readonly is a number", at: "/root/readonly", set: `1`},
	{name: "hostname is a number", at: "/hostname", set: `5`},
	{name: "hostname too long", at: "/hostname", set: `"` + strings.Repeat("h", 65) + `"`},
	{name: "missing bind source", at: "/mounts/7/source", set: `{"destination":"/m","type":"bind","source":"/not/there","options":["bind"]}`, put: "/mounts/-"},
	{name: "unknown file system", at: "/mounts/7/type", set: `{"destination":"/m","type":"nofs","source":"x"}`, put: "/mounts/-"},
	{name: "bad tmpfs size", at: "/mounts/7/options/0", set: `{"destination":"/m","type":"tmpfs","source":"x","options":["size=12x"]}`, put: "/mounts/-"},
	{name: "unknown tmpfs option", at: "/mounts/7/options/1", set: `{"destination":"/m","type":"tmpfs","source":"x","options":["ro","fruit=apple"]}`, put: "/mounts/-"},
	{name: "data option of a bind", at: "/mounts/7/options/1", set: `{"destination":"/m","type":"bind","source":"/usr","options":["bind","size=1"]}`, put: "/mounts/-"},
	{name: "mount without destination", at: "/mounts/7/destination", set: `{"type":"tmpfs","source":"x"}`, put: "/mounts/-"},
	{name: "mount on the root", at: "/mounts/7/destination", set: `{"destination":"/","type":"tmpfs","source":"x"}`, put: "/mounts/-"},
	{name: "mount on a part of proc", at: "/mounts/7/destination", set: `{"destination":"/proc/sys","type":"tmpfs","source":"x"}`, put: "/mounts/-"},
	{name: "mounts is an object", at: "/mounts", set: `{}`},
	{name: "unknown namespace", at: "/linux/namespaces/0/type", set: `"galaxy"`},
	{name: "namespace twice", at: "/linux/namespaces/5/type", set: `{"type":"pid"}`, put: "/linux/namespaces/-"},
	{name: "namespace path missing", at: "/linux/namespaces/1/path", set: `"/not/there"`},
	{name: "namespace path of another kind", at: "/linux/namespaces/1/path", set: `"/proc/self/ns/uts"`},
	{name: "hostname without uts", at: "/hostname", set: `[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"network"}]`, put: "/linux/namespaces"},
	{name: "mappings without user namespace", at: "/linux/uidMappings", set: `[{"containerID":0,"hostID":1,"size":1}]`},
	{name: "time offsets without time namespace", at: "/linux/timeOffsets", set: `{"monotonic":{"secs":1}}`},
	{name: "sysctl of the host", at: "/linux/sysctl/kernel.core_pattern", set: `{"kernel.core_pattern":"x"}`, put: "/linux/sysctl"},
	{name: "sysctl with dots", at: "/linux/sysctl/net.ipv4...kernel.core_pattern", set: `{"net.ipv4...kernel.core_pattern":"x"}`, put: "/linux/sysctl"},
	{name: "sysctl with slashes", at: "/linux/sysctl/net~1..~1kernel~1core_pattern", set: `{"net/../kernel/core_pattern":"x"}`, put: "/linux/sysctl"},
	{name: "unknown propagation", at: "/linux/rootfsPropagation", set: `"upwards"`},
	{name: "relative masked path", at: "/linux/maskedPaths/0", set: `["proc/keys"]`, put: "/linux/maskedPaths"},
	{name: "unknown seccomp action", at: "/linux/seccomp/defaultAction", set: `{"defaultAction":"SCMP_ACT_SMILE"}`, put: "/linux/seccomp"},
	{name: "unknown seccomp operator", at: "/linux/seccomp/syscalls/0/args/0/op", put: "/linux/seccomp",
		set: `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_MAYBE"}]}]}`},
	{name: "unknown seccomp architecture", at: "/linux/seccomp/architectures/0", put: "/linux/seccomp",
		set: `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_PDP11"]}`},
	{name: "device of an unknown type", at: "/linux/devices/0/type", set: `[{"path":"/dev/x","type":"z","major":1,"minor":1}]`, put: "/linux/devices"},
	{name: "device with a relative path", at: "/linux/devices/0/path", set: `[{"path":"x","type":"c","major":1,"minor":1}]`, put: "/linux/devices"},
	{name: "memory limit is a string", at: "/linux/resources/memory/limit", set: `{"limit":"32M"}`, put: "/linux/resources/memory"},
	{name: "swap below the limit", at: "/linux/resources/memory/swap", set: `{"limit":67108864,"swap":33554432}`, put: "/linux/resources/memory"},
	{name: "device rule of an unknown type", at: "/linux/resources/devices/0/type", set: `[{"allow":true,"type":"z","access":"r"}]`, put: "/linux/resources/devices"},
	{name: "device rule with unknown access", at: "/linux/resources/devices/0/access", set: `[{"allow":true,"type":"c","access":"rx"}]`, put: "/linux/resources/devices"},
	{name: "ociVersion missing", at: "/ociVersion", set: `""`},
	{name: "annotation is a number", at: "/annotations/a", set: `{"a":1}`, put: "/annotations"},
}

// put sets a place in decoded JSON; the last token "-" appends.
func put(t *testing.T, document any, pointer string, value any) any {
	t.Helper()
	if pointer == "" {
		return value
	}
	token, rest, _ := strings.Cut(pointer[1:], "/")
	if rest != "" {
		rest = "/" + rest
	}
	switch d := document.(type) {
	case map[string]any:
		d[token] = put(t, d[token], rest, value)
		return d
	case []any:
		if token == "-" {
			return append(d, value)
		}
		i := int(token[0] - '0')
		d[i] = put(t, d[i], rest, value)
		return d
	case nil:
		return map[string]any{token: put(t, nil, rest, value)}
	}
	t.Fatalf("%s leads into %v", pointer, document)
	return nil
}

func (c broken) text(t *testing.T) []byte {
	t.Helper()
	base, err := json.Marshal(bundle.Base())
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(base, &document); err != nil {
		t.Fatal(err)
	}
	where := c.put
	if where == "" {
		where = c.at
	}
	// As raw text: numbers beyond a float64 stay what they are.
	text, err := json.Marshal(put(t, document, where, json.RawMessage(c.set)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestABrokenConfigurationGetsOneLineWithItsPointer(t *testing.T) {
	for _, c := range brokenConfigurations {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.NewEmpty(t)
			b.WriteText(c.text(t))
			r := b.Run()
			if r.Status == 0 && !bundle.IsCorten(t) {
				t.Skip("the peer takes it")
			}
			if r.Status != 1 {
				t.Fatalf("exit status %d, stderr %q", r.Status, r.Stderr)
			}
			if !bundle.IsCorten(t) {
				return // whose errors have no pointer
			}
			line, hint, _ := strings.Cut(strings.TrimSuffix(r.Stderr, "\n"), "\n")
			if !strings.HasPrefix(line, "corten: config.json#"+c.at+": ") || hint != "" && !strings.HasPrefix(hint, "  hint: ") ||
				strings.Contains(hint, "\n") {
				t.Errorf("want config.json#%s, got %q", c.at, r.Stderr)
			}
			if r := b.Corten("state", b.ID); r.Status == 0 {
				t.Error("the container exists")
			}
		})
	}
}

func TestTextThatIsNoConfigurationIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "not JSON": "{", "an array": "[]", "a string": `"x"`, "null": "null", "two documents": "{}{}",
		"a member twice": `{"ociVersion":"1.0.0","ociVersion":"1.0.0"}`, "trailing comma": `{"ociVersion":"1.0.0",}`,
		"deep": strings.Repeat(`{"a":`, 100000) + strings.Repeat("}", 100000), "invalid UTF-8": "{\"ociVersion\":\"\xff\"}",
		"no process": `{"ociVersion":"1.0.0","root":{"path":"rootfs"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if !bundle.IsCorten(t) && (name == "two documents" || name == "a member twice" || name == "invalid UTF-8" || name == "null") {
				t.Skip("peers take it")
			}
			b := bundle.NewEmpty(t)
			b.WriteText([]byte(text))
			if r := b.Run(); r.Status != 1 || strings.Contains(r.Stderr, "goroutine") || len(r.Stderr) > 4096 {
				t.Errorf("exit status %d, stderr %.200q", r.Status, r.Stderr)
			}
		})
	}
	b := bundle.NewEmpty(t)
	refused(t, b.Run(), "config.json")
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	b := bundle.NewEmpty(t)
	spec := bundle.Base()
	spec.Process.Args = []string{"true"}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	b.WriteText(bytes.Replace(text, []byte(`{"ociVersion"`), []byte(`{"x-new":{"a":[1,{}]},"ociVersion"`), 1))
	b.RunOK()
}

func TestAFieldNotHandledIsAnErrorThatNamesIt(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) {
		s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "x"}
	})
	refused(t, b.Run(), "#/linux/intelRdt")
}

func TestErrorsGoToTheLogAsOneJSONObject(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"), bundle.Mount("/m", "bind", "/not/there", "bind"))
	log := b.Home + "/log.json"
	r := b.Corten("--log", log, "--log-format", "json", "run", "--bundle", b.Dir, b.ID)
	if r.Status != 1 || r.Stderr == "" {
		t.Errorf("exit status %d, stderr %q", r.Status, r.Stderr)
	}
	var entry struct{ Level, Msg, Time, Field string }
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &entry); err != nil || entry.Level != "error" || entry.Msg == "" || entry.Time == "" {
		t.Errorf("%v: %q", err, text)
	}
	if bundle.IsCorten(t) && !strings.HasPrefix(entry.Field, "/mounts/7") {
		t.Errorf("field %q", entry.Field)
	}
}
