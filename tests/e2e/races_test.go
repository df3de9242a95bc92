// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// contenders are the commands that meet on one id. $ID and $DIR are the
// container's and its bundle's.
var contenders = []string{"create --bundle $DIR $ID", "start $ID", "exec $ID true", "kill $ID KILL", "pause $ID", "resume $ID",
	"update --pids-limit 50 $ID", "delete $ID", "delete --force $ID", "state $ID", "list -q"}

// lives are the ways to the states they meet in.
var lives = []string{"", "create --bundle $DIR $ID", "create --bundle $DIR $ID; start $ID", "create --bundle $DIR $ID; start $ID; pause $ID",
	"create --bundle $DIR $ID; start $ID; kill $ID KILL"}

// meeting is what one sees of two commands: whether each has exited with 0, and
// the state after them, "" when there is no container.
type meeting struct {
	first, second bool
	state         string
}

// Two commands at once on one id do what they do in one order or in the other:
// each pair, in each state of a container, which also says what the orders do.
// CORTEN_PAIRS is how often each pair meets; without it, some of the pairs do, once.
func TestTwoCommandsAtOnceDoWhatTheyDoInOneOrder(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("CORTEN_PAIRS"))
	stride := 1
	if err != nil {
		rounds, stride = 1, 13
	}
	random := rand.New(rand.NewPCG(1, 2))
	n := 0
	for _, life := range lives {
		for i, a := range contenders {
			for _, b := range contenders[i:] {
				// What exec has started stays frozen until somebody resumes it.
				if n++; n%stride != 0 || strings.HasPrefix(a, "exec") && strings.HasPrefix(b, "pause") {
					continue
				}
				t.Run(strings.Join([]string{last(life), verb(a), verb(b)}, ","), func(t *testing.T) {
					allowed := inOrders(t, life, a, b)
					for range rounds {
						delay := time.Duration(random.IntN(8000)) * time.Microsecond
						if got := atOnce(t, life, a, b, delay, allowed); !slices.Contains(allowed, got) {
							t.Fatalf("%s after %v: %+v, in order it is one of %+v", b, delay, got, allowed)
						}
					}
				})
			}
		}
	}
}

func last(life string) string {
	return verb(strings.TrimPrefix(life[strings.LastIndex(life, ";")+1:], " "))
}

func verb(command string) string {
	words := strings.Fields(strings.ReplaceAll(command, "--force", "-f"))
	if len(words) > 1 && words[1] == "-f" {
		return words[0] + " -f"
	}
	return strings.Join(words[:min(1, len(words))], "")
}

// live makes a container in the state that a life leads to.
func live(t *testing.T, life string) *bundle.Bundle {
	t.Helper()
	b := bundle.New(t, bundle.Probe("pause"))
	for command := range strings.SplitSeq(life, ";") {
		if command != "" {
			if out, ok := on(b, command); !ok {
				t.Fatalf("%s: %s", command, out)
			}
		}
	}
	if strings.HasSuffix(life, "KILL") {
		b.WaitStatus("stopped")
	}
	return b
}

// on runs a command of a container.
func on(b *bundle.Bundle, words string) (output string, ok bool) {
	output, status := command(b, strings.Fields(strings.NewReplacer("$ID", b.ID, "$DIR", b.Dir).Replace(words))...)
	return output, status == 0
}

func inOrders(t *testing.T, life, a, b string) (all []meeting) {
	t.Helper()
	for _, reversed := range []bool{false, true} {
		box := live(t, life)
		var o meeting
		if reversed {
			_, o.second = on(box, b)
			settle(box, b, o.second)
			_, o.first = on(box, a)
			settle(box, a, o.first)
		} else {
			_, o.first = on(box, a)
			settle(box, a, o.first)
			_, o.second = on(box, b)
			settle(box, b, o.second)
		}
		o.state = stateOf(box)
		all = append(all, o)
	}
	if strings.HasPrefix(a, "create") && strings.HasPrefix(b, "delete --force") {
		all = append(all, meeting{false, true, ""}) // it ends a create in the making
	}
	if a == b && strings.HasPrefix(a, "kill") && slices.ContainsFunc(all, func(o meeting) bool { return o.first || o.second }) {
		all = append(all, meeting{true, true, "stopped"}) // the second comes before the first one's effect
	}
	return all
}

// settle waits until a kill has had its effect.
func settle(b *bundle.Bundle, command string, done bool) {
	if done && strings.HasPrefix(command, "kill") {
		b.WaitStatus("stopped")
	}
}

