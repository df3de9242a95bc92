// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// validate refuses values that are wrong whatever the host is like.
func validate(s *specs.Spec) error {
	if err := validateVersion(s.Version); err != nil {
		return err
	}
	if s.Root.Path == "" {
		return refuse(document.Field("root").Field("path"), "must not be empty")
	}
	if s.VM != nil {
		return refuse(document.Field("vm"), "corten makes containers, not virtual machines")
	}
	// Who only creates needs none.
	if s.Process != nil {
		if err := validateProcess(document.Field("process"), s.Process); err != nil {
			return err
		}
	}
	for i := range s.Mounts {
		if err := validateMount(i, &s.Mounts[i]); err != nil {
			return err
		}
	}
	if err := validateHooks(s.Hooks); err != nil {
		return err
	}
	if _, found := s.Annotations[""]; found {
		return refuse(document.Field("annotations").Field(""), "an annotation's key must not be empty")
	}
	if err := validateGroupsAnnotation(s.Annotations); err != nil {
		return err
	}
	if err := validateHookOutputs(s.Annotations); err != nil {
		return err
	}
	return validateLinux(s)
}

// refuse is the error of a wrong value at at.
func refuse(at plan.Pointer, format string, args ...any) error {
	return &plan.Error{At: at, Err: fmt.Errorf(format, args...)}
}

// validateVersion wants semver 2.0.0 of major version 1, such as 1.0.2-dev.
func validateVersion(v string) error {
	at := document.Field("ociVersion")
	core, build, hasBuild := strings.Cut(v, "+")
	core, suffix, hasSuffix := strings.Cut(core, "-")
	numbers := strings.Split(core, ".")
	ok := len(numbers) == 3 && (!hasBuild || validSuffix(build)) && (!hasSuffix || validSuffix(suffix) && !leadingZero(suffix))
	for _, n := range numbers {
		ok = ok && n != "" && strings.Trim(n, "0123456789") == "" && (n == "0" || n[0] != '0')
	}
	if !ok {
		return refuse(at, "want a version such as 1.3.0, got %q", clip(v))
	}
	if numbers[0] != "1" {
		return refuse(at, "version %s is not supported, only 1.x is", clip(v))
	}
	return nil
}

// newerVersion reports whether a valid version has a later minor one than corten's.
func newerVersion(v string) bool {
	minor, _, _ := strings.Cut(v[len("1."):], ".")
	own := strconv.Itoa(specs.VersionMinor)
	return len(minor) > len(own) || len(minor) == len(own) && minor > own
}

func validSuffix(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.IndexFunc(part, func(r rune) bool { return !isAlnum(r) && r != '-' }) >= 0 {
			return false
		}
	}
	return true
}

// leadingZero reports whether a number among the parts has one.
func leadingZero(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if len(part) > 1 && part[0] == '0' && strings.Trim(part, "0123456789") == "" {
			return true
		}
	}
	return false
}

func isAlnum(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
}

// validateProcess checks a process section, which at points to.
func validateProcess(at plan.Pointer, p *specs.Process) error {
	if len(p.Args) == 0 {
		return refuse(at.Field("args"), "args must not be empty")
	}
	if p.Args[0] == "" {
		return refuse(at.Field("args").Index(0), "must not be empty")
	}
	if !path.IsAbs(p.Cwd) {
		return refuse(at.Field("cwd"), "Cwd must be an absolute path")
	}
	for i, e := range p.Env {
		if strings.IndexByte(e, '=') <= 0 {
			return refuse(at.Field("env").Index(i), "want NAME=value, got %q", clip(e))
		}
	}
	for i, l := range p.Rlimits {
		at := at.Field("rlimits").Index(i)
		if !slices.Contains(rlimitNames[:], l.Type) {
			return refuse(at.Field("type"), "unknown rlimit %q", clip(l.Type))
		}
		if slices.ContainsFunc(p.Rlimits[:i], func(o specs.POSIXRlimit) bool { return o.Type == l.Type }) {
			return refuse(at.Field("type"), "%s occurs twice", l.Type)
		}
		if l.Soft > l.Hard {
			return refuse(at.Field("soft"), "%d is above the hard limit %d", l.Soft, l.Hard)
		}
	}
	if m := p.User.Umask; m != nil && *m > 0o777 {
		return refuse(at.Field("user").Field("umask"), "want 0 to 511 (octal 777), got %d", *m)
	}
	if s := p.OOMScoreAdj; s != nil && (*s < -1000 || *s > 1000) {
		return refuse(at.Field("oomScoreAdj"), "want -1000 to 1000, got %d", *s)
	}
	// struct winsize has 16 bits for each. Without a terminal there is none.
	if b := p.ConsoleSize; b != nil && p.Terminal {
		if b.Height > maxUint16 {
			return refuse(at.Field("consoleSize").Field("height"), "want 0 to %d, got %d", maxUint16, b.Height)
		}
		if b.Width > maxUint16 {
			return refuse(at.Field("consoleSize").Field("width"), "want 0 to %d, got %d", maxUint16, b.Width)
		}
	}
	return validateLinuxProcess(at, p)
}

// rlimitNames are those of getrlimit(2), in the order of their numbers.
var rlimitNames = [...]string{"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE",
	"RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS",
	"RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME"}

func validateMount(i int, m *specs.Mount) error {
	if m.Destination == "" {
		return refuse(document.Field("mounts").Index(i).Field("destination"), "must not be empty")
	}
	// The root's descriptor would be stale below a mount on it.
	if path.Join("/", m.Destination) == "/" {
		return refuse(document.Field("mounts").Index(i).Field("destination"), "must not be the root")
	}
	if err := validateIDs(document.Field("mounts").Index(i).Field("uidMappings"), m.UIDMappings); err != nil {
		return err
	}
	return validateIDs(document.Field("mounts").Index(i).Field("gidMappings"), m.GIDMappings)
}

func validateHooks(h *specs.Hooks) error {
	if h == nil {
		return nil
	}
	for _, kind := range hookKinds(h) {
		for i, hook := range kind.list {
			at := document.Field("hooks").Field(kind.name).Index(i)
			if !path.IsAbs(hook.Path) {
				return refuse(at.Field("path"), "want an absolute path, got %q", clip(hook.Path))
			}
			if hook.Timeout != nil && *hook.Timeout <= 0 {
				return refuse(at.Field("timeout"), "want at least 1 second, got %d", *hook.Timeout)
			}
		}
	}
	return nil
}
