// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Console receives a terminal as an engine does.
type Console struct {
	Path string // for --console-socket
	b    *Bundle
	conn *net.UnixListener

	PTY  *os.File
	Name string // what the runtime sent beside the descriptor

	mu   sync.Mutex
	text strings.Builder
}

// Console listens on a socket beside the bundle.
func (b *Bundle) Console() *Console {
	b.t.Helper()
	c := &Console{Path: filepath.Join(b.Home, "console.sock"), b: b}
	os.Remove(c.Path)
	var err error
	c.conn, err = net.ListenUnix("unix", &net.UnixAddr{Name: c.Path, Net: "unix"})
	b.must(err)
	b.t.Cleanup(c.Close)
	return c
}

// Close ends both sides; the test's end does, too.
func (c *Console) Close() {
	c.conn.Close()
	if c.PTY != nil {
		c.PTY.Close()
	}
}

// Receive takes the one descriptor of the one message, then reads from it.
func (c *Console) Receive() {
	c.b.t.Helper()
	c.b.must(c.conn.SetDeadline(time.Now().Add(Slow(10 * time.Second))))
	conn, err := c.conn.AcceptUnix()
	c.b.must(err)
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, 4096)
	n, on, _, _, err := conn.ReadMsgUnix(name, oob)
	c.b.must(err)
	c.Name = string(name[:n])
	messages, err := unix.ParseSocketControlMessage(oob[:on])
	c.b.must(err)
	if len(messages) != 1 {
		c.b.t.Fatalf("%d control messages on the console socket", len(messages))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	c.b.must(err)
	if len(fds) != 1 {
		c.b.t.Fatalf("%d descriptors on the console socket", len(fds))
	}
	c.b.must(unix.SetNonblock(fds[0], true))
	c.PTY = os.NewFile(uintptr(fds[0]), "pty")
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.PTY.Read(buf)
			c.mu.Lock()
			c.text.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// Text is what was printed on the terminal so far, its line ends as \n.
func (c *Console) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.text.String(), "\r\n", "\n")
}

// WaitFor waits until the terminal shows the text.
func (c *Console) WaitFor(text string) {
	c.b.t.Helper()
	if !Eventually(func() bool { return strings.Contains(c.Text(), text) }) {
		c.b.t.Fatalf("no %q on the terminal, but %q", text, c.Text())
	}
}

// Resize sets the window's size.
func (c *Console) Resize(rows, cols uint16) {
	c.b.t.Helper()
	c.b.must(unix.IoctlSetWinsize(int(c.PTY.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}))
}
