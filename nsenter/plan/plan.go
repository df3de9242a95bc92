// SPDX-License-Identifier: Apache-2.0

// Package plan is the list of system calls the executor runs to make a
// container, each with the JSON pointer of the field of config.json it comes
// from: how it is built, encoded for the executor, decoded and printed.
//
// Building a plan has no effect and asks the kernel nothing.
package plan

import "strings"

//go:generate go run ./gen

// Slot is a numbered place for a descriptor in the executor, like a register.
// The plan's inputs fill the first slots.
type Slot uint16

const (
	// None is no slot: a step without a condition.
	None Slot = 0xffff
	// Cwd is AT_FDCWD: the executor's working directory, or the root it has
	// then for an absolute path.
	Cwd Slot = 0xfffe

	maxSlots = 4096
	maxArgs  = 6
)

// CheckNot, in the magic of a check step: any file system but this one.
const CheckNot = 1 << 63

// TargetNoFollow, in the mode of a target step: the last name itself, though it
// be a symbolic link.
const TargetNoFollow = 1 << 16

// What copy_attributes copies.
const (
	CopyMode  = 1 << 0
	CopyOwner = 1 << 1
)

// Flags of a step.
const (
	flagElse   = 1 << 0
	flagUnless = 1 << 1
)

// Input is a descriptor the runtime opens before the clone. Input i fills
// slot i. An encoded plan, whose inputs have been opened, has the first four fields
// of it.
type Input struct {
	At       Pointer
	Kind     InputKind
	Path     string // what to open; "" where the kind says it all
	Tree     bool   // KindTree: with the mounts below it (AT_RECURSIVE)
	NoFollow bool   // KindTree: Path itself, though it be a symbolic link
	IDMap    *IDMap // KindTree: set on the clone; nil: none
	FD       int    // KindNamespace: opened already
	Or       string // KindCgroup: in place of Path where that could not be made
}

// IDMap is the id mapping of a mount: that of the user namespace at UserNS, or
// of a new one with the maps given, as /proc/PID/uid_map takes them. An id of
// the file system is the map's inner one, the id seen through the mount its
// outer one (mount_setattr(2), MOUNT_ATTR_IDMAP).
type IDMap struct {
	At        Pointer
	UserNS    string
	UIDs      string
	GIDs      string
	Recursive bool // for the mounts below too
}

// InputKind is how the runtime opens an Input.
type InputKind uint8

// The kinds of inputs. The comment says what Path is.
const (
	// KindTree is open_tree(2) with OPEN_TREE_CLONE of Path: a detached mount.
	KindTree InputKind = iota + 1
	// KindNamespace is open(2) of a namespace file at Path.
	KindNamespace
	// KindGate is the container's exec.fifo.
	KindGate
	// KindConsole is the socket the terminal's descriptor is sent to.
	KindConsole
	// KindPidfd is pidfd_open(2) of the container's first process.
	KindPidfd
	// KindCgroup is open_tree(2) with OPEN_TREE_CLONE of the container's own
	// cgroup directory Path.
	KindCgroup
	// KindInherited is the runtime's own descriptor with the number Path.
	KindInherited
	// KindAppend is open(2) of the file Path to append to, made if it is missing.
	KindAppend
	// KindUsers is a new user namespace; Path has its maps for a reader.
	KindUsers
)

// Step is one operation. Args are in the order of the op's signature:
// uint64 for u, string for s, []string for v, []byte for b, Slot for f and F.
type Step struct {
	At       Pointer
	Op       Op
	Else     bool // run only if the previous step that ran was tolerated
	When     Slot // run only if this slot is full; None: always
	Unless   bool // When inverted: run only if the slot is empty
	Tolerate []Errno
	Args     []any
}

// Plan is what the executor does, in order.
type Plan struct {
	Inputs []Input
	Steps  []Step
	Stamps bool // behind the inputs comes memory of 8 bytes a step, for the time at which it begins
}

// Builder appends steps. The constructors of the ops, one each, are generated
// from ops.def; every one takes the pointer first.
type Builder struct {
	Plan
	args []any // of all steps
	next int
	free []Slot
	when Slot
	not  bool
}

