// SPDX-License-Identifier: Apache-2.0

// Command scope asks systemd for the units of containers. corten carries it
// and runs it only for the systemd cgroup driver: D-Bus costs half a
// millisecond at every start of a program that can speak it.
//
//	scope (system|user) start NAME.scope   then stays in the scope until its input ends
//	scope (system|user) attach PID SUB UNIT   moves a process of the caller's into the unit's SUB cgroup
//	scope (system|user) set UNIT
//	scope (system|user) stop UNIT
//	scope (system|user) manager            where the manager itself is
//
// Properties are lines of the input, up to an empty one: Name=value, a value
// being a variant in D-Bus's text format; that of DeviceAllow is "NAME ACCESS,
// NAME ACCESS", for the format has no structures. The answer is one line: "ok" and,
// for start and manager, the path of the cgroup; or "error" and what failed.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// deadline is for all that one run asks of systemd.
const deadline = 30 * time.Second

func main() {
	input := bufio.NewReader(os.Stdin)
	path, err := run(input)
	if err != nil {
		fmt.Println("error", strings.ReplaceAll(explain(err), "\n", " "))
		os.Exit(1)
	}
	fmt.Println("ok", path)
	// A scope without processes ends: stay until the container's is there.
	_, _ = io.Copy(io.Discard, input)
}

func run(input *bufio.Reader) (path string, err error) {
	if len(os.Args) < 3 {
		return "", errors.New("not to be run by hand")
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	properties, err := read(input)
	if err != nil {
		return "", err
	}
	conn, manager, err := connect(ctx, os.Args[1] == "user")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if os.Args[2] == "attach" && len(os.Args) == 6 {
		return "", attach(ctx, conn, manager, os.Args[3:])
	}
	properties = understood(conn, properties)
	switch verb, unit := os.Args[2], os.Args[len(os.Args)-1]; verb {
	case "start":
		return start(ctx, conn, unit, properties)
	case "set":
		return "", set(ctx, conn, unit, properties)
	case "stop":
		return "", stop(ctx, conn, unit)
	case "manager":
		text, err := conn.GetManagerProperty("ControlGroup")
		return strings.Trim(text, `"`), err
	}
	return "", errors.New("unknown verb " + os.Args[2])
}

func read(input *bufio.Reader) (list []systemd.Property, err error) {
	for {
		line, err := input.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if line == "" || err != nil {
			return list, nil
		}
		name, text, _ := strings.Cut(line, "=")
		value, err := variant(name, text)
		if err != nil {
			return nil, fmt.Errorf("property %s: %w", name, err)
		}
		list = append(list, systemd.Property{Name: name, Value: value})
	}
}

func variant(name, text string) (dbus.Variant, error) {
	if name != "DeviceAllow" {
		return dbus.ParseVariant(text, dbus.Signature{})
	}
	type rule struct{ Name, Access string }
	list := []rule{}
	if text == "" {
		return dbus.MakeVariant(list), nil
	}
	for part := range strings.SplitSeq(text, ", ") {
		device, access, _ := strings.Cut(part, " ")
		list = append(list, rule{device, access})
	}
	return dbus.MakeVariant(list), nil
}

// understood leaves out the weight of the idle, which systemd knows since 252:
// the kernel's file has it all the same.
func understood(conn *systemd.Conn, list []systemd.Property) []systemd.Property {
	isIdle := func(p systemd.Property) bool { return p.Name == "CPUWeight" && p.Value.Value() == uint64(0) }
	if !slices.ContainsFunc(list, isIdle) {
		return list
	}
	text, _ := conn.GetManagerProperty("Version")
	version := 0
	if _, err := fmt.Sscan(strings.Trim(text, `"v`), &version); err == nil && version >= 252 {
		return list
	}
	return slices.DeleteFunc(list, isIdle)
}

// start makes the scope around this process. A unit of that name that failed
// once is forgotten first.
func start(ctx context.Context, conn *systemd.Conn, unit string, properties []systemd.Property) (string, error) {
	// 0 is who asks: systemd may be in another PID namespace.
	properties = append(properties, systemd.PropPids(0))
	err := job(ctx, func(done chan<- string) error {
		_, err := conn.StartTransientUnitContext(ctx, unit, "fail", properties, done)
		return err
	})
	if is(err, "org.freedesktop.systemd1.UnitExists") && dead(ctx, conn, unit) {
		_ = conn.ResetFailedUnitContext(ctx, unit)
		err = job(ctx, func(done chan<- string) error {
			_, err := conn.StartTransientUnitContext(ctx, unit, "fail", properties, done)
			return err
		})
	}
	if err != nil {
		return "", err
	}
	property, err := conn.GetUnitTypePropertyContext(ctx, unit, "Scope", "ControlGroup")
	if err != nil {
		return "", err
	}
	path, _ := property.Value.Value().(string)
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	if path == "" || !strings.Contains(string(own), ":"+path+"\n") {
		return "", errors.New("systemd says the scope is at " + path + ", where its process is not")
	}
	return path, nil
}

// attach moves a process whose cgroup is not the caller's to leave: systemd
// asks the manager above it, which may.
func attach(ctx context.Context, conn *systemd.Conn, manager int32, words []string) error {
	if !sameNumbers(manager) {
		return errors.New("systemd is in another PID namespace: it cannot be told which process to move")
	}
	n, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil {
		return err
	}
	return conn.AttachProcessesToUnit(ctx, words[2], words[1], []uint32{uint32(n)})
}

// set returns when systemd has written the files, too: that is done before it
// reads the next message.
func set(ctx context.Context, conn *systemd.Conn, unit string, properties []systemd.Property) error {
	if err := conn.SetUnitPropertiesContext(ctx, unit, true, properties...); err != nil {
		return err
	}
	_, err := conn.GetUnitPropertyContext(ctx, unit, "ActiveState")
	return err
}

func dead(ctx context.Context, conn *systemd.Conn, unit string) bool {
	property, err := conn.GetUnitPropertyContext(ctx, unit, "ActiveState")
	if err != nil {
		return false
	}
	state, _ := property.Value.Value().(string)
	return state == "failed" || state == "inactive"
}

func stop(ctx context.Context, conn *systemd.Conn, unit string) error {
	err := job(ctx, func(done chan<- string) error {
		_, err := conn.StopUnitContext(ctx, unit, "replace", done)
		return err
	})
	_ = conn.ResetFailedUnitContext(ctx, unit)
	if is(err, "org.freedesktop.systemd1.NoSuchUnit") {
		return nil
	}
	return err
}

// job waits for the end of what it starts.
func job(ctx context.Context, start func(done chan<- string) error) error {
	done := make(chan string, 1)
	if err := start(done); err != nil {
		return err
	}
	select {
	case result := <-done:
		if result != "done" {
			return errors.New("the job ended as " + result)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func is(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

func explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "systemd did not answer within " + deadline.String()
	}
	return err.Error()
}
