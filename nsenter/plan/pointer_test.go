// SPDX-License-Identifier: Apache-2.0

package plan

import "testing"

func TestAPointerIsWrittenAndReadAsRFC6901(t *testing.T) {
	for text, p := range map[string]Pointer{
		"":                     {},
		"/mounts/3/options/1":  At("/mounts").Index(3).Field("options").Index(1),
		"/a~1b/m~0n/~01":       Pointer{}.Field("a/b").Field("m~n").Field("~1"),
		"/":                    Pointer{}.Field(""),
		"/linux/sysctl/net.x":  At("/linux/sysctl/net.x"),
		"//x/":                 Pointer{}.Field("").Field("x").Field(""),
		"/é 日本":                Pointer{}.Field("é 日本"),
		"/0/18446744073709551": At("").Index(0).Index(18446744073709551),
	} {
		if got := p.String(); got != text {
			t.Errorf("%q is written %q", text, got)
		}
		if got := At(text).String(); got != text {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func TestAPointerIsOneLine(t *testing.T) {
	if got := (Pointer{}).Field("a\nb\x1b[31m\x7f").String(); got != "/a?b?[31m?" {
		t.Errorf("%q", got)
	}
}

func TestALongerPointerLeavesTheShorterAlone(t *testing.T) {
	p := At("/linux/devices")
	first, second := p.Index(0), p.Index(1)
	_, _ = first.Field("path"), first.Field("type")
	if p.String() != "/linux/devices" || first.String() != "/linux/devices/0" || second.String() != "/linux/devices/1" {
		t.Errorf("%s, %s, %s", p, first, second)
	}
}
