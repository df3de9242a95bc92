// SPDX-License-Identifier: Apache-2.0

// Command bench compares how long runtimes take, round-robin in one run, on
// one bundle and in the pure cgroup v2 view, with a C program that makes only
// the unavoidable calls. Run it as root:
//
//	go run ./tests/bench [-n ROUNDS] [--runtime NAME=PATH]... [--svg FILE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// contender is one column: how its program is called for a task.
type contender struct {
	name, path string
	root       string // the runtime's --root
	pid        int    // of its container that exec goes into
}

// task is one row group. Its command words are made per contender and round.
type task struct {
	name    string
	floor   bool // the floor program has it too
	before  func(*bench, *contender) error
	words   func(*bench, *contender, int) [][]string
	abreast int // how many of the words' commands run at a time; 0: one
	share   int // of the rounds, one in so many is enough
	after   func(*bench, *contender)
}

func main() {
	rounds := flag.Int("n", 100, "`rounds` of every task")
	corten := flag.String("corten", "./corten", "`path` of corten")
	svg := flag.String("svg", "", "also plot the medians to `FILE`")
	only := flag.String("only", "", "the rows whose names this `regexp` matches")
	trace := flag.String("trace", "", "draw the `FILE` of corten's --trace to -svg, and measure nothing")
	var extra []string
	flag.Func("runtime", "another `NAME=PATH` to compare, or another path for runc or crun; may be repeated", func(v string) error {
		if !strings.Contains(v, "=") {
			return errors.New("not NAME=PATH")
		}
		extra = append(extra, v)
		return nil
	})
	flag.Parse()
	if *trace != "" {
		if err := timeline(*trace, *svg); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	debug.SetGCPercent(-1)
	runtime.UnlockOSThread() // the tests' bundle package locks it
	part := os.Getenv(insideEnv)
	if part == "" {
		os.Exit(enter())
	}
	if err := run(part, *rounds, *corten, *svg, *only, extra); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(part string, rounds int, corten, svg, only string, extra []string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.remove()
	all := b.contenders(corten, extra)
	if len(all) < 2 {
		return errors.New("no runtime to compare the floor with")
	}
	if part == "sizes" {
		b.compareSizes(all, wanted)
		return nil
	}
	var rows []*row
	for _, t := range tasks() {
		if !wanted.MatchString(t.name) {
			continue
		}
		i := slices.IndexFunc(rows, func(r *row) bool { return r.name == t.name })
		if i < 0 {
			i, rows = len(rows), append(rows, &row{name: t.name, times: map[string][]time.Duration{}})
		}
		b.compare(t, all, rounds, rows[i])
	}
	var results []result
	for _, r := range rows {
		r.print()
		for _, c := range r.in {
			results = append(results, result{r.name, c.name, median(r.times[c.name])})
		}
	}
	if svg != "" {
		if err := plot(svg, results); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(all, func(c *contender) bool { return c.name == "corten" }); i >= 0 && wanted.MatchString("phases") {
		return b.phases(all[i], rounds)
	}
	return nil
}

// row is what was measured of a task, or of several of one name.
type row struct {
	name  string
	in    []*contender // who could do it
	times map[string][]time.Duration
}

// compare measures one task of all that can do it.
func (b *bench) compare(t task, all []*contender, rounds int, r *row) {
	var in []*contender
	for _, c := range all {
		if c.name == "floor" && !t.floor {
			continue
		}
		if t.before != nil {
			if err := t.before(b, c); err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s of %s: %v\n", t.name, c.name, err)
				continue
			}
		}
		in = append(in, c)
	}
	// Two rounds to warm up, and to see who can do it.
	for round := range 2 {
		in = slices.DeleteFunc(in, func(c *contender) bool {
			_, err := b.measure(t.abreast, t.words(b, c, round))
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s of %s: %v\n", t.name, c.name, err)
				discard(c, round)
			}
			return err != nil
		})
	}
	var batches [][][]string
	var whose []*contender
	for round := range max(5, rounds/max(1, t.share)) {
		for _, i := range order(len(in), round) {
			batches, whose = append(batches, t.words(b, in[i], 2+round)), append(whose, in[i])
		}
	}
	took, err := b.measure(t.abreast, batches...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", t.name, err)
		in = nil
	}
	for i, d := range took {
		r.times[whose[i].name] = append(r.times[whose[i].name], d)
	}
	for _, c := range all {
		if t.after != nil {
			t.after(b, c)
		}
	}
	r.in = in
}

// order is who runs when in a round, of n. The kernel takes apart what one leaves
// while the next runs; so in 2n rounds each comes as often after each of the others
// (E. J. Williams, Australian Journal of Scientific Research A 2, 1949).
func order(n, round int) []int {
	list := make([]int, n)
	for i := range list {
		step := (i + 1) / 2
		if i%2 == 0 {
			step = n - step
		}
		list[i] = (step + round) % n
	}
	if n%2 == 1 && round/n%2 == 1 {
		slices.Reverse(list)
	}
	return list
}

// measure runs batches of commands, of each batch so many commands at a time; the
// times are those of the batches. The floor program starts and waits for them:
// what Go's runtime does meanwhile, and between two batches, would be in the
// times of programs that use two processors.
func (b *bench) measure(abreast int, batches ...[][]string) (times []time.Duration, err error) {
	file := filepath.Join(b.dir, "batches")
	var text strings.Builder
	for _, batch := range batches {
		for _, words := range batch {
			text.WriteString(strings.Join(words, "\t") + "\n")
		}
		text.WriteString("\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(b.floor, "time", strconv.Itoa(max(1, abreast)), file, file+".times")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = b.output, b.output, b.errors
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b.lastError())
	}
	result, err := os.ReadFile(file + ".times")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(result)) {
		ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return nil, err
		}
		times = append(times, time.Duration(ns))
	}
	return times, nil
}

