// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"strconv"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// place does what is done by pid, before the executor goes on.
func (s *spawn) place() error {
	s.r.Trace.Phase("place the process")
	first := barrier(0)
	if len(s.compiled.barriers) > 0 {
		first = s.compiled.barriers[0]
	}
	raised := s.raised()
	if len(raised) > 0 || s.group.Attaches() || s.compiled.resctrl != nil || s.process.OOMScoreAdj != nil {
		if err := s.begun(); err != nil {
			return err
		}
	}
	if s.group != nil {
		if err := s.group.Attach(s.executor.PID); err != nil {
			return err
		}
	}
	if s.compiled.resctrl != nil {
		if err := s.compiled.resctrl.attach(s.resctrl, s.executor.PID); err != nil {
			return err
		}
	}
	proc := "/proc/" + strconv.Itoa(s.executor.PID) + "/"
	if adj := s.process.OOMScoreAdj; adj != nil {
		if err := writeFile(proc+"oom_score_adj", strconv.Itoa(*adj)); err != nil {
			return &plan.Error{At: plan.At("/process/oomScoreAdj"), Op: "write oom_score_adj " + strconv.Itoa(*adj), Err: err,
				Hint: "a value below the caller's needs CAP_SYS_RESOURCE"}
		}
	}
	for _, i := range raised {
		if err := s.raise(i); err != nil {
			return err
		}
	}
	if first == barrierPlaced {
		if err := s.proceed(); err != nil {
			return err
		}
	}
	if s.compiled.waits(barrierUsers) {
		if err := s.joined(proc); err != nil {
			return err
		}
	}
	if s.compiled.forks {
		return s.next()
	}
	return nil
}

// joined waits until the executor is in the user namespace it joins, whose id
// maps are known only then.
func (s *spawn) joined(proc string) error {
	if err := s.next(); err != nil {
		return err
	}
	if err := s.checkUsers(proc); err != nil {
		return err
	}
	if !s.process.Terminal && s.rehearsal == nil {
		giveStdio(&s.process.User, s.compiled.maps.users)
	}
	return s.proceed()
}

// raised are the indices of the limits above the runtime's own hard ones, for
// which a user namespace has no right.
func (s *spawn) raised() (all []int) {
	if !s.compiled.raises {
		return nil
	}
	for i, l := range s.process.Rlimits {
		var own unix.Rlimit
		if unix.Getrlimit(int(rlimit(l.Type)), &own) == nil && l.Hard > own.Max {
			all = append(all, i)
		}
	}
	return all
}

// raise raises the hard limit only: the executor needs what the soft one allows,
// until it sets both.
func (s *spawn) raise(i int) error {
	l := s.process.Rlimits[i]
	var lim unix.Rlimit
	err := unix.Prlimit(s.executor.PID, int(rlimit(l.Type)), nil, &lim)
	if err == nil {
		lim.Max = l.Hard
		err = unix.Prlimit(s.executor.PID, int(rlimit(l.Type)), &lim, nil)
	}
	if err != nil {
		return &plan.Error{At: plan.At("/process/rlimits").Index(i), Op: "prlimit " + l.Type, Err: err,
			Hint: "raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace"}
	}
	return nil
}

func writeFile(name, text string) error {
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}
