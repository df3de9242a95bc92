// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// with is a small good document where the member at path, "a" or "a/b" of the
// sections process, root and linux, is value; "" takes it out.
func with(changes ...string) string {
	sections := [][]string{
		{"", "ociVersion", `"1.3.0"`, "root", `{}`, "process", `{}`},
		{"root", "path", `"rootfs"`},
		{"process", "cwd", `"/"`, "args", `["sh"]`, "user", `{"uid":0,"gid":0}`},
		{"linux", "namespaces", `[{"type":"mount"},{"type":"uts"},{"type":"ipc"}]`},
	}
	for i := 0; i < len(changes); i += 2 {
		section, name, nested := strings.Cut(changes[i], "/")
		if !nested {
			section, name = "", section
		}
		s := slices.IndexFunc(sections, func(s []string) bool { return s[0] == section })
		if at := slices.Index(sections[s], name); at > 0 {
			sections[s] = slices.Delete(sections[s], at, at+2)
		}
		if changes[i+1] != "" {
			sections[s] = append(sections[s], name, changes[i+1])
		}
		if section == "linux" && !slices.Contains(sections[0], "linux") {
			sections[0] = append(sections[0], "linux", `{}`)
		}
	}
	text := func(s []string) string {
		var members []string
		for i := 1; i < len(s); i += 2 {
			members = append(members, fmt.Sprintf("%q:%s", s[i], s[i+1]))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	for _, s := range sections[1:] {
		if at := slices.Index(sections[0], s[0]); at > 0 && sections[0][at+1] == "{}" {
			sections[0][at+1] = text(s)
		}
	}
	return text(sections[0])
}

func TestGoodDocuments(t *testing.T) {
	for _, document := range []string{
		with(),
		with("unknown", `{"a":[1,-2.5e+7,true,null,"\u00e9\ud83d\ude00"]}`),
		with("hostname", `null`, "process/env", `null`, "linux/seccomp", "null", "hooks", "null"),
		with("ociVersion", `"1.0.2-rc.5-dev+git.0a"`),
		with("process/oomScoreAdj", "-1000", "process/apparmorProfile", `""`, "process/selinuxLabel", `""`),
		with("process/consoleSize", `{"height":100000,"width":100000}`),
		with("process/capabilities", `{"bounding":["CAP_NO_SUCH"]}`),
		with("process/rlimits", `[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]`),
		with("process/user", `{"uid":4294967294,"gid":2147483648,"umask":511}`),
		with("linux/resources", `{"blockIO":{"weight":0,"weightDevice":[]},"network":{},"hugepageLimits":[],"rdma":{},"unified":{}}`),
		with("linux/netDevices", `{}`, "linux/mountLabel", `""`, "linux/timeOffsets", `{}`),
		with("linux/sysctl", `{"kernel.msgmax":"1","kernel/shm_rmid_forced":"1","fs.mqueue.msg_max":"5","kernel.domainname":"d"}`),
		with("linux/namespaces", `[{"type":"network","path":"/run/netns/a"}]`, "linux/sysctl", `{"net.ipv4.conf.eth0/1.forwarding":"1","net/ipv4/conf/eth0.1/forwarding":"0"}`),
		with("linux/namespaces", `[{"type":"user"},{"type":"time"}]`, "linux/uidMappings", `[{"containerID":0,"hostID":0,"size":4294967295}]`,
			"linux/gidMappings", `[{"containerID":1,"hostID":0,"size":1},{"containerID":0,"hostID":1,"size":1}]`,
			"linux/timeOffsets", `{"monotonic":{"secs":-5,"nanosecs":999999999}}`),
		with("linux/namespaces", `[{"type":"user","path":"/proc/7/ns/user"}]`),
		with("linux/devices", `[{"type":"p","path":"/dev/pipe"},{"type":"c","path":"/dev/x","major":4095,"minor":1048575,"fileMode":8624}]`),
		with("linux/rootfsPropagation", `"rslave"`, "linux/resources", `{"devices":[{"allow":true,"type":"a","major":-1,"minor":-1}]}`),
		with("process", ``), with("process", `null`), with("ociVersion", `"1.99.0"`), with("ociVersion", `"1.0.0-0a.0+01"`),
		with("windows", `5`, "solaris", `{"milestone":5}`, "zos", `[]`, "freebsd", `{}`),
		with("hooks", `{"prestart":[],"createRuntime":[{"path":"/bin/x","timeout":1}]}`),
		with("mounts", `[{"destination":"data/../b"}]`),
		"\t\r\n " + with() + " \n",
		with("deep", strings.Repeat("[", 999)+strings.Repeat("]", 999)),
	} {
		if _, err := DecodeSpec([]byte(document)); err != nil {
			t.Errorf("%s\n\tgives %v", clip(document), err)
		}
	}
}

func TestMountsRelativeDestinationIsBelowTheRoot(t *testing.T) {
	c, err := DecodeSpec([]byte(with("linux/cgroupsPath", `"/c"`, "mounts", `[{"destination":"a/../../b","type":"tmpfs"},{"destination":"/c/","type":"tmpfs"}]`)))
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := Compile(c, &CreateOptions{ID: "id", Bundle: "/bundle"}, goldenHost(""))
	if err != nil {
		t.Fatal(err)
	}
	if w := compiled.Warnings; len(w) != 1 || !strings.Contains(w[0], `/mounts/0/destination: "a/../../b" is not absolute: taken as "/b"`) {
		t.Errorf("%q", w)
	}
	if !strings.Contains(compiled.Format(), `"b" 040755`) {
		t.Error("the mount is not at /b")
	}
}

func TestSeccompRawIsTheSectionAsItStands(t *testing.T) {
	raw := `{ "defaultAction" : "SCMP_ACT_ALLOW" }`
	c, err := DecodeSpec([]byte(with("linux/seccomp", " "+raw+" ")))
	if err != nil || string(c.SeccompRaw) != raw {
		t.Errorf("%q, %v", c.SeccompRaw, err)
	}
	if c, err = DecodeSpec([]byte(with("linux/seccomp", "null"))); err != nil || c.SeccompRaw != nil {
		t.Errorf("%q, %v", c.SeccompRaw, err)
	}
}

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward": "net/ipv4/ip_forward", "net/ipv4/conf/eth0.1/mtu": "net/ipv4/conf/eth0.1/mtu",
		"net.ipv4.conf.eth0/1.mtu": "net/ipv4/conf/eth0.1/mtu", "kernel": "", "": "", ".net": "", "net.": "", "net..a": "",
		"net/../kernel/core_pattern": "", "net./.a": "", "net.//.kernel": "", "net.a b": "", "net.a=b": "", "net.a\n": "", "net.é": "",
	} {
		if got, ok := sysctlPath(key); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}

func TestLoadRefusesWhatIsNoSmallRegularFile(t *testing.T) {
	dir := t.TempDir()
	name := func(base string) string { return filepath.Join(dir, base) }
	if err := unix.Mkfifo(name("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for base, content := range map[string]string{"config.json": "{", "process.json": `{"cwd":"/","args":[7]}`, "empty": ""} {
		if err := os.WriteFile(name(base), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	big, err := os.Create(name("big"))
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	if err := big.Truncate(maxConfig + 1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		name("config.json"):       `config.json: malformed JSON at 1:2: want a member's name, got the end`,
		name("fifo"):              `fifo: not a regular file`,
		name("empty"):             `empty: malformed JSON at 1:1: want an object, got the end`,
		name("big"):               `big: larger than 16 MiB`,
		"/dev/zero":               `zero: not a regular file`,
		dir:                       filepath.Base(dir) + `: not a regular file`,
		name("no/config.json"):    `config.json: JSON specification file config.json not found`,
		name("empty/config.json"): `open ` + name("empty/config.json") + `: not a directory`,
	} {
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if _, err := LoadProcess(name("process.json")); err == nil || err.Error() != "process.json#/args/0: want a string, got a number" {
		t.Error(err)
	}
}

func TestLoadReadsTheWholeFile(t *testing.T) {
	dir := t.TempDir()
	document := with("padding", `"`+strings.Repeat("x", 3<<20)+`"`)
	if err := os.WriteFile(dir+"/config.json", []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir + "/config.json")
	if err != nil || string(c.Raw) != document || c.Root.Path != "rootfs" {
		t.Error(err)
	}
	if err := os.WriteFile(dir+"/p.json", []byte(`{"cwd":"/tmp","args":["a"],"terminal":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := LoadProcess(dir + "/p.json"); err != nil || p.Cwd != "/tmp" || !p.Terminal {
		t.Error(err)
	}
}
