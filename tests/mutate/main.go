// SPDX-License-Identifier: Apache-2.0

// Command mutate shows that the tests would notice if corten ignored
// something. It disables each function that appends steps to a plan, and hides
// each field of config.json, in turn; at least one test must fail every time.
// It prints the survivors and exits with 1 if there are any.
//
//	mutate [-functions=false] [-fields=false] [-only REGEXP]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"corten/tests/spec"
)

// suites are the packages whose tests run real containers.
var suites = []string{"tests/e2e", "tests/cve"}

func main() {
	if len(os.Args) > 3 && os.Args[1] == "strip" {
		fatal(strip(os.Args[2], os.Args[3:]))
	}
	functions := flag.Bool("functions", true, "disable each function that appends steps")
	fields := flag.Bool("fields", true, "hide each field of config.json")
	only := flag.String("only", "", "only the functions and fields that match")
	flag.Parse()
	want, err := regexp.Compile(*only)
	fatal(err)
	dir, err := os.MkdirTemp("", "corten-mutate-")
	fatal(err)
	defer os.RemoveAll(dir)
	m := &mutation{dir: dir, want: want, tests: map[string][]string{}}
	fatal(m.buildTests())
	m.marks, err = spec.Marks(".", "tests", "spec")
	fatal(err)
	if *functions {
		fatal(m.functions())
	}
	if *fields {
		fatal(m.fields())
	}
	fmt.Printf("%d of %d survived\n", len(m.survivors), m.tried)
	for _, s := range m.survivors {
		fmt.Println(s)
	}
	if len(m.survivors) > 0 {
		os.Exit(1)
	}
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
}

type mutation struct {
	dir       string // of what is built
	want      *regexp.Regexp
	marks     map[string][]spec.Test // tests by the field they show
	tests     map[string][]string    // names by suite
	tried     int
	survivors []string
}

func (m *mutation) path(suite string) string {
	return filepath.Join(m.dir, filepath.Base(suite)+".test")
}

func (m *mutation) buildTests() error {
	for _, suite := range suites {
		if err := run("go", "test", "-tags", "urfave_cli_no_docs", "-c", "-o", m.path(suite), "./"+suite); err != nil {
			return err
		}
		list, err := exec.Command(m.path(suite), "-test.list", ".").Output()
		if err != nil {
			return err
		}
		m.tests[suite] = slices.DeleteFunc(strings.Fields(string(list)), func(name string) bool { return !strings.HasPrefix(name, "Test") })
	}
	return nil
}

// verdict counts a mutant: noticed names a test that failed, or is "".
func (m *mutation) verdict(name, noticed string) {
	m.tried++
	if noticed == "" {
		m.survivors = append(m.survivors, name)
		noticed = "SURVIVED"
	}
	fmt.Printf("%-60s %s\n", name, noticed)
}

// failing runs a suite's tests that match with corten as the runtime and
// returns those that failed, until the first with -failfast.
func (m *mutation) failing(suite, corten, tests string, flags ...string) []string {
	cmd := exec.Command(m.path(suite), append([]string{"-test.run", tests, "-test.timeout", "10m"}, flags...)...)
	cmd.Dir = suite
	cmd.Env = append(os.Environ(), "CORTEN="+corten)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	var failed []string
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			failed = append(failed, strings.Fields(name)[0])
		}
	}
	if failed == nil {
		failed = []string{filepath.Base(suite) + " as a whole"}
	}
	return failed
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return err
}
