// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/signals"
)

// hookProcess is a hook of the runtime that runs, in a process group of its
// own. It may flood, hang, close its pipes or leave others behind that hold
// them: only its own end and what hookEnds names are waited for. The executor
// does the same for hooks of the container, in hook.c.
type hookProcess struct {
	pid, pidfd int
	in, out    [2]int // pipes; -1: closed
	input      []byte // not written yet
	output     tail
}

// hookEnds is what ends a hook before its time, and with it the start.
type hookEnds struct {
	container int              // pidfd; the container was killed, as by delete --force. -1: it may end
	catcher   *signals.Catcher // a signal that asks to end; nil: the signal does so itself
}

// startHook starts a hook, whose descriptors 1 and 2 are outputs; -1: the pipe.
func startHook(h *specs.Hook, dir string, input []byte, outputs [2]int) (*hookProcess, error) {
	p := &hookProcess{pidfd: -1, in: [2]int{-1, -1}, out: [2]int{-1, -1}, input: input}
	for _, pipe := range [...]*[2]int{&p.in, &p.out} {
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			p.close()
			return nil, os.NewSyscallError("pipe2", err)
		}
	}
	unix.SetNonblock(p.in[1], true)
	unix.SetNonblock(p.out[0], true)
	for i := range outputs {
		if outputs[i] < 0 {
			outputs[i] = p.out[1]
		}
	}
	var err error
	nsenter.AsCaller(func() {
		p.pid, err = syscall.ForkExec(h.Path, hookArgs(h), &syscall.ProcAttr{Dir: dir, Env: h.Env,
			Files: []uintptr{uintptr(p.in[0]), uintptr(outputs[0]), uintptr(outputs[1])},
			// Go keeps its threads: a hook ends with the runtime, not before.
			Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.pidfd}})
	})
	if err != nil {
		p.close()
		return nil, err
	}
	// in[0] stays open here: no write to a hook that does not read raises SIGPIPE.
	shut(&p.out[1])
	return p, nil
}

// finish waits, and on any trouble ends the whole group.
func (p *hookProcess) finish(h *specs.Hook, ends *hookEnds) error {
	defer p.close()
	err := p.watch(time.Duration(hookTimeout(h))*time.Second, ends)
	if err != nil {
		syscall.Kill(-p.pid, syscall.SIGKILL)
		syscall.Kill(p.pid, syscall.SIGKILL)
	}
	var status syscall.WaitStatus
	for {
		if _, waitErr := syscall.Wait4(p.pid, &status, 0, nil); waitErr != syscall.EINTR {
			break
		}
	}
	for range hookPipe / len(chunk) { // what a pipe can still hold
		if !p.drain() {
			break
		}
	}
	switch {
	case err == errHookTimeout:
		return errors.New(hookPast(hookTimeout(h)) + p.output.String())
	case err != nil:
		return err
	case status.Signaled():
		return fmt.Errorf("signal %d%s", status.Signal(), &p.output)
	case status != 0:
		return fmt.Errorf("exit status %d%s", status.ExitStatus(), &p.output)
	}
	return nil
}

var errHookTimeout = errors.New("timeout")

// hookPast is what runc says.
func hookPast(seconds int) string {
	return fmt.Sprintf("hook ran past specified timeout of %d.0s", seconds)
}

// watch returns when the hook's own process has ended, with nil, or has to.
func (p *hookProcess) watch(limit time.Duration, ends *hookEnds) error {
	deadline := time.Now().Add(limit)
	signal := -1
	if ends.catcher != nil {
		signal = ends.catcher.FD()
	}
	for {
		left := -1
		if limit > 0 {
			left = int(min(time.Until(deadline).Milliseconds()+1, 1<<31-1))
			if time.Until(deadline) <= 0 {
				return errHookTimeout
			}
		}
		fds := [...]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}, {Fd: int32(p.in[1]), Events: unix.POLLOUT},
			{Fd: int32(p.out[0]), Events: unix.POLLIN}, {Fd: int32(ends.container), Events: unix.POLLIN}, {Fd: int32(signal), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds[:], left); err == unix.EINTR {
			continue
		} else if err != nil {
			return os.NewSyscallError("poll", err)
		}
		if fds[1].Revents != 0 {
			p.feed()
		}
		if fds[2].Revents != 0 {
			p.drain()
		}
		if fds[0].Revents != 0 {
			return nil
		}
		if fds[3].Revents != 0 {
			return errors.New("the container was killed meanwhile")
		}
		if fds[4].Revents != 0 {
			if sig, ends := ends.catcher.Ending(); ends {
				return errors.New("ended by signal " + signals.Name(sig) + " while it ran")
			}
		}
	}
}

func (p *hookProcess) feed() {
	n, err := unix.Write(p.in[1], p.input)
	p.input = p.input[max(n, 0):]
	if err != nil && err != unix.EAGAIN && err != unix.EINTR || len(p.input) == 0 {
		shut(&p.in[1])
	}
}

const hookPipe = 64 << 10 // bytes a pipe holds (pipe(7))

// chunk is what is read of a hook's output at once. One hook runs at a time.
var chunk [hookPipe / 4]byte

// drain reads some output; false: there is none.
func (p *hookProcess) drain() bool {
	if p.out[0] < 0 {
		return false
	}
	n, err := unix.Read(p.out[0], chunk[:])
	if n > 0 {
		p.output.Write(chunk[:n])
		return true
	}
	if err == nil {
		shut(&p.out[0])
	}
	return false
}

func shut(fd *int) {
	if *fd >= 0 {
		unix.Close(*fd)
	}
	*fd = -1
}

func (p *hookProcess) close() {
	for _, fd := range [...]*int{&p.in[0], &p.in[1], &p.out[0], &p.out[1], &p.pidfd} {
		shut(fd)
	}
}

// hookOutput is how many bytes of what a hook prints are kept for its error:
// the last, as many as the executor keeps.
const hookOutput = 4000

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	if t.b = append(t.b, b[max(0, len(b)-hookOutput):]...); len(t.b) > hookOutput {
		t.b = append(t.b[:0], t.b[len(t.b)-hookOutput:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return quoteOutput(string(t.b)) }

// quoteOutput is output for an error: quoted, since it may hold anything.
func quoteOutput(output string) string {
	if output = strings.TrimSpace(output); output != "" {
		return fmt.Sprintf(", output: %q", output)
	}
	return ""
}