// NewBuilder returns a Builder of an empty plan. There is room for the steps and
// arguments of a usual one: what of it is not used is memory that nobody has touched.
func NewBuilder() *Builder {
	room := new(struct {
		steps [512]Step
		args  [1536]any
	})
	return &Builder{Plan: Plan{Steps: room.steps[:0]}, args: room.args[:0], when: None}
}

// Input adds a descriptor the runtime opens and returns its slot. All inputs
// are added before the first Slot is taken.
func (b *Builder) Input(in Input) Slot {
	if b.next != len(b.Inputs) {
		panic("plan: input after a slot was taken")
	}
	b.Inputs = append(b.Inputs, in)
	b.next++
	return b.newest()
}

// Slot takes an empty slot. A plan that needs more than there are is an error
// of Encode.
func (b *Builder) Slot() Slot {
	if n := len(b.free); n > 0 {
		s := b.free[n-1]
		b.free = b.free[:n-1]
		return s
	}
	b.next++
	return b.newest()
}

// newest is the slot taken last; maxSlots, which is none, if there are no more.
func (b *Builder) newest() Slot { return Slot(min(b.next-1, maxSlots)) }

// Done closes the slots and gives them back. Closing an empty slot does
// nothing, so Done is right whatever was tolerated before.
func (b *Builder) Done(at Pointer, slots ...Slot) {
	for _, s := range slots {
		b.Close(at, s)
		b.free = append(b.free, s)
	}
}

// Release gives slots back that a step has emptied.
func (b *Builder) Release(slots ...Slot) { b.free = append(b.free, slots...) }

// When makes the steps added by f conditional: they run only if slot s is full.
func (b *Builder) When(s Slot, f func()) { b.condition(s, false, f) }

// Unless makes the steps added by f conditional: they run only if slot s is
// empty.
func (b *Builder) Unless(s Slot, f func()) { b.condition(s, true, f) }

func (b *Builder) condition(s Slot, not bool, f func()) {
	if b.when != None {
		panic("plan: conditions do not nest")
	}
	b.when, b.not = s, not
	f()
	b.when, b.not = None, false
}

// Tolerate lets the step before go on when it fails with one of errs.
func (b *Builder) Tolerate(errs ...Errno) { b.last().Tolerate = tolerated(tolerateMask(errs)) }

// Else makes the step before run only if the one that ran before it was
// tolerated.
func (b *Builder) Else() { b.last().Else = true }

func (b *Builder) last() *Step { return &b.Steps[len(b.Steps)-1] }

func (b *Builder) add(at Pointer, op Op, args ...any) {
	n := len(b.args)
	b.args = append(b.args, args...)
	b.Steps = append(b.Steps, Step{At: at, Op: op, When: b.when, Unless: b.not, Args: b.args[n:len(b.args):len(b.args)]})
}

// Errno is an error a step may tolerate, by its name, such as "ENOENT".
type Errno string

// tolerable are the errnos in the bit order of TOLERABLE in plan.h.
var tolerable = [...]Errno{"ENOENT", "EEXIST", "EPERM", "EINVAL", "ENOSYS", "EBUSY",
	"EACCES", "ENOTDIR", "EOPNOTSUPP", "EDQUOT", "ENODEV", "EROFS"}

func tolerateMask(errs []Errno) uint32 {
	var mask uint32
	for _, e := range errs {
		bit := -1
		for i, t := range tolerable {
			if t == e {
				bit = i
			}
		}
		if bit < 0 {
			panic("plan: errno " + string(e) + " is not in TOLERABLE")
		}
		mask |= 1 << bit
	}
	return mask
}

// tolerated is the set in the order of its bits.
func tolerated(mask uint32) (errs []Errno) {
	for i, e := range tolerable {
		if mask&(1<<i) != 0 {
			errs = append(errs, e)
		}
	}
	return
}

// validString reports whether s can be a C string.
func validString(s string) bool { return strings.IndexByte(s, 0) < 0 }
