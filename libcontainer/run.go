// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"

	"golang.org/x/sys/unix"

	"corten/signals"
)

// Run makes a container and runs it: in the foreground, until it has ended, with
// its exit status (128+n for signal n) as the result; or detached.
func (r *Runtime) Run(o CreateOptions) (status int, err error) {
	fg, err := newForeground(o.Detach, o.ConsoleSocket, o.NoSubreaper)
	if err != nil {
		return 0, err
	}
	defer fg.close()
	c, s, err := r.create(&o, fg.console, fg.catcher)
	if err != nil {
		return 0, err
	}
	defer c.close()
	defer s.executor.Close()
	// Others may kill, exec into and delete it while it runs.
	if err = c.unlock(); err == nil {
		err = c.poststart(hookEnds{container: -1, catcher: fg.catcher})
	}
	if err != nil {
		s.abort()
		removePIDFile(o.PIDFile)
		r.discard(c)
		return 0, err
	}
	if o.Detach {
		r.relay(c.manager, s.executor.Pidfd, c.PID, false)
		return 0, nil
	}
	told := r.relayMeanwhile(c.manager, s.executor.Pidfd)
	r.Trace.Phase("payload")
	status, err = fg.attend(s)
	told()
	if err == nil {
		c.ended(s.executor.Pidfd, status, o.Keep)
	}
	if status == 128+int(unix.SIGKILL) {
		r.warnStarved(c)
	}
	if o.Keep {
		return status, err
	}
	if removeErr := r.remove(c); err == nil {
		err = removeErr
	}
	return status, err
}

// foreground is the caller's side of an attached container or exec.
type foreground struct {
	console int // where the executor sends the terminal: the caller's socket, or ours
	master  int // our end, which receives it; -1: none
	catcher *signals.Catcher
}

// newForeground catches signals before anything is made, so that none is lost.
func newForeground(detached bool, socket string, noSubreaper bool) (*foreground, error) {
	f := &foreground{console: -1, master: -1}
	if socket != "" {
		var err error
		f.console, err = dialConsole(socket)
		return f, err
	}
	if detached {
		return f, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f.master, f.console = pair[0], pair[1]
	if f.catcher, err = signals.Catch(); err == nil && !noSubreaper {
		err = signals.Subreap()
	}
	return f, err
}

// attend forwards signals and the terminal until the process has ended.
func (f *foreground) attend(s *spawn) (int, error) {
	options := signals.Options{Caught: f.catcher}
	if s.process.Terminal {
		master, err := receiveTerminal(f.master)
		if err != nil {
			return 0, err
		}
		options.Console = signals.NewConsole(master)
	}
	return signals.Forward(s.executor.Pidfd, s.executor.PID, options)
}

func (f *foreground) close() {
	for _, fd := range [...]int{f.console, f.master} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// receiveTerminal takes the master from our end of the socket.
func receiveTerminal(socket int) (int, error) {
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, name, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return -1, err
	}
	if len(messages) == 1 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			return fds[0], nil
		}
	}
	return -1, errors.New("recvmsg: the executor sent no terminal")
}
