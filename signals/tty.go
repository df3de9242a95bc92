// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Console joins the caller's standard streams to the master of the container's
// pseudo-terminal. All processing (echo, line ends, Ctrl-C) is left to the
// container's side: a caller's terminal is raw meanwhile.
type Console struct {
	master, in, out int
	saved           *unix.Termios // of the caller's terminal; nil: stdin is none
	end             int           // eventfd: readable once the process has ended
	drained         chan struct{} // closed when every byte of output is written
}

// NewConsole makes a console of the pty master, which it takes over, and of
// the process's standard streams. The size is set at once from the caller's
// terminal, if there is one: a payload that asks early gets the right answer.
func NewConsole(masterFD int) *Console {
	c := &Console{master: masterFD, in: 0, out: 1, end: -1, drained: make(chan struct{})}
	c.Resize()
	return c
}

// Start makes the caller's terminal raw and begins to relay.
func (c *Console) Start() (err error) {
	if c.end, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	// Only if keys come from it: raw without being read, it could not even
	// turn Ctrl-C into a signal.
	if t, err := unix.IoctlGetTermios(c.in, unix.TCGETS); err == nil {
		raw := *t
		makeRaw(&raw)
		if err := unix.IoctlSetTermios(c.in, unix.TCSETSW, &raw); err != nil {
			return os.NewSyscallError("ioctl TCSETSW", err)
		}
		c.saved = t
	}
	// Each of the two, and who waits for the payload, would keep the processor for some
	// milliseconds, and so every key.
	Processors(3)
	go c.relayInput()
	go c.relayOutput()
	return nil
}

// Resize gives the container's terminal the size of the caller's. Without one
// it does nothing.
func (c *Console) Resize() {
	for _, fd := range [...]int{c.in, c.out, 2} {
		if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
			// An error means that the container's side is gone.
			_ = unix.IoctlSetWinsize(c.master, unix.TIOCSWINSZ, size)
			return
		}
	}
}

// Finish waits until all output of the ended process is written, or giveUp is
// closed, and gives the caller's terminal its modes back.
func (c *Console) Finish(giveUp <-chan struct{}) {
	_, _ = unix.Write(c.end, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	select {
	case <-c.drained:
	case <-giveUp:
	}
	if c.saved != nil {
		// TCSETSF would drop what was typed ahead, TCSETSW wait for a stopped terminal.
		_ = unix.IoctlSetTermios(c.in, unix.TCSETS, c.saved)
	}
}

// relayInput copies until the caller's input ends, then lets the payload see
// the end of its own.
func (c *Console) relayInput() {
	buf := make([]byte, 4096)
	last := byte('\n')
	for {
		n, err := read(c.in, buf)
		if err != nil {
			return
		}
		if n == 0 {
			break
		}
		if writeAll(c.master, buf[:n]) != nil {
			return
		}
		last = buf[n-1]
	}
	// A pipe or file has ended. A terminal line ends with VEOF, which means
	// end of file only at the start of a line: twice after half a line.
	if t, err := unix.IoctlGetTermios(c.master, unix.TCGETS); c.saved == nil && err == nil && t.Lflag&unix.ICANON != 0 {
		eof := []byte{t.Cc[unix.VEOF], t.Cc[unix.VEOF]}
		if last == '\n' {
			eof = eof[1:]
		}
		_ = writeAll(c.master, eof)
	}
}

// relayOutput copies until the process has ended and nothing is left to read.
// The slave may stay open, in a process the payload left behind: what that one
// writes later is nobody's.
func (c *Console) relayOutput() {
	defer close(c.drained)
	buf := make([]byte, 32<<10)
	ended, timeout := false, -1
	for {
		fds := []unix.PollFd{{Fd: int32(c.master), Events: unix.POLLIN}, {Fd: int32(c.end), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, timeout); err != nil && err != unix.EINTR {
			return
		}
		if fds[1].Revents != 0 {
			ended, timeout = true, 0
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			// poll may have looked at the master before the last byte and at the end
			// after it: only a second look is sure.
			if ended && !c.readable() {
				return
			}
			if !ended && fds[0].Revents&unix.POLLHUP != 0 {
				// Every slave is closed, but the payload lives and may open one again.
				c.pause()
			}
			continue
		}
		n, err := read(c.master, buf)
		if err == nil && n > 0 && writeAll(c.out, buf[:n]) != nil {
			c.hangUp()
			return
		}
	}
}

// readable says whether output waits. The kernel flushes what is under way
// between the two sides before it answers.
func (c *Console) readable() bool {
	fds := []unix.PollFd{{Fd: int32(c.master), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, 0)
	return n > 0 && fds[0].Revents&unix.POLLIN != 0
}

// pause waits 20 ms, or until the process has ended.
func (c *Console) pause() {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.end), Events: unix.POLLIN}}, 20)
}

// hangUp closes the master when no one reads the output any more; the kernel
// then sends SIGHUP to the container's session, as for any lost terminal. The
// number stays taken, since relayInput may be about to use it.
func (c *Console) hangUp() {
	if null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Dup3(null, c.master, unix.O_CLOEXEC)
		_ = unix.Close(null)
	}
}

// read is read(2), also for a descriptor that does not block.
func read(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if err != syscall.EAGAIN && err != syscall.EINTR {
			return max(n, 0), err
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
	}
}

// writeAll writes data in as many pieces as the descriptor takes.
func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// makeRaw is cfmakeraw, termios(3).
func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}
