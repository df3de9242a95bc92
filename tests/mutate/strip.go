// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// strip takes a field out of the document that a command of corten is about to
// read, and becomes that command: words are corten's path and arguments.
func strip(field string, words []string) error {
	if path, prefix := document(words[1:]); path != "" && strings.HasPrefix(field, prefix) {
		if err := stripFile(path, strings.TrimPrefix(field, prefix)); err != nil {
			return err
		}
	}
	return syscall.Exec(words[0], words, os.Environ())
}

// document is the file that the command reads, and what it leaves out of its
// fields' paths.
func document(args []string) (path, prefix string) {
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "run"), slices.Contains(args, "plan"):
		return filepath.Join(option(args, ".", "--bundle", "-b"), "config.json"), ""
	case slices.Contains(args, "exec"):
		return option(args, "", "--process", "-p"), "process."
	}
	return "", ""
}

func option(args []string, absent string, names ...string) string {
	for i, a := range args {
		name, value, joined := strings.Cut(a, "=")
		if !slices.Contains(names, name) {
			continue
		}
		if joined {
			return value
		}
		if i+1 < len(args) {
			return args[i+1]
		}
	}
	return absent
}

// stripFile leaves alone what is no document: tests of that are not about a field.
func stripFile(path, field string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&tree) != nil || !remove(tree, strings.Split(field, ".")) {
		return nil
	}
	if text, err = json.Marshal(tree); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// remove deletes the member at the path from every object it leads to.
func remove(tree any, path []string) (changed bool) {
	object, ok := tree.(map[string]any)
	if !ok {
		return false
	}
	name := strings.TrimRight(path[0], "[]{}")
	member, ok := object[name]
	if !ok {
		return false
	}
	if len(path) == 1 {
		delete(object, name)
		return true
	}
	for _, next := range each(member, path[0]) {
		changed = remove(next, path[1:]) || changed
	}
	return changed
}

// each lists what the path goes on through: an array's elements for name[],
// an object's values for name{}, else the member itself.
func each(member any, name string) (list []any) {
	switch m := member.(type) {
	case []any:
		return m
	case map[string]any:
		if !strings.HasSuffix(name, "{}") {
			return []any{m}
		}
		for _, v := range m {
			list = append(list, v)
		}
	}
	return list
}
