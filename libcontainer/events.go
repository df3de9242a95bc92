// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
)

// Event is what events prints, a line each.
type Event struct {
	Type string `json:"type"` // stats or oom
	ID   string `json:"id"`
	Data *Stats `json:"data,omitempty"`
}

// Stats is the data of a stats event.
type Stats struct {
	*cgroups.Stats
	IntelRdt   RdtStats           `json:"intel_rdt"`
	Interfaces []NetworkInterface `json:"network_interfaces"`
}

// NetworkInterface counts what an interface in the container's own network
// namespace has received and sent (proc_pid_net(5), dev).
type NetworkInterface struct {
	Name                                    string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// EventOptions are those of events.
type EventOptions struct {
	ID       string
	All      bool          // of all containers, also those that are made meanwhile
	Once     bool          // only the stats, now
	Interval time.Duration // between stats
}

// Events reports on a container until it ends, or on all without end. It is
// one loop around one poll(2), whatever the number of containers.
func (r *Runtime) Events(o EventOptions, print func(*Event) error) error {
	s := &stream{r: r, print: print, root: -1}
	if o.All {
		if err := s.watchRoot(); err != nil {
			return err
		}
	} else if err := s.add(o.ID); err != nil {
		return err
	} else if len(s.watched) == 0 {
		return errors.New("container with id " + o.ID + " is not running")
	}
	if o.Once {
		return s.stats()
	}
	for due := time.Now().Add(o.Interval); o.All || len(s.watched) > 0; {
		if err := s.wait(time.Until(due)); err != nil {
			return err
		}
		if !time.Now().Before(due) {
			if err := s.stats(); err != nil {
				return err
			}
			due = time.Now().Add(o.Interval)
		}
	}
	return nil
}

// stream is a run of Events.
type stream struct {
	r       *Runtime
	print   func(*Event) error
	watched []*watched
	root    int              // inotify of the state directories; -1 for one container
	making  map[int32]string // ids of those without a state so far, by watch
	all     int32            // the watch of the directory of all
}

// watched is a live container.
type watched struct {
	id         string
	pid, pidfd int
	group      *cgroups.Cgroup
	oom        *cgroups.OOM // nil without a memory controller
	journal    int          // an open journal outlives the container's directory
	ownNetwork bool
	rdt        *specs.LinuxIntelRdt
}

// add watches a container if it lives.
func (s *stream) add(id string) error {
	c, err := s.r.openMade(id, false)
	if err != nil {
		return err
	}
	defer c.close()
	pidfd, err := c.process()
	if errors.Is(err, ErrNotRunning) {
		return nil
	} else if err != nil {
		return err
	}
	if slices.ContainsFunc(s.watched, func(w *watched) bool { return w.id == id && w.pid == c.PID }) {
		unix.Close(pidfd)
		return nil
	}
	w := &watched{id: id, pid: c.PID, pidfd: pidfd, group: cgroups.Open(c.Cgroups)}
	w.journal, _ = unix.Openat(int(c.dir.Fd()), journalFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	config, err := c.config()
	if err == nil {
		w.ownNetwork, w.rdt = namespaceOf(config.Linux, specs.NetworkNamespace) != nil, config.Linux.IntelRdt
		w.oom, err = w.group.WatchOOM()
	}
	if err != nil {
		w.close()
		return err
	}
	s.watched = append(s.watched, w)
	return nil
}

func (w *watched) close() {
	unix.Close(w.pidfd)
	if w.journal >= 0 {
		unix.Close(w.journal)
	}
	w.group.Close()
	if w.oom != nil {
		w.oom.Close()
	}
}

// starved reports whether somebody was killed for want of memory before the
// container ended.
func (w *watched) starved() bool {
	more, known := w.oom.Counted()
	if known {
		return more
	}
	buf := make([]byte, 64<<10)
	n, _ := unix.Pread(w.journal, buf, 0)
	return slices.Contains(strings.Split(string(buf[:max(n, 0)]), "\n"), oomKilled)
}

// wait reports what happens until then, or until something happened.
func (s *stream) wait(limit time.Duration) error {
	polls := make([]unix.PollFd, 0, 1+2*len(s.watched))
	polls = append(polls, unix.PollFd{Fd: int32(s.root), Events: unix.POLLIN})
	for _, w := range s.watched {
		oom := unix.PollFd{Fd: -1}
		if w.oom != nil {
			if oom = w.oom.Poll(); w.oom.Pending() {
				limit = min(limit, 10*time.Millisecond)
			}
		}
		polls = append(polls, unix.PollFd{Fd: int32(w.pidfd), Events: unix.POLLIN}, oom)
	}
	milliseconds := min((max(limit, 0)+time.Millisecond-1)/time.Millisecond, math.MaxInt32)
	if _, err := unix.Poll(polls, int(milliseconds)); err == unix.EINTR {
		return nil
	} else if err != nil {
		return os.NewSyscallError("poll", err)
	}
	live := s.watched[:0:0]
	for i, w := range s.watched {
		ended, oom := polls[1+2*i].Revents != 0, polls[2+2*i].Revents != 0
		if w.oom != nil && (ended && w.starved() || !ended && (oom || w.oom.Pending()) && w.oom.Killed()) {
			if err := s.print(&Event{Type: "oom", ID: w.id}); err != nil {
				return err
			}
		}
		if ended {
			w.close()
		} else {
			live = append(live, w)
		}
	}
	s.watched = live
	if polls[0].Revents != 0 {
		return s.appeared()
	}
	return nil
}

// stats prints the stats of all.
func (s *stream) stats() error {
	for _, w := range s.watched {
		counted, err := w.group.Stats()
		if err != nil {
			return err
		}
		data := &Stats{Stats: counted}
		if w.ownNetwork {
			data.Interfaces = interfaces(w.pid)
		}
		if w.rdt != nil {
			if data.IntelRdt, err = rdtStats(w.rdt, w.id); err != nil {
				return err
			}
		}
		if err := s.print(&Event{Type: "stats", ID: w.id, Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// interfaces reads what a process's network namespace counts, but for lo.
func interfaces(pid int) (all []NetworkInterface) {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/dev")
	for line := range strings.Lines(string(text)) {
		name, counts, ok := strings.Cut(line, ":")
		words := strings.Fields(counts)
		if name = strings.TrimSpace(name); !ok || len(words) < 12 || name == "lo" {
			continue
		}
		n := func(i int) uint64 {
			v, _ := strconv.ParseUint(words[i], 10, 64)
			return v
		}
		all = append(all, NetworkInterface{name, n(0), n(1), n(2), n(3), n(8), n(9), n(10), n(11)})
	}
	return all
}
