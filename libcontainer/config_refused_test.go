// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"corten/nsenter/plan"
)

// refused are broken documents, each with the line a user gets.
var refused = []struct{ document, line string }{
	// The text.
	{``, `: malformed JSON at 1:1: want an object, got the end`},
	{`[]`, `: want an object, got an array`},
	{`null`, `: want an object, got null`},
	{"\ufeff{}", `: malformed JSON at 1:1: want an object, got '\ufeff'`},
	{with() + `x`, `: data after the document at 1:109`},
	{with() + "\n {}", `: data after the document at 2:2`},
	{with() + "\x00", `: data after the document at 1:109`},
	{`{"ociVersion"`, `#/ociVersion: malformed JSON at 1:14: want ':', got the end`},
	{`{"ociVersion":`, `#/ociVersion: malformed JSON at 1:15: want a string, got the end`},
	{`{"ociVersion":"1.0.0"`, `: malformed JSON at 1:22: want ',' or '}', got the end`},
	{`{"ociVersion":"1.0.0",}`, `: malformed JSON at 1:23: want a member's name, got '}'`},
	{`{'ociVersion':1}`, `: malformed JSON at 1:2: want a member's name, got '\''`},
	{`{"ociVersion":"1.0`, `#/ociVersion: malformed JSON at 1:19: want '"', got the end`},
	{"{\"ociVersion\":\"1.0\n\"}", `#/ociVersion: malformed JSON at 1:19: want no control character in a string, got '\n'`},
	{"{\n\t\"process\": {\n\t\t\"args\": [\"a\" \"b\"]\n}}", `#/process/args: malformed JSON at 3:16: want ',' or ']', got '"'`},
	{with("process/args", `["a",]`), `#/process/args/1: malformed JSON at 1:106: want a string, got ']'`},
	{with("process/terminal", `tru`), `#/process/terminal: malformed JSON at 1:119: want true, got 't'`},
	{with("process/terminal", `truex`), `#/process: malformed JSON at 1:123: want ',' or '}', got 'x'`},
	{with("x", `nul`), `#/x: malformed JSON at 1:113: want null, got 'n'`},
	{with("x", `01`), `: malformed JSON at 1:114: want ',' or '}', got '1'`},
	{with("x", `-`), `#/x: malformed JSON at 1:114: want a digit, got '}'`},
	{with("x", `1.`), `#/x: malformed JSON at 1:115: want a digit, got '}'`},
	{with("x", `1e+`), `#/x: malformed JSON at 1:116: want a digit, got '}'`},
	{with("x", `{"a":[1,{"b":+}]}`), `#/x/a/1/b: malformed JSON at 1:126: want a value, got '+'`},
	{with("x", "\"\xff\""), `#/x: want UTF-8, got "\xff"`},
	{with("x", "\xff"), `#/x: malformed JSON at 1:113: want a value, got byte 0xff`},
	{with("x", `"\ud800"`), `#/x: want UTF-8, got half a surrogate pair`},
	{with("x", `"\ud800\u0041"`), `#/x: want UTF-8, got half a surrogate pair`},
	{with("x", `"\q"`), `#/x: malformed JSON at 1:115: want an escape, got 'q'`},
	{"{\"ociVersion\":\"\\n\x01\"}", `#/ociVersion: malformed JSON at 1:18: want no control character in a string, got '\x01'`},
	{`{"ociVersion":"\`, `#/ociVersion: malformed JSON at 1:17: want '"', got the end`},
	{`{"ociVersion":"\u1`, `#/ociVersion: malformed JSON at 1:19: want a hexadecimal digit, got the end`},
	{`{"ociVersion":"` + strings.Repeat("x", 100) + `"}`, `#/root: required, but missing`},
	{with("ociVersion", `"`+strings.Repeat("1", 100)+`"`), `#/ociVersion: want a version such as 1.3.0, got "` + strings.Repeat("1", 40) + `..."`},
	{with("x", `"\u12g4"`), `#/x: malformed JSON at 1:118: want a hexadecimal digit, got 'g'`},
	{with("x", `"\u12`), `#/x: malformed JSON at 1:118: want a hexadecimal digit, got '}'`},
	{with("x", `"\u0000"`), `#/x: must not contain a NUL byte`},
	{with("x", `{"\u0000":1}`), `#/x: must not contain a NUL byte`},
	{with("hostname", `"a\u0000b"`), `#/hostname: must not contain a NUL byte`},
	{with("x", `{"a":1,"b":2,"a":null}`), `#/x/a: occurs twice`},
	{with("x", manyMembers(100)), `#/x/m7: occurs twice`},
	{with("annotations", `{"a~/b":"1","a\u007e\/b":"2"}`), `#/annotations/a~0~1b: occurs twice`},
	{`{"root":null,"root":{"path":"/"}}`, `#/root: required, but null`},
	{`{"hostname":null,"hostname":"a"}`, `#/hostname: occurs twice`},
	{with("x", strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), `#/x` + strings.Repeat("/0", 999) + `: nested deeper than 1000 levels`},
	{with("x", "["+strings.Repeat("1,", 1<<18)+"1]"), `#/x: more than 262144 values`},

	// Types and ranges.
	{with("ociVersion", ``), `#/ociVersion: required, but missing`},
	{with("ociVersion", `1`), `#/ociVersion: want a string, got a number`},
	{with("root", ``), `#/root: required, but missing`},
	{with("root", `"rootfs"`), `#/root: want an object, got a string`},
	{with("root/path", ``, "root/readonly", `true`), `#/root/path: required, but missing`},
	{with("root/path", `null`), `#/root/path: required, but null`},
	{with("root/readonly", `"yes"`), `#/root/readonly: want a boolean, got a string`},
	{with("process", `[]`), `#/process: want an object, got an array`},
	{with("process/cwd", ``), `#/process/cwd: required, but missing`},
	{with("process/args", `"sh"`), `#/process/args: want an array, got a string`},
	{with("process/args", `["sh",null]`), `#/process/args/1: want a string, got null`},
	{with("process/user", `{"uid":1}`), `#/process/user/gid: required, but missing`},
	{with("process/user", `{"gid":1}`), `#/process/user/uid: required, but missing`},
	{with("process/user", `{"uid":-1,"gid":0}`), `#/process/user/uid: want 0 to 4294967294, got -1`},
	{with("process/user", `{"uid":4294967295,"gid":0}`), `#/process/user/uid: want 0 to 4294967294, got 4294967295`},
	{with("process/user", `{"uid":0,"gid":4294967296}`), `#/process/user/gid: want 0 to 4294967294, got 4294967296`},
	{with("process/user", `{"uid":0,"gid":1e10}`), `#/process/user/gid: want an integer, got 1e10`},
	{with("process/user", `{"uid":"0","gid":0}`), `#/process/user/uid: want an integer, got a string`},
	{with("process/user", `{"uid":0,"gid":0,"additionalGids":[1,4294967295]}`), `#/process/user/additionalGids/1: want 0 to 4294967294, got 4294967295`},
	{with("process/rlimits", `[{"type":"RLIMIT_CPU","soft":1}]`), `#/process/rlimits/0/hard: required, but missing`},
	{with("process/rlimits", `[{"soft":1,"hard":1}]`), `#/process/rlimits/0/type: required, but missing`},
	{with("process/rlimits", `[{"type":"RLIMIT_CPU","soft":1,"hard":18446744073709551616}]`), `#/process/rlimits/0/hard: want 0 to 18446744073709551615, got 18446744073709551616`},
	{with("process/consoleSize", `{"height":1}`), `#/process/consoleSize/width: required, but missing`},
	{with("process/oomScoreAdj", `1.5`), `#/process/oomScoreAdj: want an integer, got 1.5`},
	{with("process/oomScoreAdj", `99999999999`), `#/process/oomScoreAdj: want -2147483648 to 2147483647, got 99999999999`},
	{with("mounts", `{}`), `#/mounts: want an array, got an object`},
	{with("mounts", `[{"type":"tmpfs"}]`), `#/mounts/0/destination: required, but missing`},
	{with("mounts", `[{"destination":"/a"},{"destination":"/b","options":["ro",7]}]`), `#/mounts/1/options/1: want a string, got a number`},
	{with("annotations", `{"a":1}`), `#/annotations/a: want a string, got a number`},
	{with("annotations", `{"a":null}`), `#/annotations/a: want a string, got null`},
	{with("hooks", `{"poststop":[{"args":[]}]}`), `#/hooks/poststop/0/path: required, but missing`},
	{with("linux", `false`), `#/linux: want an object, got a boolean`},
	{with("linux/namespaces", `[{"path":"/x"}]`), `#/linux/namespaces/0/type: required, but missing`},
	{with("linux/uidMappings", `[{"containerID":0,"size":1}]`), `#/linux/uidMappings/0/hostID: required, but missing`},
	{with("linux/devices", `[{"type":"c","path":"/dev/x","minor":1}]`), `#/linux/devices/0/major: required, but missing`},
	{with("linux/devices", `[{"type":"b","path":"/dev/x","major":1}]`), `#/linux/devices/0/minor: required, but missing`},
	{with("linux/devices", `[{"type":"c"}]`), `#/linux/devices/0/path: required, but missing`},
	{with("linux/resources", `{"devices":[{"access":"r"}]}`), `#/linux/resources/devices/0/allow: required, but missing`},
	{with("linux/resources", `{"memory":{"limit":"1G"}}`), `#/linux/resources/memory/limit: want an integer, got a string`},
	{with("linux/resources", `{"pids":{"limit":9223372036854775808}}`), `#/linux/resources/pids/limit: want -9223372036854775808 to 9223372036854775807, got 9223372036854775808`},
	{with("linux/resources", `{"cpu":{"shares":-1}}`), `#/linux/resources/cpu/shares: want 0 to 18446744073709551615, got -1`},
	{with("linux/resources", `{"blockIO":{"weight":70000}}`), `#/linux/resources/blockIO/weight: want 0 to 65535, got 70000`},
	{with("linux/seccomp", `{}`), `#/linux/seccomp/defaultAction: required, but missing`},

	// Values.
	{with("ociVersion", `""`), `#/ociVersion: want a version such as 1.3.0, got ""`},
	{with("ociVersion", `"1.0"`), `#/ociVersion: want a version such as 1.3.0, got "1.0"`},
	{with("ociVersion", `"1.00.0"`), `#/ociVersion: want a version such as 1.3.0, got "1.00.0"`},
	{with("ociVersion", `"1.0.0-"`), `#/ociVersion: want a version such as 1.3.0, got "1.0.0-"`},
	{with("ociVersion", `"1.0.0+a_b"`), `#/ociVersion: want a version such as 1.3.0, got "1.0.0+a_b"`},
	{with("ociVersion", `"2.0.0"`), `#/ociVersion: version 2.0.0 is not supported, only 1.x is`},
	{with("root/path", `""`), `#/root/path: must not be empty`},
	{with("process/args", ``), `#/process/args: args must not be empty`},
	{with("process/args", `[]`), `#/process/args: args must not be empty`},
	{with("process/args", `[""]`), `#/process/args/0: must not be empty`},
	{with("process/cwd", `"tmp"`), `#/process/cwd: Cwd must be an absolute path`},
	{with("process/cwd", `""`), `#/process/cwd: Cwd must be an absolute path`},
	{with("process/env", `["A=1","B"]`), `#/process/env/1: want NAME=value, got "B"`},
	{with("process/env", `["=x"]`), `#/process/env/0: want NAME=value, got "=x"`},
	{with("process/rlimits", `[{"type":"RLIMIT_X","soft":1,"hard":1}]`), `#/process/rlimits/0/type: unknown rlimit "RLIMIT_X"`},
	{with("process/rlimits", `[{"type":"RLIMIT_AS","soft":1,"hard":1},{"type":"RLIMIT_AS","soft":1,"hard":1}]`), `#/process/rlimits/1/type: RLIMIT_AS occurs twice`},
	{with("process/rlimits", `[{"type":"RLIMIT_AS","soft":2,"hard":1}]`), `#/process/rlimits/0/soft: 2 is above the hard limit 1`},
	{with("process/user", `{"uid":0,"gid":0,"umask":512}`), `#/process/user/umask: want 0 to 511 (octal 777), got 512`},
	{with("process/oomScoreAdj", `1001`), `#/process/oomScoreAdj: want -1000 to 1000, got 1001`},
	{with("process/terminal", `true`, "process/consoleSize", `{"height":65536,"width":1}`), `#/process/consoleSize/height: want 0 to 65535, got 65536`},
	{with("process/terminal", `true`, "process/consoleSize", `{"height":1,"width":65536}`), `#/process/consoleSize/width: want 0 to 65535, got 65536`},
	{with("mounts", `[{"destination":""}]`), `#/mounts/0/destination: must not be empty`},
	{with("mounts", `[{"destination":"/"}]`), `#/mounts/0/destination: must not be the root`},
	{with("mounts", `[{"destination":"a/.."}]`), `#/mounts/0/destination: must not be the root`},
	{with("mounts", `[{"destination":"/../."}]`), `#/mounts/0/destination: must not be the root`},
	{with("hooks", `{"prestart":[{"path":"bin/x"}]}`), `#/hooks/prestart/0/path: want an absolute path, got "bin/x"`},
	{with("hooks", `{"poststart":[{"path":"/x","timeout":0}]}`), `#/hooks/poststart/0/timeout: want at least 1 second, got 0`},
	{with("annotations", `{"":"x"}`), `#/annotations/: an annotation's key must not be empty`},
	{with("linux/namespaces", `[{"type":"net"}]`), `#/linux/namespaces/0/type: unknown namespace "net"`},
	{with("linux/namespaces", `[{"type":"pid"},{"type":"pid","path":"/x"}]`), `#/linux/namespaces/1/type: pid occurs twice`},
	{with("linux/namespaces", `[{"type":"pid","path":"proc/1/ns/pid"}]`), `#/linux/namespaces/0/path: want an absolute path, got "proc/1/ns/pid"`},
	{with("hostname", `"a"`), `#/hostname: needs a uts namespace`},
	{with("hostname", `"a"`, "linux/namespaces", `[]`), `#/hostname: needs a uts namespace`},
	{with("domainname", `"a"`), `#/domainname: needs a uts namespace`},
	{with("linux/namespaces", `[{"type":"user"}]`), `#/linux/uidMappings: a new user namespace needs mappings`},
	{with("linux/namespaces", `[{"type":"user"}]`, "linux/uidMappings", mappingJSON("0,0,1")), `#/linux/gidMappings: a new user namespace needs mappings`},
	{with("linux/uidMappings", mappingJSON("0,0,1")), `#/linux/uidMappings: needs a user namespace`},
	{with("linux/gidMappings", mappingJSON("0,0,1")), `#/linux/gidMappings: needs a user namespace`},
	{withUserns("0,0,0"), `#/linux/uidMappings/0/size: must not be 0`},
	{withUserns("1,0,4294967295"), `#/linux/uidMappings/0/size: ends beyond the last id, 4294967294`},
	{withUserns("0,4294967294,2"), `#/linux/uidMappings/0/size: ends beyond the last id, 4294967294`},
	{withUserns("0,0,10", "9,100,1"), `#/linux/uidMappings/1/containerID: overlaps mapping 0`},
	{withUserns("0,5,10", "10,0,6"), `#/linux/uidMappings/1/hostID: overlaps mapping 0`},
	{withUserns("1,5,10"), `#/process/user/uid: 0 has no mapping in /linux/uidMappings`},
	{with("process/user", `{"uid":0,"gid":1}`, "linux/namespaces", `[{"type":"user"}]`, "linux/uidMappings", mappingJSON("0,0,1"), "linux/gidMappings", mappingJSON("0,0,1")), `#/process/user/gid: 1 has no mapping in /linux/gidMappings`},
	{withUserns(strings.Split(strings.Repeat("0,0,1 ", 341), " ")[:341]...), `#/linux/uidMappings: the kernel takes 340 mappings, got 341`},
	{with("linux/timeOffsets", `{"boottime":{"secs":1}}`), `#/linux/timeOffsets: needs a new time namespace`},
	{with("linux/namespaces", `[{"type":"time","path":"/x"}]`, "linux/timeOffsets", `{"boottime":{}}`), `#/linux/timeOffsets: needs a new time namespace`},
	{with("linux/namespaces", `[{"type":"time"}]`, "linux/timeOffsets", `{"realtime":{}}`), `#/linux/timeOffsets/realtime: unknown clock, want monotonic or boottime`},
	{with("linux/namespaces", `[{"type":"time"}]`, "linux/timeOffsets", `{"boottime":{"nanosecs":1000000000}}`), `#/linux/timeOffsets/boottime/nanosecs: want 0 to 999999999, got 1000000000`},
	{with("linux/sysctl", `{"kernel.core_pattern":"|/x"}`), `#/linux/sysctl/kernel.core_pattern: not the sysctl of a namespace`},
	{with("linux/sysctl", `{"net/../kernel/core_pattern":"|/x"}`), `#/linux/sysctl/net~1..~1kernel~1core_pattern: not the name of a sysctl`},
	{with("linux/sysctl", `{"kernel.shmmax+kernel.core_pattern":"1"}`), `#/linux/sysctl/kernel.shmmax+kernel.core_pattern: not the name of a sysctl`},
	{with("linux/sysctl", `{"net.ipv4.ip_forward":"1"}`), `#/linux/sysctl/net.ipv4.ip_forward: needs a network namespace`},
	{with("linux/namespaces", `[]`, "linux/sysctl", `{"kernel.shmmax":"1"}`), `#/linux/sysctl/kernel.shmmax: needs an ipc namespace`},
	{with("linux/sysctl", `{"user.max_user_namespaces":"1"}`), `#/linux/sysctl/user.max_user_namespaces: needs a user namespace`},
	{with("linux/sysctl", `{"kernel.hostname":"x"}`), `#/linux/sysctl/kernel.hostname: set by /hostname, not by a sysctl`},
	{with("linux/sysctl", `{"fs.mqueue":"x"}`), `#/linux/sysctl/fs.mqueue: not the sysctl of a namespace`},
	{with("linux/namespaces", `[{"type":"time"}]`, "linux/timeOffsets", `{"monotonic":{"secs":4611686019}}`), `#/linux/timeOffsets/monotonic/secs: want -4611686018 to 4611686018, got 4611686019`},
	{with("linux/netDevices", `{"eth0":{}}`), `#/linux/netDevices: needs a network namespace`},
	{withDevices(`"eth 0":{}`), `#/linux/netDevices/eth 0: "eth 0" is not the name of a network device`},
	{withDevices(`"":{}`), `#/linux/netDevices/: "" is not the name of a network device`},
	{withDevices(`"eth%d":{}`), `#/linux/netDevices/eth%d: "eth%d" is not the name of a network device`},
	{withDevices(`"eth0":{"name":"a/b"}`), `#/linux/netDevices/eth0/name: "a/b" is not the name of a network device: want 1 to 15 bytes, no '/', ':' or space`},
	{withDevices(`"eth0":{"name":"a%d%d"}`), `#/linux/netDevices/eth0/name: want at most one %d, at the end, for the kernel to fill, got "a%d%d"`},
	{withDevices(`"eth0":{"name":"a%s"}`), `#/linux/netDevices/eth0/name: want at most one %d, at the end, for the kernel to fill, got "a%s"`},
	{withDevices(`"eth0":{"name":"x"},"eth1":{"name":"x"}`), `#/linux/netDevices/eth1/name: x is the name of eth0 as well`},
	{withDevices(`"eth0":{},"eth1":{"name":"eth0"}`), `#/linux/netDevices/eth1/name: eth0 is the name of eth0 as well`},
	{with("linux/intelRdt", `{"closID":"a/b"}`), `#/linux/intelRdt/closID: want the name of a directory of resctrl, or / for its root, got "a/b"`},
	{with("linux/intelRdt", `{"closID":".."}`), `#/linux/intelRdt/closID: want the name of a directory of resctrl, or / for its root, got ".."`},
	{with("linux/intelRdt", `{"closID":"mon_groups"}`), `#/linux/intelRdt/closID: want the name of a directory of resctrl, or / for its root, got "mon_groups"`},
	{with("linux/intelRdt", `{"memBwSchema":"L3:0=1"}`), `#/linux/intelRdt/memBwSchema: want one line that begins with MB:, got "L3:0=1"`},
	{with("linux/intelRdt", `{"memBwSchema":"MB:0=1\nL3:0=1"}`), `#/linux/intelRdt/memBwSchema: want one line that begins with MB:, got "MB:0=1\nL3:0=1"`},
	{with("linux/intelRdt", `{"schemata":["L3:0=1",""]}`), `#/linux/intelRdt/schemata/1: want one line, got ""`},
	{with("linux/intelRdt", `{"schemata":["L3:0=1\nMB:0=1"]}`), `#/linux/intelRdt/schemata/0: want one line, got "L3:0=1\nMB:0=1"`},
	{with("linux/maskedPaths", `["/proc/kcore","proc/keys"]`), `#/linux/maskedPaths/1: want an absolute path, got "proc/keys"`},
	{with("linux/readonlyPaths", `[""]`), `#/linux/readonlyPaths/0: want an absolute path, got ""`},
	{with("linux/namespaces", `[]`, "linux/maskedPaths", `["/proc/kcore"]`), `#/linux/maskedPaths: needs a mount namespace`},
	{with("linux/rootfsPropagation", `"public"`), `#/linux/rootfsPropagation: want shared, slave, private or unbindable, got "public"`},
	{with("linux/devices", `[{"type":"d","path":"/dev/x","major":1,"minor":1}]`), `#/linux/devices/0/type: want c, b, u or p, got "d"`},
	{with("linux/devices", `[{"type":"p","path":"dev/x"}]`), `#/linux/devices/0/path: want an absolute path, got "dev/x"`},
	{with("linux/devices", `[{"type":"c","path":"/x","major":4096,"minor":1}]`), `#/linux/devices/0/major: want 0 to 4095, got 4096`},
	{with("linux/devices", `[{"type":"c","path":"/x","major":1,"minor":-1}]`), `#/linux/devices/0/minor: want 0 to 1048575, got -1`},
	{with("linux/devices", `[{"type":"p","path":"/x","fileMode":65536}]`), `#/linux/devices/0/fileMode: want 0 to 65535, got 65536`},
	{with("linux/resources", `{"devices":[{"allow":true,"type":"p"}]}`), `#/linux/resources/devices/0/type: want a, b or c, got "p"`},
	{with("linux/resources", `{"devices":[{"allow":true,"access":"rx"}]}`), `#/linux/resources/devices/0/access: want letters of rwm, got "rx"`},
	{with("linux/resources", `{"devices":[{"allow":true,"major":-2}]}`), `#/linux/resources/devices/0/major: want -1 to 4294967295, got -2`},
	{with("linux/resources", `{"devices":[{"allow":true,"minor":4294967296}]}`), `#/linux/resources/devices/0/minor: want -1 to 4294967295, got 4294967296`},

	// Seccomp.
	{withSeccomp(`"defaultAction":"ALLOW"`), `#/linux/seccomp/defaultAction: unknown action "ALLOW"`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1`), `#/linux/seccomp/defaultErrnoRet: SCMP_ACT_ALLOW has no errno`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096`), `#/linux/seccomp/defaultErrnoRet: want 0 to 4094, got 4096`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_LOG","architectures":["x86"]`), `#/linux/seccomp/architectures/0: unknown architecture "x86"`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_NOTIFY"`), `#/linux/seccomp/listenerPath: SCMP_ACT_NOTIFY needs the socket of an agent`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_LOG","listenerMetadata":"m"`), `#/linux/seccomp/listenerMetadata: must not be set without listenerPath`},
	{withRule(`"names":["read"],"action":"SCMP_ACT_NOTIFY"`), `#/linux/seccomp/listenerPath: SCMP_ACT_NOTIFY needs the socket of an agent`},
	{withSeccomp(`"defaultAction":"SCMP_ACT_LOG","flags":["LOG"]`), `#/linux/seccomp/flags/0: unknown flag "LOG"`},
	{withRule(`"action":"SCMP_ACT_LOG"`), `#/linux/seccomp/syscalls/0/names: required, but missing`},
	{withRule(`"names":[],"action":"SCMP_ACT_LOG"`), `#/linux/seccomp/syscalls/0/names: must not be empty`},
	{withRule(`"names":["read",""],"action":"SCMP_ACT_LOG"`), `#/linux/seccomp/syscalls/0/names/1: must not be empty`},
	{withRule(`"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536`), `#/linux/seccomp/syscalls/0/errnoRet: want 0 to 65535, got 65536`},
	{withRule(`"names":["read"]`), `#/linux/seccomp/syscalls/0/action: required, but missing`},
	{withRule(`"names":["read"],"action":"X"`), `#/linux/seccomp/syscalls/0/action: unknown action "X"`},
	{withRule(`"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]`), `#/linux/seccomp/syscalls/0/args/0/index: want 0 to 5, got 6`},
	{withRule(`"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"=="}]`), `#/linux/seccomp/syscalls/0/args/0/op: unknown operator "=="`},

	{with("vm", `{}`), `#/vm: corten makes containers, not virtual machines`},
	{with("hostname", `"`+strings.Repeat("h", 65)+`"`, "linux/namespaces", `[{"type":"uts"}]`), `#/hostname: want at most 64 bytes, got 65`},
	{with("domainname", `"`+strings.Repeat("d", 65)+`"`, "linux/namespaces", `[{"type":"uts"}]`), `#/domainname: want at most 64 bytes, got 65`},
	{with("ociVersion", `"1.0.0-01"`), `#/ociVersion: want a version such as 1.3.0, got "1.0.0-01"`},
	// Scheduling and labels.
	{with("process/scheduler", `{}`), `#/process/scheduler/policy: required, but missing`},
	{with("process/scheduler", `{"policy":"SCHED_EXT"}`), `#/process/scheduler/policy: want one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE, got "SCHED_EXT"`},
	{with("process/scheduler", `{"policy":""}`), `#/process/scheduler/policy: want one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE, got ""`},
	{with("process/scheduler", `{"policy":"SCHED_ISO"}`), `#/process/scheduler/policy: no kernel has SCHED_ISO: its number is reserved`},
	{with("process/scheduler", `{"policy":"SCHED_OTHER","nice":-21}`), `#/process/scheduler/nice: want -20 to 19, got -21`},
	{with("process/scheduler", `{"policy":"SCHED_BATCH","nice":20}`), `#/process/scheduler/nice: want -20 to 19, got 20`},
	{with("process/scheduler", `{"policy":"SCHED_FIFO"}`), `#/process/scheduler/priority: want 1 to 99 with SCHED_FIFO, got 0`},
	{with("process/scheduler", `{"policy":"SCHED_RR","priority":100}`), `#/process/scheduler/priority: want 1 to 99 with SCHED_RR, got 100`},
	{with("process/scheduler", `{"policy":"SCHED_IDLE","priority":1}`), `#/process/scheduler/priority: only SCHED_FIFO and SCHED_RR have one`},
	{with("process/scheduler", `{"policy":"SCHED_RR","priority":9,"runtime":2000}`), `#/process/scheduler/runtime: only SCHED_DEADLINE has one`},
	{with("process/scheduler", `{"policy":"SCHED_OTHER","deadline":2000}`), `#/process/scheduler/deadline: only SCHED_DEADLINE has one`},
	{with("process/scheduler", `{"policy":"SCHED_OTHER","period":2000}`), `#/process/scheduler/period: only SCHED_DEADLINE has one`},
	{with("process/scheduler", `{"policy":"SCHED_DEADLINE","runtime":1023,"deadline":2000}`), `#/process/scheduler/runtime: want at least 1024 ns, got 1023`},
	{with("process/scheduler", `{"policy":"SCHED_DEADLINE","runtime":1024}`), `#/process/scheduler/deadline: want at least the runtime 1024, got 0`},
	{with("process/scheduler", `{"policy":"SCHED_DEADLINE","runtime":1024,"deadline":9223372036854775808}`), `#/process/scheduler/deadline: want at least the runtime 1024, got 9223372036854775808`},
	{with("process/scheduler", `{"policy":"SCHED_DEADLINE","runtime":1024,"deadline":2048,"period":2047}`), `#/process/scheduler/period: want 0 or at least the deadline 2048, got 2047`},
	{with("process/scheduler", `{"policy":"SCHED_DEADLINE","priority":1}`), `#/process/scheduler/priority: only SCHED_FIFO and SCHED_RR have one`},
	{with("process/scheduler", `{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_SUGOV"]}`), `#/process/scheduler/flags/1: unknown flag "SCHED_FLAG_SUGOV"`},
	{with("process/scheduler", `{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_RECLAIM"]}`), `#/process/scheduler/flags/0: only SCHED_DEADLINE has SCHED_FLAG_RECLAIM`},
	{with("process/scheduler", `{"policy":"SCHED_FIFO","priority":1,"flags":["SCHED_FLAG_DL_OVERRUN"]}`), `#/process/scheduler/flags/0: only SCHED_DEADLINE has SCHED_FLAG_DL_OVERRUN`},
	{with("process/ioPriority", `{}`), `#/process/ioPriority/class: required, but missing`},
	{with("process/ioPriority", `{"class":"IOPRIO_CLASS_NONE"}`), `#/process/ioPriority/class: want one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, got "IOPRIO_CLASS_NONE"`},
	{with("process/ioPriority", `{"class":"","priority":1}`), `#/process/ioPriority/class: want one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, got ""`},
	{with("process/ioPriority", `{"class":"IOPRIO_CLASS_BE","priority":8}`), `#/process/ioPriority/priority: want 0 to 7, got 8`},
	{with("process/ioPriority", `{"class":"IOPRIO_CLASS_BE","priority":-1}`), `#/process/ioPriority/priority: want 0 to 7, got -1`},
	{with("process/execCPUAffinity", `{"final":","}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got ","`},
	{with("process/execCPUAffinity", `{"final":"0,"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "0,"`},
	{with("process/execCPUAffinity", `{"final":"1-"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "1-"`},
	{with("process/execCPUAffinity", `{"final":"-1"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "-1"`},
	{with("process/execCPUAffinity", `{"final":"3-1"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "3-1"`},
	{with("process/execCPUAffinity", `{"final":"0-65536"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "0-65536"`},
	{with("process/execCPUAffinity", `{"final":"a"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "a"`},
	{with("process/execCPUAffinity", `{"final":"0x1"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "0x1"`},
	{with("process/execCPUAffinity", `{"final":"0 1"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "0 1"`},
	{with("process/execCPUAffinity", `{"final":"1 - 2"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "1 - 2"`},
	{with("process/execCPUAffinity", `{"final":"+1"}`), `#/process/execCPUAffinity/final: want numbers and ranges up to 65535 such as 0-3,7, got "+1"`},
	{with("process/execCPUAffinity", `{"initial":" ","final":"0"}`), `#/process/execCPUAffinity/initial: want numbers and ranges up to 65535 such as 0-3,7, got " "`},
	{with("process/apparmorProfile", `"a\nb"`), `#/process/apparmorProfile: want no blanks around it and no control characters, got "a\nb"`},
	{with("process/apparmorProfile", `" a"`), `#/process/apparmorProfile: want no blanks around it and no control characters, got " a"`},
	{with("process/selinuxLabel", `"a:b"`), `#/process/selinuxLabel: want user:role:type[:level], got "a:b"`},
	{with("process/selinuxLabel", `"a:b:c\n"`), `#/process/selinuxLabel: want no blanks around it and no control characters, got "a:b:c\n"`},
	{with("process/apparmorProfile", `"`+strings.Repeat("a", 4001)+`"`), `#/process/apparmorProfile: longer than 4000 bytes`},
	{with("linux/memoryPolicy", `{"nodes":"0"}`), `#/linux/memoryPolicy/mode: required, but missing`},
	{with("linux/memoryPolicy", `{"mode":"bind","nodes":"0"}`), `#/linux/memoryPolicy/mode: want one of MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE, got "bind"`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_DEFAULT","nodes":"0"}`), `#/linux/memoryPolicy/nodes: MPOL_DEFAULT has no nodes`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_LOCAL","nodes":"0"}`), `#/linux/memoryPolicy/nodes: MPOL_LOCAL has no nodes`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_BIND"}`), `#/linux/memoryPolicy/nodes: MPOL_BIND needs at least one node`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_INTERLEAVE"}`), `#/linux/memoryPolicy/nodes: MPOL_INTERLEAVE needs at least one node`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_PREFERRED_MANY"}`), `#/linux/memoryPolicy/nodes: MPOL_PREFERRED_MANY needs at least one node`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_WEIGHTED_INTERLEAVE"}`), `#/linux/memoryPolicy/nodes: MPOL_WEIGHTED_INTERLEAVE needs at least one node`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_BIND","nodes":"0-"}`), `#/linux/memoryPolicy/nodes: want numbers and ranges up to 65535 such as 0-3,7, got "0-"`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_LOCAL"]}`), `#/linux/memoryPolicy/flags/0: unknown flag "MPOL_F_LOCAL"`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_NUMA_BALANCING"]}`), `#/linux/memoryPolicy/flags/0: only MPOL_BIND and MPOL_PREFERRED_MANY have MPOL_F_NUMA_BALANCING`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_PREFERRED","flags":["MPOL_F_STATIC_NODES"]}`), `#/linux/memoryPolicy/flags/0: MPOL_F_STATIC_NODES needs nodes`},
	{with("linux/memoryPolicy", `{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_RELATIVE_NODES","MPOL_F_STATIC_NODES"]}`), `#/linux/memoryPolicy/flags/1: excludes MPOL_F_RELATIVE_NODES`},
	{with("linux/personality", `{}`), `#/linux/personality/domain: required, but missing`},
	{with("linux/personality", `{"domain":"linux"}`), `#/linux/personality/domain: want LINUX or LINUX32, got "linux"`},
	{with("linux/personality", `{"domain":"LINUX","flags":["ADDR_NO_RANDOMIZE"]}`), `#/linux/personality/flags/0: the specification has no flags yet, got "ADDR_NO_RANDOMIZE"`},
	{with("mounts", `[{"destination":"/a"},{"destination":"/b","gidMappings":`+mappingJSON("0,0,0")+`}]`), `#/mounts/1/gidMappings/0/size: must not be 0`},
	{with("mounts", `[{"destination":"/b","uidMappings":`+mappingJSON("0,0,2", "1,5,1")+`}]`), `#/mounts/0/uidMappings/1/containerID: overlaps mapping 0`},
	{with("mounts", `[{"destination":"/b","uidMappings":`+mappingJSON("0,0,2", "5,1,1")+`}]`), `#/mounts/0/uidMappings/1/hostID: overlaps mapping 0`},
	{with("mounts", `[{"destination":"/b","gidMappings":`+mappingJSON("1,4294967294,2")+`}]`), `#/mounts/0/gidMappings/0/size: ends beyond the last id, 4294967294`},
}

// withDevices is a document with a network namespace and linux.netDevices.
func withDevices(devices string) string {
	return with("linux/namespaces", `[{"type":"network"}]`, "linux/netDevices", "{"+devices+"}")
}

func TestBrokenDocumentsAreRefusedWithTheirPointer(t *testing.T) {
	for _, r := range refused {
		c, err := DecodeSpec([]byte(r.document))
		if want := "config.json" + r.line; err == nil || err.Error() != want {
			t.Errorf("%s\n\tgives %v\n\twant  %s", clip(r.document), err, want)
		}
		if e := (*plan.Error)(nil); !errors.As(err, &e) || c != nil {
			t.Errorf("%s: %T, config is nil: %t", clip(r.document), err, c == nil)
		}
	}
}

// manyMembers is an object of n members of which m7 is there again.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"m` + strings.Repeat("x", i%10) + string(rune('0'+i/10)) + `":1,`)
	}
	return "{" + `"m7":0,` + b.String()[:b.Len()-1] + "}"
}

func mappingJSON(ids ...string) string {
	for i, m := range ids {
		n := strings.Split(m, ",")
		ids[i] = `{"containerID":` + n[0] + `,"hostID":` + n[1] + `,"size":` + n[2] + `}`
	}
	return "[" + strings.Join(ids, ",") + "]"
}

func TestMappingsFitIntoAPage(t *testing.T) {
	if os.Getpagesize() > 4096 {
		t.Skip("the kernel's pages hold 340 mappings of any ids")
	}
	var ids []string
	for i := range 340 {
		ids = append(ids, fmt.Sprintf("%d,%d,1", 1000000000+2*i, 2000000000+3*i))
	}
	_, err := DecodeSpec([]byte(withUserns(ids...)))
	if want := "config.json#/linux/uidMappings: as text 8160 bytes, of which the kernel takes less than 4096"; err == nil || err.Error() != want {
		t.Error(err)
	}
}

func withUserns(ids ...string) string {
	return with("linux/namespaces", `[{"type":"user"}]`, "linux/uidMappings", mappingJSON(ids...), "linux/gidMappings", mappingJSON("0,0,1"))
}

func withSeccomp(members string) string { return with("linux/seccomp", "{"+members+"}") }

func withRule(members string) string {
	return withSeccomp(`"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{` + members + `}]`)
}
