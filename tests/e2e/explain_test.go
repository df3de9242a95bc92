// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// unrunnable is a program that the kernel does not execute, as its user calls it.
type unrunnable struct {
	args string
	uid  uint32 // of the process
	cwd  string // "": /
	want string // the error from the program's name on
}

const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// programs are those that brokenPrograms makes in a rootfs.
var programs = []unrunnable{
	{args: "/script", want: `"/script": exec format error (/script is a script without a #! line that names its interpreter)`},
	{args: "/empty", want: `"/empty": exec format error (/empty is empty)`},
	{args: "/crlf", want: `"/crlf": no such file or directory (the #! line of /crlf ends in CR LF: the kernel looks for "/bin/sh\r")`},
	{args: "/bash", want: `"/bash": no such file or directory (the interpreter of /bash, /bin/bash, is missing)`},
	{args: "/twice", want: `"/twice": no such file or directory (the interpreter of /twice: the interpreter of /bash, /bin/bash, is missing)`},
	{args: "/unreadable", want: `"/unreadable": permission denied (the interpreter of /unreadable: /plain (mode 0644, owner 0:0) lacks x for everyone)`},
	{args: "/bom", want: `"/bom": exec format error (/bom has a byte order mark before its #! line)`},
	{args: "/dynamic", want: `"/dynamic": no such file or directory (the loader of /dynamic, LOADER, is missing`},
	{args: "/foreign", want: `"/foreign": exec format error (/foreign is a program for s390x, and this machine is MACHINE)`},
	{args: "/damaged", want: `"/damaged": exec format error (/damaged is a damaged ELF file)`},
	{args: "/object", want: `"/object": exec format error (/object is an ELF file, but no program: it has to be linked)`},
	{args: "/windows", want: `"/windows": exec format error (/windows is a program for Windows)`},
	{args: "/plain", want: `"/plain": permission denied (/plain (mode 0644, owner 0:0) lacks x for everyone)`},
	{args: "/etc", want: `"/etc": permission denied (/etc is a directory)`},
	{args: "/fifo", want: `"/fifo": permission denied (/fifo is no regular file)`},
	{args: "/nowhere/x", want: `"/nowhere/x": no such file or directory (there is no /nowhere)`},
	{args: "/missing", want: `"/missing": no such file or directory [`},
	{args: "/plain/x", want: `"/plain/x": no such file or directory (/plain is no directory)`},
	{args: "/dangling", want: `"/dangling": no such file or directory (/dangling is a symbolic link to ../../nowhere/x, and there is no /nowhere)`},
	{args: "/loop", want: `"/loop": no such file or directory (/loop is a symbolic link to loop, one of too many)`},
	{args: "./missing", cwd: "/etc", want: `"./missing": no such file or directory (there is no /etc/missing)`},
	{args: "missing", want: `"missing": executable file not found in $PATH (PATH=` + standardPath + `)`},
	{args: "unusable", want: `"unusable": permission denied (/bin/unusable (mode 0600, owner 0:0) lacks x for everyone)`},
	{args: "/volume/noexec", want: `"/volume/noexec": permission denied (/volume/noexec lies in /volume, which `},
	{args: "/secret/busybox", uid: 1000, want: `"/secret/busybox": permission denied (/secret (mode 0700, owner 0:0) lacks x for uid 1000)`},
	{args: "/link", uid: 1000, want: `"/link": permission denied (/secret (mode 0700, owner 0:0) lacks x for uid 1000)`},
	{args: "/private", uid: 1000, want: `"/private": permission denied (/private (mode 0750, owner 0:7) lacks x for uid 1000)`},
}