func stateOf(b *bundle.Bundle) string {
	if _, ok := on(b, "state $ID"); !ok {
		return ""
	}
	return b.State().Status
}

// atOnce runs b a while after a began. The state is asked for until it is one
// that is allowed: a kill takes its time.
func atOnce(t *testing.T, life, a, b string, delay time.Duration, allowed []meeting) (o meeting) {
	t.Helper()
	box := live(t, life)
	ended := make(chan bool)
	go func() {
		_, ok := on(box, a)
		ended <- ok
	}()
	time.Sleep(delay)
	_, o.second = on(box, b)
	o.first = <-ended
	for patience := bundle.Patience(bundle.Slow(5 * time.Second)); ; {
		o.state = stateOf(box)
		if slices.Contains(allowed, o) || !patience.Rest(10*time.Millisecond) {
			return o
		}
	}
}

// together runs n functions at once and waits for them.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func TestOfManyCreatesOfOneIDOneIsDone(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	outputs, statuses := make([]string, 64), make([]int, 64)
	together(64, func(i int) { outputs[i], statuses[i] = command(b, "create", "--bundle", b.Dir, b.ID) })
	done := 0
	for i, status := range statuses {
		if status == 0 {
			done++
		} else if !strings.Contains(outputs[i], "container with given ID already exists") {
			t.Errorf("exit status %d: %s", status, outputs[i])
		}
	}
	if done != 1 {
		t.Errorf("%d creates were done", done)
	}
	b.Start()
	b.Exec("ID", "true").OK(b)
}

// CORTEN_PARALLEL is how many run at once, 100 without it.
func TestManyContainersStartRunAndEndAtOnce(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("CORTEN_PARALLEL"))
	if err != nil {
		n = 100
	}
	b := bundle.New(t, bundle.Probe("pause"))
	ids := make([]string, n)
	for i := range ids {
		ids[i] = b.AnotherID()
	}
	all := func(words ...string) {
		together(n, func(i int) {
			own := strings.Fields(strings.ReplaceAll(strings.Join(words, " "), "$ID", ids[i]))
			if out, status := command(b, own...); status != 0 {
				t.Errorf("%v: exit status %d: %s", own, status, out)
			}
		})
	}
	all("run", "--detach", "--bundle", b.Dir, "$ID")
	listed := strings.Fields(b.Corten("list", "-q").OK(b).Stdout)
	slices.Sort(listed)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(listed, want) {
		t.Errorf("%d containers in the list, not %d", len(listed), n)
	}
	all("exec", "$ID", "true")
	all("kill", "$ID", "KILL")
	all("delete", "--force", "$ID")
	if listed := b.Corten("list", "-q").OK(b).Stdout; listed != "" {
		t.Errorf("in the list after all is deleted: %q", listed)
	}
}

// The first process is killed while start opens its gate.
func TestAStartBesideTheEndOfTheFirstProcess(t *testing.T) {
	done := map[bool]int{}
	for i := range 60 {
		b := bundle.New(t, bundle.Probe("pause"))
		b.Create()
		pid := b.State().PID
		var out string
		var ok bool
		together(2, func(which int) {
			if which == 0 {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				unix.Kill(pid, unix.SIGKILL)
			} else {
				out, ok = on(b, "start $ID")
			}
		})
		if done[ok]++; !ok && !strings.Contains(out, "cannot start a container that has stopped") &&
			!strings.Contains(out, "the container was ended before its program ran") {
			t.Errorf("start: %s", out)
		}
		b.WaitStatus("stopped")
		b.Corten("delete", b.ID).OK(b)
		b.CheckLeaks()
	}
	t.Logf("starts done: %d, refused: %d", done[true], done[false])
}

