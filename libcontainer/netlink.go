// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"corten/nsenter"
)

// netlink is a netlink(7) socket. It stays in the network namespace its thread
// had when it was opened.
type netlink struct {
	fd  int
	seq uint32
}

func openNetlink(family int) (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family)
	if err != nil {
		return nil, os.NewSyscallError("socket AF_NETLINK", err)
	}
	// The kernel's own words with an error (Linux 4.12, 2d4bc93368f5), and not
	// our request again. Without them the errno has to do.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &netlink{fd: fd}, nil
}

// openNetlinkIn opens one in the network namespace of the descriptor ns, with
// this thread there for as long as socket(2) takes. The privilege of the socket
// is so the runtime's, whoever owns that namespace.
func openNetlinkIn(ns int) (*netlink, error) {
	runtime.LockOSThread()
	leave, err := nsenter.EnterNetwork(ns)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	n, err := openNetlink(unix.NETLINK_ROUTE)
	if back := leave(); back != nil {
		return nil, back // the thread stays locked: it is of no use to others
	}
	runtime.UnlockOSThread()
	return n, err
}

func (n *netlink) close() { unix.Close(n.fd) }

// netlinkError is what the kernel answers: an errno, and often a sentence.
type netlinkError struct {
	errno syscall.Errno
	text  string
}

func (e *netlinkError) Error() string {
	if e.text == "" {
		return e.errno.Error()
	}
	return e.errno.Error() + " (" + strings.TrimSuffix(e.text, ".") + ")"
}

func (e *netlinkError) Unwrap() error { return e.errno }

// request sends one message and returns the bodies of the replies. flags are
// NLM_F_*; a request for a list that changed meanwhile is sent again.
func (n *netlink) request(kind, flags uint16, body []byte) (replies [][]byte, err error) {
	for range 16 {
		var torn bool
		if replies, torn, err = n.try(kind, flags, body); !torn {
			break
		}
		err = unix.EAGAIN
	}
	return replies, err
}

func (n *netlink) try(kind, flags uint16, body []byte) (replies [][]byte, torn bool, err error) {
	n.seq++
	b := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body))
	le := binary.NativeEndian
	le.PutUint32(b[0:], uint32(unix.NLMSG_HDRLEN+len(body)))
	le.PutUint16(b[4:], kind)
	le.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	le.PutUint32(b[8:], n.seq)
	if err := unix.Sendto(n.fd, append(b, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, false, os.NewSyscallError("sendto", err)
	}
	buffer := make([]byte, 64<<10) // the kernel sends at most half of it at once
	for {
		size, _, err := unix.Recvfrom(n.fd, buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, false, os.NewSyscallError("recvfrom", err)
		}
		for rest := buffer[:size]; len(rest) >= unix.NLMSG_HDRLEN; {
			length := int(le.Uint32(rest))
			if length < unix.NLMSG_HDRLEN || length > len(rest) {
				return nil, false, unix.EBADMSG
			}
			kind, flags, seq, body := le.Uint16(rest[4:]), le.Uint16(rest[6:]), le.Uint32(rest[8:]), rest[unix.NLMSG_HDRLEN:length]
			rest = rest[min(align4(length), len(rest)):]
			if seq != n.seq {
				continue // of a request before
			}
			torn = torn || flags&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE:
				return replies, torn, nil
			case unix.NLMSG_ERROR:
				return replies, torn, acknowledged(body)
			default:
				replies = append(replies, append([]byte(nil), body...))
			}
		}
	}
}

// acknowledged reads struct nlmsgerr: a negative errno, the header of the
// request, then attributes. 0 is success.
func acknowledged(body []byte) error {
	if len(body) < 4+unix.NLMSG_HDRLEN {
		return unix.EBADMSG
	}
	code := int32(binary.NativeEndian.Uint32(body))
	if code == 0 {
		return nil
	}
	e := &netlinkError{errno: syscall.Errno(-code)}
	for kind, value := range attributes(body[4+unix.NLMSG_HDRLEN:]) {
		if kind == unix.NLMSGERR_ATTR_MSG {
			e.text = text(value)
		}
	}
	return e
}

func align4(n int) int { return (n + 3) &^ 3 }

// attributes goes through the struct rtattr list b.
func attributes(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(kind uint16, value []byte) bool) {
		for len(b) >= 4 {
			length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])&0x3fff // without NLA_F_NESTED, NLA_F_NET_BYTEORDER
			if length < 4 || length > len(b) || !yield(kind, b[4:length]) {
				return
			}
			b = b[min(align4(length), len(b)):]
		}
	}
}

// attribute appends one to a message.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, align4(len(value))-len(value))...)
}

func text(value []byte) string { return strings.TrimRight(string(value), "\x00") }

// interfaceInfo is a struct ifinfomsg: index 0 is none.
func interfaceInfo(index int32, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg, 96)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

// link is a network device as RTM_GETLINK shows it.
type link struct {
	index int32
	name  string
	up    bool
}

