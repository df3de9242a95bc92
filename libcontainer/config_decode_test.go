// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// samples are whole documents: the default ones, and what three engines wrote,
// with the hook's path absolute as it was.
func samples(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	for name, rootless := range map[string]bool{"spec": false, "rootless": true} {
		b, err := SpecJSON(rootless)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	for _, engine := range []string{"docker", "podman", "containerd"} {
		b, err := os.ReadFile("../tests/data/" + engine + "/config.json")
		if err != nil {
			t.Fatal(err)
		}
		all[engine] = bytes.ReplaceAll(b, []byte(`"path":"hooks/`), []byte(`"path":"/hooks/`))
	}
	return all
}

// decodeOnly is DecodeSpec without its checks of values.
func decodeOnly(b []byte) (*specs.Spec, error) {
	config := &Config{Raw: b}
	c := newCursor(b)
	err := c.document(func() { c.spec(config) })
	return config.Spec, err
}

func TestDecodeSpecAgreesWithEncodingJSON(t *testing.T) {
	for name, document := range samples(t) {
		c, err := DecodeSpec(document)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := new(specs.Spec)
		if err := json.Unmarshal(document, want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.Spec, want) {
			t.Errorf("%s: %+v\nwant %+v", name, c.Spec, want)
		}
		if !bytes.Equal(c.Raw, document) || (c.SeccompRaw == nil) != (want.Linux.Seccomp == nil) {
			t.Errorf("%s: raw text", name)
		}
	}
}

// fill gives every field of v a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "Windows", "Solaris", "VM", "ZOS", "FreeBSD":
			default:
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e)
		v.SetMapIndex(reflect.ValueOf("key/~"), e)
	case reflect.String:
		v.SetString("text \" \u00e9 \U0001f600")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(-7)
	default:
		v.SetUint(9)
	}
}

func TestEveryFieldIsDecoded(t *testing.T) {
	want := new(specs.Spec)
	fill(reflect.ValueOf(want).Elem())
	document, err := json.MarshalIndent(want, " ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeOnly(document)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.MarshalIndent(got, " ", "\t")
		t.Errorf("%s\nwant %s", g, document)
	}
}

func TestUnknownMembersAreIgnoredInEveryObject(t *testing.T) {
	want := new(specs.Spec)
	fill(reflect.ValueOf(want).Elem())
	document, _ := json.Marshal(want)
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	document, _ = json.Marshal(addUnknown(v, reflect.TypeOf(want)))
	if got, err := decodeOnly(document); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v", document, err)
	}
}

// addUnknown gives every object of v, a value of type t, a member more.
func addUnknown(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = addUnknown(v[i], t.Elem())
		}
	case map[string]any:
		for name, value := range v {
			if t.Kind() == reflect.Map {
				v[name] = addUnknown(value, t.Elem())
			} else if m, found := members(t)[name]; found {
				v[name] = addUnknown(value, m)
			}
		}
		if t.Kind() == reflect.Struct {
			v["com.example"] = []any{nil, true, 1.5, map[string]any{"path": ""}}
		}
	}
	return v
}

func TestEscapes(t *testing.T) {
	got, err := decodeOnly([]byte(with("hostname", `"\"\\\/\b\f\n\r\t\u00E9\u20ac\ud83D\uDE00é"`)))
	if want := "\"\\/\b\f\n\r\té€😀é"; err != nil || got.Hostname != want {
		t.Errorf("%q, want %q, %v", got.Hostname, want, err)
	}
}

func TestEmptyIsNotAbsent(t *testing.T) {
	got, err := decodeOnly([]byte(with("mounts", "[]", "annotations", "{}", "linux/seccomp", `{"defaultAction":"","flags":[]}`)))
	if err != nil || got.Mounts == nil || got.Annotations == nil || got.Linux.Seccomp.Flags == nil || got.Linux.Seccomp.Syscalls != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSpecHasNoInheritableCapabilities(t *testing.T) {
	for _, rootless := range []bool{false, true} {
		if c := Spec(rootless).Process.Capabilities; c.Inheritable != nil || c.Ambient != nil {
			t.Error(c)
		}
	}
}

func TestSpecRootlessAsksForNothingAUserCannotHave(t *testing.T) {
	s := Spec(true)
	if namespaceOf(s.Linux, specs.NetworkNamespace) != nil || namespaceOf(s.Linux, specs.UserNamespace) == nil {
		t.Error(s.Linux.Namespaces)
	}
	for _, m := range s.Mounts {
		if m.Type == "sysfs" || strings.Contains(strings.Join(m.Options, ","), "gid=") {
			t.Error(m)
		}
	}
	if m := s.Linux.UIDMappings[0]; s.Linux.Resources != nil || m.HostID != uint32(os.Geteuid()) || m.Size != 1 {
		t.Error(m)
	}
}

// members are the names and types of a struct's fields in JSON.
func members(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for name, t := range members(f.Type) {
				all[name] = t
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[name] = f.Type
	}
	return all
}

// known takes out of v, a value of type t, what only encoding/json would take
// for a member of t: it ignores the case of names.
func known(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			if t.Kind() == reflect.Slice {
				v[i] = known(v[i], t.Elem())
			}
		}
	case map[string]any:
		for name, value := range v {
			if t.Kind() == reflect.Map {
				v[name] = known(value, t.Elem())
			} else if t.Kind() == reflect.Struct {
				if m, found := members(t)[name]; found {
					v[name] = known(value, m)
				} else {
					delete(v, name)
				}
			}
		}
	}
	return v
}

// unmarshal is encoding/json's opinion of a document decodeOnly has accepted.
func unmarshal(document []byte) (*specs.Spec, error) {
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	for _, other := range []string{"windows", "solaris", "vm", "zos", "freebsd"} {
		delete(v, other)
	}
	b, err := json.Marshal(known(v, reflect.TypeFor[specs.Spec]()))
	if err != nil {
		return nil, err
	}
	s := new(specs.Spec)
	return s, json.Unmarshal(b, s)
}

func FuzzDecodeSpec(f *testing.F) {
	for _, document := range samples(f) {
		f.Add(document)
	}
	for _, r := range refused {
		if len(r.document) < 1<<12 {
			f.Add([]byte(r.document))
		}
	}
	all := new(specs.Spec)
	fill(reflect.ValueOf(all).Elem())
	document, _ := json.Marshal(all)
	f.Add(document)
	f.Fuzz(func(t *testing.T, document []byte) {
		var e *plan.Error
		if c, err := DecodeSpec(document); (err == nil) != (c != nil) || err != nil && !errors.As(err, &e) {
			t.Fatalf("%v, %v", c, err)
		}
		if p, err := decodeProcess(document); (err == nil) != (p != nil) || err != nil && !errors.As(err, &e) {
			t.Fatalf("%v, %v", p, err)
		}
		got, err := decodeOnly(document)
		if err != nil {
			if !errors.As(err, &e) || strings.Contains(err.Error(), "\n") && !bytes.Contains(document, []byte(`\`)) {
				t.Fatal(err)
			}
			return
		}
		want, err := unmarshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if got.VM = nil; !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nwant %+v", got, want)
		}
	})
}

func BenchmarkDecodeSpec(b *testing.B) {
	all := samples(b)
	for _, name := range sortedKeys(all) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(all[name])))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeSpec(all[name]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
