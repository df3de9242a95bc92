// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/hex"
	"errors"
	"hash/fnv"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// netDevice is a network device of the host.
type netDevice struct {
	index     int32
	up        bool
	addresses [][]byte // as netlink.addresses has them
}

// movedDevice is an entry of linux.netDevices.
type movedDevice struct {
	netDevice
	at   plan.Pointer
	host string // its name on the host
	name string // its name in the container; may have a "%d" for the kernel to fill
	// A name nobody else has. Under it the device arrives: so it is found
	// there whatever its index is then, and its real name may be taken.
	transit string
}

// validateNetDevices wants names the kernel takes (dev_valid_name), no two of
// them the same, and a network namespace for the devices to go to.
func validateNetDevices(l *specs.Linux) error {
	if len(l.NetDevices) == 0 {
		return nil
	}
	at := document.Field("linux").Field("netDevices")
	if namespaceOf(l, specs.NetworkNamespace) == nil {
		return refuse(at, "needs a network namespace")
	}
	taken := make(map[string]string, len(l.NetDevices))
	for _, host := range sortedKeys(l.NetDevices) {
		at, name := at.Field(host), l.NetDevices[host].Name
		if !validDeviceName(host) || strings.Contains(host, "%") {
			return refuse(at, "%q is not the name of a network device", clip(host))
		}
		if name == "" {
			name = host
		} else if at = at.Field("name"); !validDeviceName(name) {
			return refuse(at, "%q is not the name of a network device: want 1 to 15 bytes, no '/', ':' or space", clip(name))
		}
		template := strings.Contains(name, "%")
		if template && (strings.Count(name, "%") != 1 || !strings.HasSuffix(name, "%d")) {
			return refuse(at, "want at most one %%d, at the end, for the kernel to fill, got %q", clip(name))
		}
		if other, found := taken[name]; found && !template {
			return refuse(at, "%s is the name of %s as well", name, other)
		}
		taken[name] = host
	}
	return nil
}

func validDeviceName(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/:\x00") &&
		strings.IndexFunc(name, unicode.IsSpace) < 0
}

// devices asks the host for those the config names.
func (h *Host) devices(l *specs.Linux) error {
	if len(l.NetDevices) == 0 {
		return nil
	}
	n, err := openNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer n.close()
	h.NetDevices = make(map[string]netDevice, len(l.NetDevices))
	for name := range l.NetDevices {
		found, err := n.find(0, name)
		if errors.Is(err, unix.ENODEV) {
			continue // Compile says so
		}
		d := netDevice{index: found.index, up: found.up}
		if err == nil {
			d.addresses, err = n.addresses(d.index)
		}
		if err != nil {
			return &plan.Error{At: document.Field("linux").Field("netDevices").Field(name), Op: "rtnetlink", Err: err}
		}
		h.NetDevices[name] = d
	}
	return nil
}

// compileNetDevices decides what is moved.
func compileNetDevices(spec *specs.Spec, id string, host *Host) (list []movedDevice, err error) {
	if len(spec.Linux.NetDevices) == 0 {
		return nil, nil
	}
	at := plan.At("/linux/netDevices")
	for _, name := range sortedKeys(spec.Linux.NetDevices) {
		at := at.Field(name)
		if host.EUID != 0 {
			return nil, refuse(at, "only root can move a network device")
		}
		d, found := host.NetDevices[name]
		if !found {
			return nil, &plan.Error{At: at, Err: unix.ENODEV, Hint: "the runtime's network namespace has no device of that name: see ip link"}
		}
		hash := fnv.New64a()
		hash.Write([]byte(id + "\x00" + name))
		m := movedDevice{netDevice: d, at: at, host: name, name: spec.Linux.NetDevices[name].Name,
			transit: "ct" + strconv.FormatUint(hash.Sum64()>>12|1<<51, 16)}
		if m.name == "" {
			m.name = name
		}
		list = append(list, m)
	}
	return list, nil
}

