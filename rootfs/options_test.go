// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheOptionTableIsSortedWithoutDuplicates(t *testing.T) {
	for i := 1; i < len(table); i++ {
		if table[i-1].name >= table[i].name {
			t.Errorf("%q stands before %q", table[i-1].name, table[i].name)
		}
	}
	for i := range table {
		if row := lookup(table[i].name); row != &table[i] {
			t.Errorf("lookup does not find %q", table[i].name)
		}
	}
	for _, name := range []string{"", "aaa", "zzz", "no", "noatim", "noatimes", "RO"} {
		if lookup(name) != nil {
			t.Errorf("lookup finds %q", name)
		}
	}
}

// effect is what one option does: the word of mount(8) or of config.md.
var effects = map[string]options{
	"async": {data: []datum{{0, "async", "", true, true}}}, "dirsync": {data: []datum{{0, "dirsync", "", true, true}}},
	"lazytime": {data: []datum{{0, "lazytime", "", true, true}}},
	"mand":     {data: []datum{{0, "mand", "", true, true}}}, "nolazytime": {data: []datum{{0, "nolazytime", "", true, true}}},
	"nomand": {data: []datum{{0, "nomand", "", true, true}}}, "sync": {data: []datum{{0, "sync", "", true, true}}},

	"defaults": {}, "loud": {}, "silent": {}, "noiversion": {}, "iversion": {},
	"bind": {bind: true}, "rbind": {bind: true, recursive: true}, "remount": {remount: true},

	"ro": {attrSet: unix.MOUNT_ATTR_RDONLY}, "rw": {attrClear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {attrSet: unix.MOUNT_ATTR_NOSUID}, "suid": {attrClear: unix.MOUNT_ATTR_NOSUID},
	"nodev": {attrSet: unix.MOUNT_ATTR_NODEV}, "dev": {attrClear: unix.MOUNT_ATTR_NODEV},
	"noexec": {attrSet: unix.MOUNT_ATTR_NOEXEC}, "exec": {attrClear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {attrSet: unix.MOUNT_ATTR_NODIRATIME}, "diratime": {attrClear: unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow": {attrSet: unix.MOUNT_ATTR_NOSYMFOLLOW}, "symfollow": {attrClear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	"noatime": {attrSet: unix.MOUNT_ATTR_NOATIME, attrClear: anyAtime}, "strictatime": {attrSet: unix.MOUNT_ATTR_STRICTATIME, attrClear: anyAtime},
	"norelatime": {attrSet: unix.MOUNT_ATTR_STRICTATIME, attrClear: anyAtime},
	"relatime":   {attrClear: anyAtime}, "atime": {attrClear: anyAtime}, "nostrictatime": {attrClear: anyAtime},

	"idmap": {words: idmap}, "ridmap": {words: idmap | ridmap}, "tmpcopyup": {words: copyUp},
	"copy-symlink": {words: copySymlink}, "src-nofollow": {words: srcNofollow}, "dest-nofollow": {words: destNofollow},

	"private": {propagation: unix.MS_PRIVATE}, "rprivate": {propagation: unix.MS_PRIVATE, propagationRec: true},
	"shared": {propagation: unix.MS_SHARED}, "rshared": {propagation: unix.MS_SHARED, propagationRec: true},
	"slave": {propagation: unix.MS_SLAVE}, "rslave": {propagation: unix.MS_SLAVE, propagationRec: true},
	"unbindable": {propagation: unix.MS_UNBINDABLE}, "runbindable": {propagation: unix.MS_UNBINDABLE, propagationRec: true},
}

func TestEveryRowOfTheOptionTableHasItsEffect(t *testing.T) {
	for i := range table {
		name := table[i].name
		got := parseOptions([]string{name})
		if !slices.Contains(OptionNames(), name) {
			t.Errorf("features does not name %s", name)
		}
		want, known := effects[name]
		// rX is X for all mounts below too.
		if base, isRec := effects[strings.TrimPrefix(name, "r")]; !known && isRec {
			want, known = options{recSet: base.attrSet, recClear: base.attrClear}, true
		}
		want.mapping = -1
		if !known || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestAtimeClearsNoatime(t *testing.T) {
	for _, list := range [][]string{{"atime"}, {"noatime", "atime"}, {"ratime"}, {"rnoatime", "ratime"}} {
		o := parseOptions(list)
		if o.attrSet|o.recSet != 0 || (o.attrClear|o.recClear)&unix.MOUNT_ATTR_NOATIME == 0 {
			t.Errorf("%v: %+v", list, o)
		}
	}
}

func TestTheLaterOptionWins(t *testing.T) {
	type pair struct{ list, want string }
	for _, c := range []pair{
		{"ro rw", "rw"}, {"rw ro", "ro"}, {"nosuid suid", "suid"}, {"dev nodev", "nodev"}, {"noexec exec", "exec"},
		{"rro rrw", "rrw"}, {"rrw rro", "rro"}, {"rnoexec rexec", "rexec"}, {"shared rprivate", "rprivate"}, {"rslave shared", "shared"},
		{"noatime strictatime", "strictatime"}, {"strictatime noatime", "noatime"}, {"noatime relatime", "relatime"},
		{"rstrictatime rnoatime", "rnoatime"}, {"rnoatime rrelatime", "rrelatime"}, {"bind rbind", "rbind"}, {"rbind bind", "rbind"},
		{"symfollow nosymfollow", "nosymfollow"}, {"nodiratime diratime", "diratime"},
	} {
		got := parseOptions(strings.Fields(c.list))
		want := parseOptions([]string{c.want})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want that of %s: %+v", c.list, got, c.want, want)
		}
	}
}

func TestRecursiveAttributesDoNotTouchThoseOfTheMountAlone(t *testing.T) {
	o := parseOptions([]string{"rro", "rw", "nosuid", "rsuid"})
	want := options{mapping: -1, attrSet: unix.MOUNT_ATTR_NOSUID, attrClear: unix.MOUNT_ATTR_RDONLY, recSet: unix.MOUNT_ATTR_RDONLY, recClear: unix.MOUNT_ATTR_NOSUID}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v", o)
	}
}

func TestJoinedDataIsSplitAtCommasButNotInQuotesNorAfterABackslash(t *testing.T) {
	for text, want := range map[string][]datum{
		"size=1m":                         {{0, "size", "1m", false, false}},
		"newinstance":                     {{0, "newinstance", "", true, false}},
		"size=":                           {{0, "size", "", false, false}},
		"mode=755,size=64k,noswap":        {{0, "mode", "755", false, false}, {0, "size", "64k", false, false}, {0, "noswap", "", true, false}},
		",a,,b,":                          {{0, "a", "", true, false}, {0, "b", "", true, false}},
		`context="u:r:t:s0:c1,c2",mode=1`: {{0, "context", "u:r:t:s0:c1,c2", false, false}, {0, "mode", "1", false, false}},
		`lowerdir=/a\,b:/c,upperdir=/u`:   {{0, "lowerdir", "/a,b:/c", false, false}, {0, "upperdir", "/u", false, false}},
		`lowerdir=/a\\\\,mode=1`:          {{0, "lowerdir", `/a\\\\`, false, false}, {0, "mode", "1", false, false}},
		"a=b=c":                           {{0, "a", "b=c", false, false}},
		"":                                nil,
	} {
		if got := appendData(nil, 0, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
	o := parseOptions([]string{"ro", "a,b", "nosuid", "c=1"})
	want := []datum{{1, "a", "", true, false}, {1, "b", "", true, false}, {3, "c", "1", false, false}}
	if !reflect.DeepEqual(o.data, want) {
		t.Errorf("indices: %+v", o.data)
	}
}

// FuzzParseOptions: no option can make the parser panic, ask for attributes
// that contradict each other, or lose the index of the option it comes from.
func FuzzParseOptions(f *testing.F) {
	for _, seed := range []string{"ro\nrw", "noatime\nstrictatime\nratime", "a=\"x,y\",b\nrbind", `lowerdir=/a\,b`, "idmap", ",,\n\"", "rshared\nremount"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := strings.Split(text, "\n")
		o := parseOptions(list)
		if o.mapping >= 0 && !isIDMap(list[o.mapping]) || o.words&ridmap != 0 && o.words&idmap == 0 {
			t.Fatalf("id mapping: %+v of %q", o, list)
		}
		if o.attrSet&o.attrClear&^anyAtime != 0 || o.recSet&o.recClear&^anyAtime != 0 {
			t.Fatalf("set and cleared at once: %+v", o)
		}
		if s, c := o.attrSet&anyAtime, o.attrClear&anyAtime; s != 0 && c != anyAtime || s == anyAtime || s == noatime|strictatime {
			t.Fatalf("atime set %#x, cleared %#x", s, c)
		}
		at := 0
		for _, d := range o.data {
			if d.index < at || d.index >= len(list) {
				t.Fatalf("index %d of %q", d.index, list)
			}
			at = d.index
			if row := lookup(list[at]); row == nil && !strings.Contains(list[at], d.key) || d.isFlag && d.value != "" {
				t.Fatalf("%+v does not come from %q", d, list[at])
			}
		}
		if o.propagationRec && o.propagation == 0 || o.recursive && !o.bind {
			t.Fatalf("%+v", o)
		}
	})
}
