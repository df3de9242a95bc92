// SPDX-License-Identifier: Apache-2.0

// sbom BINARY VERSION ARCH: prints what a binary of corten consists of, as
// CycloneDX 1.5 JSON: Go's modules of it and of the programs it carries, Go
// itself, and libseccomp.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type bom struct {
	Format   string `json:"bomFormat"`
	Spec     string `json:"specVersion"`
	Version  int    `json:"version"`
	Metadata struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: sbom BINARY VERSION ARCH")
	}
	binary, version, arch := args[0], args[1], args[2]
	text, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	b.Metadata.Component = component{Type: "application", Name: "corten", Version: version,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}}
	compiler := "seccomp/compiler_" + arch + ".elf"
	for _, file := range []string{binary, compiler, "cgroups/scope_" + arch + ".elf"} {
		parts, err := modules(file)
		if err != nil {
			return err
		}
		b.Components = append(b.Components, parts...)
	}
	libseccomp, err := libseccompOf(compiler)
	if err != nil {
		return err
	}
	b.Components = append(b.Components, libseccomp)
	slices.SortFunc(b.Components, func(x, y component) int { return strings.Compare(x.Name+x.Version, y.Name+y.Version) })
	b.Components = slices.CompactFunc(b.Components, func(x, y component) bool { return x.Name == y.Name && x.Version == y.Version })
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(b)
}

// modules are those a program was built of, Go's library too.
func modules(file string) (all []component, err error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	goes, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), "-X:") // without the choices of GOEXPERIMENT
	all = append(all, component{Type: "library", Name: "std", Version: goes, PURL: "pkg:golang/std@" + goes})
	for _, m := range info.Deps {
		if m.Replace != nil && !strings.HasPrefix(m.Replace.Path, "./") { // else by parts of itself
			m = m.Replace
		}
		all = append(all, component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version})
	}
	return all, nil
}

// libseccompOf reads the version from the compiler's last line, which its
// Makefile writes.
func libseccompOf(compiler string) (component, error) {
	text, err := os.ReadFile(compiler)
	if err != nil {
		return component{}, err
	}
	line := bytes.Fields(text[bytes.LastIndexByte(bytes.TrimRight(text, "\n"), '\n')+1:])
	if len(line) != 2 {
		return component{}, fmt.Errorf("%s: the last line does not have libseccomp's version", compiler)
	}
	return component{Type: "library", Name: "libseccomp", Version: string(line[0]), PURL: "pkg:generic/libseccomp@" + string(line[0])}, nil
}