// call is what `corten plan` prints.
func (m *movedDevice) call() string {
	call := "move " + m.host + " (" + itoa(int64(m.index)) + ") to the network namespace as " + m.name + ", up"
	for _, a := range m.addresses {
		call += ", " + addressText(a)
	}
	return call
}

// netDevicesFile keeps the network namespace the devices are in, until the
// container is made: without it the kernel would destroy them with the
// executor when the runtime is killed.
const netDevicesFile = "netns"

// journalLines name the devices for undo: what namespace they come from, and
// each one's name, transit name, name there and state.
func journalNetDevices(list []movedDevice) string {
	if len(list) == 0 {
		return ""
	}
	text := "netdevs " + namespaceID("/proc/self/ns/net") + "\n"
	for _, m := range list {
		up := "down"
		if m.up {
			up = "up"
		}
		text += "netdev " + m.host + " " + m.transit + " " + up
		for _, a := range m.addresses {
			text += " " + hex.EncodeToString(a)
		}
		text += "\n"
	}
	return text
}

// namespaceID tells a namespace from any other: device and inode of its nsfs
// file; "" if it cannot be seen.
func namespaceID(file string) string {
	var st unix.Stat_t
	if unix.Stat(file, &st) != nil {
		return ""
	}
	return strconv.FormatUint(st.Dev, 10) + ":" + strconv.FormatUint(st.Ino, 10)
}