// brokenPrograms makes them, and returns the volume of the mount without exec.
func brokenPrograms(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("the package gcc is missing")
	}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(b.Rootfs(name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	busybox := b.Text(b.Rootfs("bin/busybox"))
	write("script", "echo hello\n", 0o755)
	write("empty", "", 0o755)
	write("crlf", "#!/bin/sh\r\necho hello\r\n", 0o755)
	write("bash", "#! /bin/bash -e\necho hello\n", 0o755)
	write("twice", "#!/bash\n", 0o755)
	write("plain", "#!/bin/sh\n", 0o644)
	write("unreadable", "#!/plain\n", 0o755)
	write("bom", "\ufeff#!/bin/sh\n", 0o755)
	write("foreign", busybox[:5]+"\x02"+busybox[6:16]+"\x00\x02\x00\x16"+busybox[20:], 0o755)
	write("damaged", busybox[:40], 0o755)
	write("object", busybox[:16]+"\x01\x00"+busybox[18:], 0o755)
	write("windows", "MZ\x90\x00\x03\x00", 0o755)
	write("bin/unusable", "#!/bin/sh\n", 0o600)
	write("private", busybox, 0o750)
	write("dynamic", b.Text(dynamicProgram(t)), 0o755)
	for link, target := range map[string]string{"dangling": "../../nowhere/x", "loop": "loop", "link": "/secret/busybox"} {
		if err := os.Symlink(target, b.Rootfs(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(b.Rootfs("fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(b.Rootfs("private"), 0, 7); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"secret", "volume"} {
		if err := os.Mkdir(b.Rootfs(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		write(dir+"/busybox", busybox, 0o755)
	}
}

// dynamicProgram is a program that needs a loader.
func dynamicProgram(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dynamic")
	cmd := exec.Command("gcc", "-x", "c", "-o", file, "-")
	cmd.Stdin = strings.NewReader("int main(void) { return 0; }\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// edit makes it the container's program.
func (p *unrunnable) edit(s *specs.Spec) {
	s.Process.Args, s.Process.User.UID = []string{p.args}, p.uid
	s.Process.Env = []string{"PATH=" + standardPath}
	if p.cwd != "" {
		s.Process.Cwd = p.cwd
	}
	if p.uid != 0 {
		s.Process.Capabilities = nil
	}
}

// check compares what was said, and that no words are in it which engines take for another failure.
func (p *unrunnable) check(t *testing.T, how string, r bundle.Result, status int) {
	t.Helper()
	machine, loader := "x86_64", "/lib64/ld-linux-x86-64.so.2"
	if runtime.GOARCH == "arm64" {
		machine, loader = "aarch64", "/lib/ld-linux-aarch64.so.1"
	}
	want := "exec: " + strings.NewReplacer("MACHINE", machine, "LOADER", loader).Replace(p.want)
	if r.Status != status || !strings.Contains(r.Stderr, want) {
		t.Errorf("%s %s: exit status %d, %s\nwant %d, %s", how, p.args, r.Status, r.Stderr, status, want)
	}
	for errno, others := range map[string][]string{
		"no such file or directory":     {"permission denied", "is a directory", "not a directory", "not permitted"},
		"executable file not found in ": {"permission denied", "is a directory", "not a directory", "not permitted"},
		"permission denied":             {"no such file", "not found", "not a directory"},
	} {
		for _, other := range others {
			if strings.Contains(p.want, ": "+errno) && strings.Contains(r.Stderr, other) {
				t.Errorf("%s %s: the words %q are in %s", how, p.args, other, r.Stderr)
			}
		}
	}
}

// volumeOf is a mount without exec, of a program that is none the worse for it.
func volumeOf(t *testing.T, b *bundle.Bundle) bundle.Edit {
	t.Helper()
	source := b.Volume("v", "noexec", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(source, "noexec"), 0o755); err != nil {
		t.Fatal(err)
	}
	return bundle.Mount("/volume", "bind", source, "rbind", "noexec")
}

// What is wrong with a program is said after the errno's text: by run, by create or start, and by exec.
func TestWhyAProgramIsNotExecuted(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t)
	brokenPrograms(t, b)
	explained(t, b, bundle.Base, volumeOf(t, b))
}

// The same for a user without privilege, who is root in the container.
func TestWhyAProgramIsNotExecutedRootless(t *testing.T) {
	var spec *specs.Spec
	b := rootless(t, func(s *specs.Spec) { spec = s })
	brokenPrograms(t, b)
	volume := volumeOf(t, b)
	b.AsUser()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	explained(t, b, func() *specs.Spec {
		fresh := new(specs.Spec)
		if err := json.Unmarshal(text, fresh); err != nil {
			t.Fatal(err)
		}
		return fresh
	}, volume)
}

// explained runs all programs in containers of base.
func explained(t *testing.T, b *bundle.Bundle, base func() *specs.Spec, volume bundle.Edit) {
	t.Helper()
	rootless := base().Linux.UIDMappings != nil
	for i := range programs {
		p := &programs[i]
		if rootless && p.uid != 0 {
			continue // only root is mapped
		}
		spec := base()
		p.edit(spec)
		volume(spec)
		b.Write(spec)
		p.check(t, "run", b.Run(), 1)
		r := b.Corten("create", "--bundle", b.Dir, b.ID)
		if r.Status == 0 {
			r = b.Corten("start", b.ID)
		}
		p.check(t, "create, start", r, 1)
		b.Corten("delete", "--force", b.ID).OK(b)
	}
	spec := base()
	volume(spec)
	spec.Process.Args = []string{"sleep", "1000"}
	b.Write(spec)
	b.Detach()
	for i := range programs {
		p := &programs[i]
		if rootless && p.uid != 0 {
			continue
		}
		spec := base()
		p.edit(spec)
		p.check(t, "exec", b.Exec("--process", processFile(t, b, spec.Process), "ID"), 255)
	}
}
