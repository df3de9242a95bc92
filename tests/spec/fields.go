// SPDX-License-Identifier: Apache-2.0

// Package spec keeps docs/spec.md true: a row for every field of the
// runtime-spec, and in every row the tests that show it.
package spec

import (
	"reflect"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Fields lists the fields of config.json that hold a value, in the order of
// specs-go: `process.rlimits[].soft`, `linux.netDevices{}.name`. Elements of
// an array are [], values of an object {}. Those of other platforms, as
// specs-go's own tags say, are left out.
func Fields() []string {
	return fields(nil, "", reflect.TypeFor[specs.Spec]())
}

func fields(list []string, path string, t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return fields(list, path, t.Elem())
	case reflect.Slice:
		if hasMembers(t.Elem()) {
			return fields(list, path+"[]", t.Elem())
		}
	case reflect.Map:
		return mapFields(list, path, t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			list = member(list, path, t.Field(i))
		}
		return list
	}
	return append(list, path)
}

// mapFields is an object's: a row for its members, or one for itself where
// they hold plain values. An object whose members have no members of their
// own is asked for by its keys alone.
func mapFields(list []string, path string, elem reflect.Type) []string {
	if hasMembers(elem) {
		return fields(list, path+"{}", elem)
	}
	return append(list, path)
}

func member(list []string, path string, f reflect.StructField) []string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Anonymous && name == "" {
		return fields(list, path, f.Type)
	}
	if platforms := f.Tag.Get("platform"); platforms != "" && !strings.Contains(platforms, "linux") {
		return list
	}
	if path != "" {
		path += "."
	}
	return fields(list, path+name, f.Type)
}

func hasMembers(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t.NumField() > 0
}