// Another process has got the pid of a first process that has ended: it is not
// the container's.
func TestAPIDUsedAgainIsNotTheContainers(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	if _, err := os.Stat(last); err != nil {
		t.Skip("the kernel has no " + last + " (CONFIG_CHECKPOINT_RESTORE)")
	}
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	pid := b.State().PID
	b.Corten("kill", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	var other *exec.Cmd
	if !bundle.Eventually(func() bool {
		if err := os.WriteFile(last, []byte(strconv.Itoa(pid-1)), 0); err != nil {
			t.Fatal(err)
		}
		other = exec.Command("sleep", "1000")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if other.Process.Pid == pid {
			return true
		}
		other.Process.Kill()
		_ = other.Wait()
		return false
	}) {
		t.Fatalf("no process got the pid %d", pid)
	}
	defer other.Wait()
	defer other.Process.Kill()
	if s := b.State(); s.Status != "stopped" || s.PID != 0 {
		t.Errorf("state: %s, pid %d", s.Status, s.PID)
	}
	for _, command := range []string{"kill $ID KILL", "exec $ID true", "pause $ID", "start $ID", "ps $ID", "kill --all $ID KILL", "delete --force $ID"} {
		on(b, command)
		if err := other.Process.Signal(unix.Signal(0)); err != nil {
			t.Fatalf("after %s: %v", command, err)
		}
		if state := strings.Fields(b.Text(fmt.Sprintf("/proc/%d/stat", pid)))[2]; state != "S" {
			t.Errorf("after %s the other is in state %s", command, state)
		}
	}
}

// The root is on a disk, and the host has been booted again: another process has
// the pid, and even the start time, of the container's.
func TestAContainerOfAnotherBootIsStopped(t *testing.T) {
	bundle.NeedCorten(t) // what the state is written in
	b := bundle.New(t, bundle.Args("true"))
	b.Detach()
	b.WaitStatus("stopped")
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	stat := b.Text(fmt.Sprintf("/proc/%d/stat", other.Process.Pid))
	file := b.Root + "/" + b.ID + "/state.json"
	now := strings.TrimSpace(b.Text("/proc/sys/kernel/random/boot_id"))
	text := b.Text(file)
	for field, value := range map[string]string{
		"pid":       strconv.Itoa(other.Process.Pid),
		"startTime": strings.Fields(stat[strings.LastIndex(stat, ")"):])[20],
	} {
		text = regexp.MustCompile(`("`+field+`":\s*)\d+`).ReplaceAllString(text, "${1}"+value)
	}
	for _, c := range []struct{ boot, status string }{{now, "running"}, {"6f5c0f6e-0000-4000-8000-000000000000", "stopped"}} {
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, now, c.boot)), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := b.State(); s.Status != c.status {
			t.Errorf("of boot %s the container is %s, not %s", c.boot, s.Status, c.status)
		}
	}
	refused(t, b.Corten("kill", b.ID, "KILL"), "container not running")
	b.Corten("delete", b.ID).OK(b)
	if err := other.Process.Signal(unix.Signal(0)); err != nil {
		t.Error(err)
	}
}

// CORTEN_ROUNDS, 100 without it, makes it longer or shorter: 3000 take ten minutes.
func TestNothingIsLeftFrozenByExecPauseAndKillAtOnce(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("CORTEN_ROUNDS"))
	if err != nil {
		rounds = 100
	}
	const each = 5
	inAllViews(t, func(t *testing.T, view bundle.View) {
		for i := range max(rounds/each/len(bundle.Views()), 1) {
			b := bundle.New(t, bundle.Shell("while :; do sleep 0.01; done"))
			b.View = view
			b.Detach()
			quarrel(t, b, each, i)
			b.WaitStatus("stopped")
			b.Corten("delete", b.ID).OK(b)
			b.CheckLeaks()
			if t.Failed() {
				t.Fatalf("in round %d", i*each)
			}
		}
	})
}

// quarrel runs n times exec and n times pause and resume beside each other,
// then a kill into the middle of both.
func quarrel(t *testing.T, b *bundle.Bundle, n, seed int) {
	done := make(chan bool, 2)
	end := make(chan struct{})
	again := func(i int) bool {
		select {
		case <-end:
			return i%4 != 0 // a few after the kill
		default:
			return true
		}
	}
	go func() {
		for i := 0; again(i); i++ {
			out, status := command(b, "exec", b.ID, "true")
			if status != 0 && status != 137 && status != 255 {
				t.Errorf("exec: status %d: %s", status, out)
			}
		}
		done <- true
	}()
	go func() {
		for i := 0; again(i); i++ {
			out, status := command(b, "pause", b.ID)
			if status != 0 && !strings.Contains(out, "container not running") {
				t.Errorf("pause: status %d: %s\n%s", status, out, strings.Join(bundle.Processes(), "\n"))
			}
			out, status = command(b, "resume", b.ID)
			if status != 0 && !strings.Contains(out, "container not paused") {
				t.Errorf("resume: status %d: %s", status, out)
			}
			if i == n {
				go func() {
					time.Sleep(time.Duration(seed%17) * time.Millisecond)
					if out, status := command(b, "kill", b.ID, "KILL"); status != 0 {
						t.Errorf("kill: status %d: %s", status, out)
					}
					close(end)
					done <- true
				}()
			}
		}
		done <- true
	}()
	for range 3 {
		<-done
	}
}
