// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// labels are the AppArmor profile and the SELinux label that the payload's
// execve changes to, and where they are written.
type labels struct {
	apparmor, selinux         string    // "": not asked for
	procfs                    plan.Slot // while it is open, else None
	apparmorExec, selinuxExec plan.Slot
}

// appArmorSwitch alone says whether AppArmor is enabled: securityfs may be
// hidden, and what cannot be seen must not count as disabled.
const appArmorSwitch = "/sys/module/apparmor/parameters/enabled"

// probeLabels asks whether the host can do what p asks for.
func (h *Host) probeLabels(p *specs.Process) {
	if p.ApparmorProfile != "" {
		text, _ := os.ReadFile(appArmorSwitch)
		h.AppArmor = strings.HasPrefix(string(text), "Y")
	}
	if p.SelinuxLabel != "" {
		h.SELinux = selinuxEnabled()
	}
}

// readLabels fails where something is asked for that the host has not. That
// nothing confines the payload is true on a host without AppArmor; it takes
// the exact word.
func (p *process) readLabels() error {
	p.labels = labels{apparmor: p.spec.ApparmorProfile, selinux: p.spec.SelinuxLabel, procfs: plan.None,
		apparmorExec: plan.None, selinuxExec: plan.None}
	if p.labels.apparmor == "unconfined" && !p.facts.AppArmor {
		p.labels.apparmor = ""
	}
	if p.labels.apparmor != "" && !p.facts.AppArmor {
		return &plan.Error{At: plan.At("/process/apparmorProfile"), Err: errors.New("AppArmor is not enabled on this host"),
			Hint: "it is where " + appArmorSwitch + " says Y"}
	}
	if p.labels.selinux != "" && !p.facts.SELinux {
		return &plan.Error{At: plan.At("/process/selinuxLabel"), Err: errors.New("SELinux is not enabled on this host"),
			Hint: "it is where /proc/filesystems has selinuxfs"}
	}
	return nil
}

// compileProcfs mounts a procfs that no one else can see or reach, with
// nothing in it but the caller. Defence against CVE-2019-16884,
// CVE-2025-52881 and CVE-2025-62596: what an image put over /proc/self/attr
// swallowed the label.
func (p *process) compileProcfs() {
	at := plan.At("/process/apparmorProfile")
	if p.labels.selinux != "" {
		at = plan.At("/process/selinuxLabel")
	}
	if p.labels.apparmor+p.labels.selinux != "" && p.labels.procfs == plan.None {
		p.labels.procfs = compileProcfs(p.b, at, "subset", "pid", "hidepid", "ptraceable")
	}
}

// compileProcfs mounts a procfs on nothing, with options in pairs of key and value.
func compileProcfs(b *plan.Builder, at plan.Pointer, options ...string) plan.Slot {
	fs, proc := b.Slot(), b.Slot()
	b.Fsopen(at, "proc", fs)
	for i := 0; i < len(options); i += 2 {
		b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, options[i], options[i+1])
	}
	b.Fsconfig(at, fs, unix.FSCONFIG_CMD_CREATE, "", "")
	b.Fsmount(at, fs, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, proc)
	b.Done(at, fs)
	return proc
}

// compileAttributes opens the files of this very process. After the last fork
// of a container's creation, because nobody may write another's.
func (p *process) compileAttributes() {
	p.compileProcfs()
	if p.labels.procfs == plan.None {
		return
	}
	if p.labels.apparmor != "" {
		at := plan.At("/process/apparmorProfile")
		p.labels.apparmorExec = p.attribute(at, "apparmor/exec")
		// Kernels before 5.8 have one exec for all security modules.
		p.openAttribute(at, "exec", p.labels.apparmorExec)
		p.b.Else()
		p.b.Check(at, p.labels.apparmorExec, unix.S_IFREG, 0, unix.PROC_SUPER_MAGIC)
	}
	if p.labels.selinux != "" {
		at := plan.At("/process/selinuxLabel")
		p.labels.selinuxExec = p.attribute(at, "exec")
		p.b.Check(at, p.labels.selinuxExec, unix.S_IFREG, 0, unix.PROC_SUPER_MAGIC)
		p.compileKeyLabel(at)
	}
	p.b.Done(plan.At("/process"), p.labels.procfs)
}

// attribute opens a file of attr into a new slot; AppArmor's own may be missing.
func (p *process) attribute(at plan.Pointer, file string) plan.Slot {
	slot := p.b.Slot()
	p.openAttribute(at, file, slot)
	if strings.HasPrefix(file, "apparmor/") {
		p.b.Tolerate("ENOENT")
	}
	return slot
}

func (p *process) openAttribute(at plan.Pointer, file string, slot plan.Slot) {
	// thread-self is a link, but not one that leads out of the procfs.
	p.b.Openat2(at, p.labels.procfs, "thread-self/attr/"+file, unix.O_RDWR|unix.O_CLOEXEC, 0,
		unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV, slot)
}

// compileKeyLabel labels the keyring made next, so that the container's
// processes may use it. execve resets it.
func (p *process) compileKeyLabel(at plan.Pointer) {
	slot := p.attribute(at, "keycreate")
	p.b.Check(at, slot, unix.S_IFREG, 0, unix.PROC_SUPER_MAGIC)
	p.b.Write(at, slot, []byte(p.labels.selinux))
	p.b.CheckLabel(at, slot, selinuxType(p.labels.selinux), ":\n")
	p.b.Done(at, slot)
}

// compileLabels sets what the payload's execve changes to. Before
// no_new_privs, which restricts such changes, and after the hooks of the host,
// which are none of the payload's.
func (p *process) compileLabels() {
	if slot := p.labels.apparmorExec; slot != plan.None {
		at := plan.At("/process/apparmorProfile")
		p.b.Write(at, slot, []byte("exec "+p.labels.apparmor))
		p.b.CheckLabel(at, slot, appArmorName(p.labels.apparmor), " \n")
		p.b.Done(at, slot)
	}
	if slot := p.labels.selinuxExec; slot != plan.None {
		at := plan.At("/process/selinuxLabel")
		p.b.Write(at, slot, []byte(p.labels.selinux))
		p.b.CheckLabel(at, slot, selinuxType(p.labels.selinux), ":\n")
		p.b.Done(at, slot)
	}
}

// appArmorName is what the kernel shows of a profile, before " (enforce)" or
// another mode. A stack, or a name in another policy namespace, it writes in a
// form of its own: then "", which is anything.
func appArmorName(profile string) string {
	if strings.HasPrefix(profile, ":") || strings.Contains(profile, "//&") || strings.HasPrefix(profile, "&") {
		return ""
	}
	return profile
}

// selinuxType is a label up to its type. The kernel sorts what a level says.
func selinuxType(label string) string {
	parts := strings.SplitN(label, ":", 4)
	return strings.Join(parts[:min(3, len(parts))], ":")
}