// moveDevices moves the devices of the config to the executor's network
// namespace. What an error leaves there, undo gives back.
func (s *spawn) moveDevices() error {
	at, file := plan.At("/linux/netDevices"), "/proc/"+strconv.Itoa(s.executor.PID)+"/ns/net"
	ns, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &plan.Error{At: at, Op: "open " + file, Err: err}
	}
	defer unix.Close(ns)
	if err := s.state.keepNetNS(file); err != nil {
		return &plan.Error{At: at, Op: "mount " + file, Err: err}
	}
	here, err := openNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		return &plan.Error{At: at, Err: err}
	}
	defer here.close()
	there, err := openNetlinkIn(ns)
	if err != nil {
		return &plan.Error{At: at, Err: err}
	}
	defer there.close()
	for i := range s.compiled.netDevices {
		m := &s.compiled.netDevices[i]
		// Before it is moved, which would take it down for nothing.
		if _, err := there.find(0, m.name); err == nil {
			return m.failed("", unix.EEXIST, "the container's network namespace has a device "+strconv.Quote(m.name)+" already")
		}
		if err := s.moveDevice(here, there, ns, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *spawn) moveDevice(here, there *netlink, ns int, m *movedDevice) error {
	if err := here.move(m.index, ns, m.transit); err != nil {
		hint := ""
		if errors.Is(err, unix.EINVAL) {
			hint = "the kernel does not move devices of this kind, such as lo and bridges"
		}
		return m.failed("RTM_SETLINK IFLA_NET_NS_FD", err, hint)
	}
	arrived, err := there.find(0, m.transit)
	if err != nil {
		return m.failed("RTM_GETLINK "+m.transit, err, "")
	}
	// The index stays the same whatever its name becomes.
	if err := s.state.appendJournal("arrived " + m.transit + " " + itoa(int64(arrived.index)) + "\n"); err != nil {
		return err
	}
	if err := there.rename(arrived.index, m.name); err != nil {
		return m.failed("RTM_SETLINK IFLA_IFNAME "+m.name, err, "")
	}
	for _, a := range m.addresses {
		if err := there.address(arrived.index, a); err != nil {
			return m.failed("RTM_NEWADDR "+addressText(a), err, "")
		}
	}
	if err := there.raise(arrived.index); err != nil {
		return m.failed("RTM_SETLINK IFF_UP", err, "")
	}
	return nil
}

func (m *movedDevice) failed(op string, err error, hint string) error {
	return &plan.Error{At: m.at, Op: op, Err: err, Hint: hint}
}

// keepNetNS binds the namespace to a file of the state directory.
func (c *container) keepNetNS(file string) error {
	if err := writeAt(c.dir, netDevicesFile, nil); err != nil {
		return err
	}
	return unix.Mount(file, c.netNSPath(), "", unix.MS_BIND, "")
}

func (c *container) netNSPath() string {
	return "/proc/self/fd/" + strconv.Itoa(int(c.dir.Fd())) + "/" + netDevicesFile
}

// letNetNSGo undoes keepNetNS, done or not.
func (c *container) letNetNSGo() error {
	if err := unix.Unmount(c.netNSPath(), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return &plan.Error{Op: "umount " + path.Join(c.dir.Name(), netDevicesFile), Err: err}
	}
	if err := unix.Unlinkat(int(c.dir.Fd()), netDevicesFile, 0); err != nil && err != unix.ENOENT {
		return &plan.Error{Op: "unlink " + path.Join(c.dir.Name(), netDevicesFile), Err: err}
	}
	return nil
}

// returning is a device the journal names.
type returning struct {
	host, transit string
	up            bool
	addresses     [][]byte
	index         int32 // where it has arrived; 0: it has not, or nobody could write it down
}

// device reads a line of journalNetDevices.
func (j *journaled) device(line string) {
	words := strings.Fields(line)
	if len(words) < 3 {
		return
	}
	d := returning{host: words[0], transit: words[1], up: words[2] == "up"}
	for _, word := range words[3:] {
		if a, err := hex.DecodeString(word); err == nil && len(a) >= unix.SizeofIfAddrmsg {
			d.addresses = append(d.addresses, a)
		}
	}
	j.devices = append(j.devices, d)
}

// arrived reads the line of moveDevice.
func (j *journaled) arrived(line string) {
	transit, index, _ := strings.Cut(line, " ")
	for i := range j.devices {
		if n, err := strconv.ParseInt(index, 10, 32); err == nil && j.devices[i].transit == transit {
			j.devices[i].index = int32(n)
		}
	}
}

// returnDevices gives the host's devices back, as they were, unless the
// container was made: then they are the namespace's, and the kernel's to
// return or destroy with it (network_namespaces(7)).
func (r *Runtime) returnDevices(c *container, j *journaled) error {
	if len(j.devices) == 0 {
		return nil
	}
	kept, err := unix.Openat(int(c.dir.Fd()), netDevicesFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil // nothing was moved, or all is done
	}
	if err != nil {
		return os.NewSyscallError("openat "+netDevicesFile, err)
	}
	defer unix.Close(kept)
	var fs unix.Statfs_t
	switch err := unix.Fstatfs(kept, &fs); {
	case err != nil:
		return os.NewSyscallError("fstatfs", err)
	case j.settled || fs.Type != unix.NSFS_MAGIC:
	case j.from != namespaceID("/proc/self/ns/net"):
		r.warn("the network devices of %s are not given back: they come from another network namespace than this command's", c.id)
	default:
		if err := r.returnAll(j.devices, kept); err != nil {
			return err
		}
	}
	return c.letNetNSGo()
}

func (r *Runtime) returnAll(list []returning, ns int) error {
	own, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open /proc/self/ns/net", err)
	}
	defer unix.Close(own)
	here, err := openNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer here.close()
	there, err := openNetlinkIn(ns)
	if err != nil {
		return err
	}
	defer there.close()
	for i := range list {
		if err := list[i].back(here, there, own); err != nil {
			r.warn("network device %s is not given back: %v", list[i].host, err)
		}
	}
	return nil
}

// back gives one device back, also one that was on its way when undo was
// killed.
func (d *returning) back(here, there *netlink, own int) error {
	l, err := there.find(0, d.transit)
	if err != nil && d.index != 0 {
		l, err = there.find(d.index, "")
	}
	if err == nil {
		err = there.move(l.index, own, d.host)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	if l, err = here.find(0, d.host); err != nil {
		return err
	}
	for _, a := range d.addresses {
		if err := here.address(l.index, a); err != nil {
			return err
		}
	}
	if d.up {
		return here.raise(l.index)
	}
	return nil
}
