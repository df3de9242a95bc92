// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// TestAWrongTypeAnywhereIsRefusedWithItsPointer gives every field that specs-go
// knows for Linux values of every type but its own, and numbers beyond its range.
func TestAWrongTypeAnywhereIsRefusedWithItsPointer(t *testing.T) {
	n := 0
	everyValue(reflect.TypeFor[specs.Spec](), nil, func(path []string, wrong []string) {
		for _, value := range wrong {
			document := nested(path, value)
			_, err := DecodeSpec([]byte(document))
			var e *plan.Error
			if !errors.As(err, &e) || e.At.String() != pointer(path) {
				t.Errorf("%s\n\tgives %v", clip(document), err)
			}
			n++
		}
	})
	if n < 1500 {
		t.Errorf("only %d values", n)
	}
}

func pointer(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return "/" + strings.Join(path, "/")
}

// nested is a document with value at path.
func nested(path []string, value string) string {
	for _, name := range slices.Backward(path) {
		if name == "0" {
			value = "[" + value + "]"
		} else {
			value = `{"` + name + `":` + value + `}`
		}
	}
	return value
}

// examples are values of each type of JSON.
var examples = map[string]string{"string": `"x"`, "number": `7`, "boolean": `true`, "array": `[]`, "object": `{}`}

// everyValue calls f for every field below t, and every element and entry of
// those that are arrays and objects, with values that are wrong there.
func everyValue(t reflect.Type, path []string, f func(path []string, wrong []string)) {
	wrong := func(right string, more ...string) {
		for _, name := range slices.Sorted(maps.Keys(examples)) {
			if name != right {
				more = append(more, examples[name])
			}
		}
		f(path, more)
	}
	inner := func(name string) []string { return append(slices.Clone(path), name) }
	switch t.Kind() {
	case reflect.Pointer:
		everyValue(t.Elem(), path, f)
	case reflect.Slice:
		wrong("array")
		everyValue(t.Elem(), inner("0"), f)
	case reflect.Map:
		wrong("object")
		everyValue(t.Elem(), inner("key"), f)
	case reflect.Struct:
		wrong("object")
		for i := range t.NumField() {
			field := t.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			platforms := field.Tag.Get("platform")
			switch {
			case platforms != "" && !strings.Contains(platforms, "linux"):
			case field.Anonymous && name == "":
				for j := range field.Type.NumField() {
					embedded := field.Type.Field(j)
					name, _, _ := strings.Cut(embedded.Tag.Get("json"), ",")
					everyValue(embedded.Type, inner(name), f)
				}
			default:
				everyValue(field.Type, inner(name), f)
			}
		}
	case reflect.String:
		wrong("string", `"\u0000"`, "\"\xff\"", `"\ud800"`)
	case reflect.Bool:
		wrong("boolean", `tru`, `"true"`, `0`)
	case reflect.Int, reflect.Int32:
		wrong("number", `1.5`, `1e3`, `2147483648000`, `-2147483648000`)
	case reflect.Int64:
		wrong("number", `1.5`, `1e3`, `9223372036854775808`, `-9223372036854775809`)
	case reflect.Uint16:
		wrong("number", `1.5`, `-1`, `65536`)
	case reflect.Uint, reflect.Uint32:
		wrong("number", `1.5`, `-1`, `4294967296`)
	case reflect.Uint64:
		wrong("number", `1.5`, `-1`, `18446744073709551616`)
	default:
		panic("a field of type " + t.String())
	}
}