// find asks for a device by its index, or by its name if that is 0. It fails
// with ENODEV.
func (n *netlink) find(index int32, name string) (l link, err error) {
	body := interfaceInfo(index, 0, 0)
	if index == 0 {
		body = attribute(body, unix.IFLA_IFNAME, append([]byte(name), 0))
	}
	replies, err := n.request(unix.RTM_GETLINK, 0, body)
	if err != nil {
		return l, err
	}
	if len(replies) == 0 || len(replies[0]) < unix.SizeofIfInfomsg {
		return l, unix.EBADMSG
	}
	l.index = int32(binary.NativeEndian.Uint32(replies[0][4:]))
	l.up = binary.NativeEndian.Uint32(replies[0][8:])&unix.IFF_UP != 0
	for kind, value := range attributes(replies[0][unix.SizeofIfInfomsg:]) {
		if kind == unix.IFLA_IFNAME {
			l.name = text(value)
		}
	}
	return l, nil
}

// move takes a device to the network namespace of the descriptor ns, where it
// has the name given. The kernel sets it down and takes its addresses away.
func (n *netlink) move(index int32, ns int, name string) error {
	body := attribute(interfaceInfo(index, 0, 0), unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(ns)))
	_, err := n.request(unix.RTM_SETLINK, 0, attribute(body, unix.IFLA_IFNAME, append([]byte(name), 0)))
	return err
}

// rename names a device that is down. "%d" in the name stands for the first
// number that is free.
func (n *netlink) rename(index int32, name string) error {
	_, err := n.request(unix.RTM_SETLINK, 0, attribute(interfaceInfo(index, 0, 0), unix.IFLA_IFNAME, append([]byte(name), 0)))
	return err
}

// raise sets a device up.
func (n *netlink) raise(index int32) error {
	_, err := n.request(unix.RTM_SETLINK, 0, interfaceInfo(index, unix.IFF_UP, unix.IFF_UP))
	return err
}

// addresses are the permanent ones of global scope a device has, as bodies of
// RTM_NEWADDR without an index, in the order in which adding them gives the
// same list again.
func (n *netlink) addresses(index int32) (list [][]byte, err error) {
	replies, err := n.request(unix.RTM_GETADDR, unix.NLM_F_DUMP, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return nil, err
	}
	for _, b := range replies {
		if len(b) < unix.SizeofIfAddrmsg || int32(binary.NativeEndian.Uint32(b[4:])) != index || b[3] != unix.RT_SCOPE_UNIVERSE {
			continue
		}
		body, permanent := addressBody(b)
		switch {
		case !permanent:
		case b[0] == unix.AF_INET6:
			// IPv6 has the newest first.
			list = append([][]byte{body}, list...)
		default:
			list = append(list, body)
		}
	}
	return list, nil
}

const ifaProto = 11 // IFA_PROTO, who has added it: Linux 5.18 (47f0bd503210)

// addressBody turns struct ifaddrmsg (family, prefix, flags, scope, index) and
// its attributes from what RTM_GETADDR answers to what RTM_NEWADDR takes: no
// index, no label, which has the name of the device, and no flags of state.
func addressBody(b []byte) (body []byte, permanent bool) {
	flags := uint32(b[2])
	body = append(make([]byte, 0, len(b)+8), b[:unix.SizeofIfAddrmsg]...)
	body[2] = 0
	binary.NativeEndian.PutUint32(body[4:], 0)
	for kind, value := range attributes(b[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_FLAGS:
			if len(value) == 4 {
				flags = binary.NativeEndian.Uint32(value)
			}
		case unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_ANYCAST, unix.IFA_CACHEINFO, unix.IFA_RT_PRIORITY, ifaProto:
			body = attribute(body, kind, value)
		}
	}
	const kept = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN
	return attribute(body, unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, flags&kept)), flags&unix.IFA_F_PERMANENT != 0
}

// address adds one of addresses to a device. One that is there already is
// right.
func (n *netlink) address(index int32, body []byte) error {
	body = append([]byte(nil), body...)
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	_, err := n.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
	if e, ok := err.(*netlinkError); ok && e.errno == unix.EEXIST {
		return nil
	}
	return err
}

// addressText is an address for an error, such as 10.0.0.1/24.
func addressText(body []byte) string {
	value := []byte(nil)
	for kind, v := range attributes(body[unix.SizeofIfAddrmsg:]) {
		if kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS && value == nil {
			value = v
		}
	}
	var b strings.Builder
	for i, c := range value {
		switch {
		case len(value) == 4 && i > 0:
			b.WriteByte('.')
		case len(value) != 4 && i > 0 && i%2 == 0:
			b.WriteByte(':')
		}
		if len(value) == 4 {
			b.WriteString(strconv.Itoa(int(c)))
		} else {
			b.WriteString(strconv.FormatUint(uint64(c)|256, 16)[1:])
		}
	}
	return b.String() + "/" + strconv.Itoa(int(body[1]))
}
