// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// pidfdReceiver names the socket that create sends a pidfd of the payload to.
const pidfdReceiver = "run.oci.pidfd_receiver"

// pidfdReceivers are connections on which a pidfd is sent.
type pidfdReceivers []pidfdConnection

type pidfdConnection struct {
	at     string // for errors
	socket int
}

// dialPidfdReceivers connects, before anything is made, to the sockets of
// --pidfd-socket and of the annotation, each "" if it was not given.
func dialPidfdReceivers(flag, annotation string) (list pidfdReceivers, err error) {
	for i, name := range [...]string{flag, annotation} {
		if name == "" {
			continue
		}
		c := pidfdConnection{at: "--pidfd-socket"}
		if i == 1 {
			c.at = "config.json#" + plan.At("/annotations").Field(pidfdReceiver).String()
		}
		if c.socket, err = dial(name); err != nil {
			list.close()
			return nil, errors.New(c.at + ": " + name + ": " + err.Error())
		}
		list = append(list, c)
	}
	return list, nil
}

// send sends one message with one descriptor and, as runc, what the process is:
// "standard", the container's own, or "setns", that of an exec.
func (list pidfdReceivers) send(kind string, pidfd int) error {
	for _, c := range list {
		if err := unix.Sendmsg(c.socket, []byte(kind), unix.UnixRights(pidfd), nil, unix.MSG_NOSIGNAL); err != nil {
			return errors.New(c.at + ": sendmsg: " + err.Error())
		}
	}
	return nil
}

func (list pidfdReceivers) close() {
	for _, c := range list {
		unix.Close(c.socket)
	}
}
