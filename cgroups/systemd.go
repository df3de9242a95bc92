// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"corten/nsenter/plan"
	"corten/nsenter/program"
)

// systemdLimit is a little more than the program's own deadline.
const systemdLimit = 35 * time.Second

// placeholder keeps a new scope alive until the container is in it.
type placeholder struct{ p *program.Dialogue }

func (h *placeholder) release() {
	if h != nil {
		h.p.Close(time.Second)
	}
}

// startUnit makes the scope. Its first process is the program that asked for
// it: release it when the container's is there.
func startUnit(u *Unit, want string) (*placeholder, error) {
	p, path, err := ask(u.User, lines(u.Properties)+lines(u.Limits), "start", u.Name)
	if err == nil && path != want {
		p.Close(time.Second)
		err = errors.New("systemd has put the scope at " + path + ", not at " + want)
	}
	if err != nil {
		return nil, &plan.Error{At: placeAt(), Op: "start " + u.Name, Err: err, Hint: systemdHint(u.User, err)}
	}
	return &placeholder{p}, nil
}

// Stop ends the scope and forgets it. One that is gone is no error.
func (u *Unit) Stop() error {
	p, _, err := ask(u.User, "", "stop", u.Name)
	if err != nil {
		return errors.New("stop " + u.Name + ": " + err.Error())
	}
	p.Close(time.Second)
	return nil
}

// attach has systemd move a process into the scope, or a cgroup below it.
func (u *Unit) attach(pid int, sub string) error {
	p, _, err := ask(u.User, "", "attach", strconv.Itoa(pid), sub, u.Name)
	if err != nil {
		return &plan.Error{At: placeAt(), Op: "attach a process to " + u.Name, Err: err}
	}
	p.Close(time.Second)
	return nil
}

// set changes properties of the unit until it ends. When it returns, systemd has
// written its files.
func (u *Unit) set(properties []Property) error {
	if len(properties) == 0 {
		return nil
	}
	p, _, err := ask(u.User, lines(properties), "set", u.Name)
	if err != nil {
		return &plan.Error{At: properties[0].At, Op: "set properties of " + u.Name, Err: err}
	}
	p.Close(time.Second)
	return nil
}

func lines(properties []Property) string {
	var b strings.Builder
	for _, p := range properties {
		b.WriteString(p.Name + "=" + p.Value + "\n")
	}
	return b.String()
}

// Manager is whose unit it is: "system" or "user".
func (u *Unit) Manager() string {
	if u.User {
		return "user"
	}
	return "system"
}

// manager is the cgroup of the user's manager: its slices are below.
func manager() (string, error) {
	p, path, err := ask(true, "", "manager", "")
	if err != nil {
		return "", &plan.Error{At: placeAt(), Err: errors.New("the user's systemd: " + err.Error()), Hint: systemdHint(true, err)}
	}
	p.Close(time.Second)
	return path, nil
}

// ask runs the program that speaks with systemd and reads its answer.
func ask(user bool, properties string, words ...string) (p *program.Dialogue, answer string, err error) {
	who, env := "system", []string(nil)
	if user {
		who, env = "user", []string{"XDG_RUNTIME_DIR=" + os.Getenv("XDG_RUNTIME_DIR")}
	}
	p, err = program.Ask(carried, carriedName, env, append([]string{"corten-scope", who}, words...)...)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", errors.New("this corten was built without what speaks with systemd")
	}
	if err != nil {
		return nil, "", err
	}
	if _, err = p.Stdin.WriteString(properties + "\n"); err == nil {
		answer, err = p.Line(systemdLimit)
	}
	if err == nil {
		verdict, rest, _ := strings.Cut(answer, " ")
		if answer = rest; verdict != "ok" {
			err = errors.New(rest)
		}
	}
	if err != nil {
		p.Close(0)
		return nil, "", err
	}
	return p, answer, nil
}

func systemdHint(user bool, err error) string {
	if text := err.Error(); user && (strings.Contains(text, "no such file") || strings.Contains(text, "connection refused")) {
		return "no systemd runs for this user: XDG_RUNTIME_DIR must be that of a login session, or `loginctl enable-linger` keeps one"
	}
	return ""
}
