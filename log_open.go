// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// open opens what --log names, before the command does anything: PATH or
// file:PATH, or journald:ID.
func (l *logger) open(name string) error {
	kind, rest, found := strings.Cut(name, ":")
	if found && kind == "journald" {
		return l.openJournal(rest)
	}
	if found && kind == "file" {
		name = rest
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_SYNC|unix.O_NOCTTY, 0o644)
	if err != nil {
		return errors.New("--log: " + err.Error())
	}
	l.log = f
	return nil
}

// setLevel takes --log-level.
func (l *logger) setLevel(level string) error {
	switch level {
	case "", "warning":
	case "error":
		l.quiet = true
	case "debug":
		l.debug = true
	default:
		return errors.New("--log-level takes error, warning or debug, not " + quote(level))
	}
	return nil
}

// journalSocket is where systemd-journald listens (systemd.journal-fields(7),
// "Native Journal Protocol").
const journalSocket = "/run/systemd/journal/socket"

// journal is systemd's, under the identifier of --log journald:ID.
type journal struct {
	id string
	fd int
}

func (l *logger) openJournal(id string) error {
	if id == "" {
		return errors.New("--log: journald: takes an identifier, as in journald:ID")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: journalSocket})
	}
	if err != nil {
		return errors.New("--log: connect " + journalSocket + ": " + err.Error())
	}
	l.log = &journal{id, fd}
	return nil
}

// Write is for io.Writer: the journal takes entries, by send.
func (j *journal) Write(b []byte) (int, error) { return unix.Write(j.fd, b) }

// send makes an entry of a line. ID is the member crun writes.
func (j *journal) send(entry *line) error {
	priority := "3" // LOG_ERR
	if entry.Level != "error" {
		priority = "4"
	}
	var b []byte
	for _, member := range [...][2]string{{"PRIORITY", priority}, {"SYSLOG_IDENTIFIER", self.name}, {"ID", j.id}, {"MESSAGE", entry.Msg},
		{"CORTEN_CODE", entry.Code}, {"CORTEN_FIELD", entry.Field}, {"CORTEN_HINT", entry.Hint}} {
		if member[1] != "" {
			b = append(append(b, member[0]...), '\n')
			b = binary.LittleEndian.AppendUint64(b, uint64(len(member[1])))
			b = append(append(b, member[1]...), '\n')
		}
	}
	_, err := j.Write(b)
	return err
}
