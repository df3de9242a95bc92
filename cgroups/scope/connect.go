// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// connect reaches the manager itself where that is allowed, which needs no
// message bus, else through the bus. peer is the process on the other side.
func connect(ctx context.Context, user bool) (conn *systemd.Conn, peer int32, err error) {
	sockets := []string{"/run/systemd/private", "/run/dbus/system_bus_socket"}
	uid := hostUID()
	if user {
		dir := os.Getenv("XDG_RUNTIME_DIR")
		if dir == "" {
			dir = "/run/user/" + uid
		}
		sockets = []string{dir + "/systemd/private", dir + "/bus"}
	}
	var failures []error
	for i, socket := range sockets {
		conn, err := systemd.NewConnection(func() (*dbus.Conn, error) { return dial(ctx, socket, uid, i > 0) })
		if err == nil {
			return conn, peerOf(socket), nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", socket, err))
	}
	return nil, 0, errors.Join(failures...)
}

func dial(ctx context.Context, socket, uid string, bus bool) (*dbus.Conn, error) {
	conn, err := dbus.Dial("unix:path="+socket, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(uid)}); err != nil {
		conn.Close()
		return nil, err
	}
	if bus {
		if err := conn.Hello(); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// hostUID is this process's user as systemd knows it: in a user namespace
// another number than here (user_namespaces(7), "uid_map").
func hostUID() string {
	uid := uint64(os.Getuid())
	text, _ := os.ReadFile("/proc/self/uid_map")
	for line := range strings.Lines(string(text)) {
		var inside, outside, size uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil && uid-inside < size {
			uid += outside - inside
			break
		}
	}
	return strconv.FormatUint(uid, 10)
}

// peerOf is the pid of who listens at a socket; 0: not to be seen from here.
func peerOf(socket string) int32 {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return 0
	}
	defer c.Close()
	peer := int32(0)
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			peer = cred.Pid
		}
	})
	return peer
}

// sameNumbers reports whether a process gives other processes the pids that
// they have here: both are in the PID namespace of /proc, and none below it.
func sameNumbers(pid int32) bool {
	if pid == 0 {
		return false
	}
	for _, who := range []string{"self", strconv.Itoa(int(pid))} {
		text, _ := os.ReadFile("/proc/" + who + "/status")
		_, list, found := strings.Cut(string(text), "\nNSpid:")
		list, _, _ = strings.Cut(list, "\n")
		if !found || len(strings.Fields(list)) != 1 {
			return false
		}
	}
	return true
}