func (b *bench) command(words []string) error {
	cmd := exec.Command(words[0], words[1:]...)
	// No /dev/null: a runtime may give it to the user of the container.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = b.output, b.output, b.errors
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, b.lastError())
	}
	return nil
}

// print writes the row's table: milliseconds, and how many times the floor's and
// the first runtime's median.
func (r *row) print() {
	fmt.Printf("%s\n  %-12s %9s %9s %9s %9s\n", r.name, "ms", "median", "min", "x floor", "x "+first(r.in))
	reference := map[string]float64{}
	for _, c := range r.in {
		reference[c.name] = median(r.times[c.name])
	}
	for _, c := range r.in {
		m := median(r.times[c.name])
		fmt.Printf("  %-12s %9.2f %9.2f %9s %9s\n", c.name, m, least(r.times[c.name]),
			ratio(m, reference["floor"]), ratio(m, reference[first(r.in)]))
	}
}

// first is the name of the first runtime; the floor is none.
func first(in []*contender) string {
	for _, c := range in {
		if c.name != "floor" {
			return c.name
		}
	}
	return ""
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func median(times []time.Duration) float64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return milliseconds(sorted[len(sorted)/2])
}

func least(times []time.Duration) float64 { return milliseconds(slices.Min(times)) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// insideEnv is, in the program in its own mount namespace, the part it measures.
const insideEnv = "CORTEN_BENCH_PART"

// enter runs this program again where /sys/fs/cgroup is cgroup v2 alone; and
// once more for the sizes, where a controller for memory is.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: must be root")
		return 1
	}
	const hybrid = `mountpoint -q /sys/fs/cgroup/unified || exec "$@"; `
	for _, p := range []struct{ part, view string }{
		{"times", hybrid + `umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"`},
		{"sizes", hybrid + `umount /sys/fs/cgroup/unified && exec "$@"`},
	} {
		if status := again(p.part, p.view); status != 0 {
			return status
		}
	}
	return 0
}

func again(part, view string) int {
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", view, "sh", "/proc/self/exe"}, os.Args[1:]...)...)
	if self, err := os.Executable(); err == nil {
		cmd.Args[6] = self
	}
	cmd.Env = append(os.Environ(), insideEnv+"="+part)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}
