// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/rootfs"
)

// A service manager that gave the runtime a $NOTIFY_SOCKET (sd_notify(3)) waits
// for READY=1. The payload gets a socket of its own, in a directory of the
// state that is mounted into the container; the runtime listens there and
// tells the manager. Nothing else of what the container says is passed on.
const (
	notifyDir    = "notify"
	notifySocket = "notify.sock"

	notifyWait   = 30_000 // milliseconds the manager may take, as in runc
	notifyMoment = 100    // milliseconds for the payload's barrier
)

// notifyEnv is the payload's variable.
const notifyEnv = "NOTIFY_SOCKET=" + rootfs.NotifyDir + "/" + notifySocket

// managerEnv is what the variables of a service manager become for the payload.
func (o *CreateOptions) managerEnv(init bool) (env []string) {
	if o.ListenFDs > 0 {
		pid := "1"
		if init {
			pid = "2" // PID 1 is the built-in init
		}
		env = append(env, "LISTEN_FDS="+itoa(int64(o.ListenFDs)), "LISTEN_PID="+pid)
		if o.ListenNames != "" {
			env = append(env, "LISTEN_FDNAMES="+o.ListenNames)
		}
	}
	if o.notify != "" {
		env = append(env, notifyEnv)
	}
	return env
}

// makeNotify makes the directory that is mounted.
func (c *container) makeNotify() error {
	fd, name := int(c.dir.Fd()), path.Join(c.dir.Name(), notifyDir)
	if err := unix.Mkdirat(fd, notifyDir, 0o755); err != nil {
		return &os.PathError{Op: "mkdirat", Path: name, Err: err}
	}
	if err := unix.Fchmodat(fd, notifyDir, 0o755, 0); err != nil { // whatever the umask
		return &os.PathError{Op: "fchmodat", Path: name, Err: err}
	}
	return nil
}

// removeNotify removes it, with what a privileged container has put there.
func (c *container) removeNotify() error {
	if err := unix.Unlinkat(int(c.dir.Fd()), notifyDir, unix.AT_REMOVEDIR); err == nil || err == unix.ENOENT {
		return nil
	}
	return os.RemoveAll(path.Join(c.dir.Name(), notifyDir))
}

// notifier relays from a container to the manager.
type notifier struct {
	socket int    // the container's
	host   string // $NOTIFY_SOCKET
}

// listen binds the container's socket, before the payload can look for it. There
// is none without a manager, or if create knew of none.
func (c *container) listen(host string) error {
	if host == "" {
		return nil
	}
	dir, err := unix.Openat(int(c.dir.Fd()), notifyDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	defer unix.Close(dir)
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c.manager = &notifier{socket: socket, host: host}
	// By descriptor: the path could be longer than an address may be.
	err = unix.Bind(socket, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + notifySocket})
	if err == nil {
		err = unix.Fchmodat(dir, notifySocket, 0o777, 0) // any user of the container
	}
	return os.NewSyscallError("bind "+notifySocket, err)
}

func (n *notifier) close() {
	if n != nil {
		shut(&n.socket)
	}
}

// relay waits until the payload is ready, or has ended, and tells the manager,
// with mainPID as the process it is to watch. stays: it goes on reading until
// the payload's end. Else the socket is closed, after a moment for the barrier
// that a payload sends next (sd_notify_barrier(3)): with the socket it is
// through, and who writes later is refused, not kept waiting.
func (n *notifier) relay(pidfd, mainPID int, stays bool) error {
	defer n.close()
	told, limit := false, -1
	for {
		fds := [...]unix.PollFd{{Fd: int32(n.socket), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds[:], limit); err == unix.EINTR {
			continue
		} else if err != nil {
			return os.NewSyscallError("poll", err)
		}
		if n.ready() && !told {
			if err := n.tell(mainPID); err != nil {
				return err
			}
			if told = true; !stays {
				limit = notifyMoment
			}
		} else if told && !stays {
			return nil
		}
		if fds[1].Revents != 0 {
			return nil
		}
	}
}

// relay is that of n, if there is one. The container runs whatever becomes of it.
func (r *Runtime) relay(n *notifier, pidfd, mainPID int, stays bool) {
	if n == nil {
		return
	}
	if err := n.relay(pidfd, mainPID, stays); err != nil {
		r.warn("NOTIFY_SOCKET %s: %v", n.host, err)
	}
}

// relayMeanwhile is relay for a foreground container, whose runtime stays the
// process that the manager watches. done waits for its end, which is at the
// payload's at the latest.
func (r *Runtime) relayMeanwhile(n *notifier, pidfd int) (done func()) {
	if n == nil {
		return func() {}
	}
	told := make(chan struct{})
	beside(func() {
		r.relay(n, pidfd, os.Getpid(), true)
		close(told)
	})
	return func() { <-told }
}

// ready reads what has come. Descriptors that are sent along are closed by
// the kernel, since no room is given for them.
func (n *notifier) ready() bool {
	var b [4096]byte
	for range 64 { // no more at once, or a container that floods would be listened to alone
		size, _, err := unix.Recvfrom(n.socket, b[:], 0)
		if err != nil && err != unix.EINTR {
			return false
		}
		for line := range bytes.SplitSeq(b[:max(size, 0)], []byte("\n")) {
			if string(line) == "READY=1" {
				return true
			}
		}
	}
	return false
}

// tell passes it on and waits until the manager has read it.
func (n *notifier) tell(mainPID int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(notifyWait * 1e6)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	// '@' begins an abstract name here as it does there.
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: n.host}); err != nil {
		return os.NewSyscallError("connect", err)
	}
	if err := send(fd, "MAINPID="+strconv.Itoa(mainPID)+"\nREADY=1\n", nil); err != nil {
		return err
	}
	return barrierNotify(fd)
}

// barrierNotify sends the manager the end of a pipe, which it closes once it
// has seen what came before (sd_notify_barrier(3)).
func barrierNotify(fd int) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[0])
	err := send(fd, "BARRIER=1", unix.UnixRights(pipe[1]))
	unix.Close(pipe[1])
	if err != nil {
		return err
	}
	fds := [...]unix.PollFd{{Fd: int32(pipe[0])}}
	for {
		count, err := unix.Poll(fds[:], notifyWait)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("poll", err)
		case count == 0:
			return errors.New("no answer to BARRIER=1 within 30 s")
		}
		return nil
	}
}

func send(fd int, text string, rights []byte) error {
	for {
		_, err := unix.SendmsgN(fd, []byte(text), rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}

// mayNotify reports whether the manager's socket is one that can be reached.
func mayNotify(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }
