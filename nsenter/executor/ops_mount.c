// SPDX-License-Identifier: Apache-2.0
/* Mounts. Every descriptor that is made is close-on-exec. */
#include "exec.h"
#include "sys.h"

int op_mount(const uint64_t *arg)
{
	return SYS(mount, NULL, arg[0], NULL, arg[1], NULL);
}

int op_open_tree(const uint64_t *arg)
{
	return slot_fill(arg[3], SYS(open_tree, slot_fd(arg[0]), arg[1], arg[2] | OPEN_TREE_CLOEXEC));
}

int op_fsopen(const uint64_t *arg)
{
	return slot_fill(arg[1], SYS(fsopen, arg[0], FSOPEN_CLOEXEC));
}

/*
 * What the kernel says about a failure, from the log of the file system's
 * context (read(2) gives one message a call, "e text\n"), is the record's text.
 */
static int explain(int fs, int err)
{
	char line[256];
	int n;

	while ((n = SYS(read, fs, line, sizeof(line))) > 2) {
		if (line[n - 1] == '\n')
			n--;
		if (exec.text_len > 0)
			say("; ", 2);
		say(line + 2, (size_t)n - 2);
	}
	return err;
}

int op_fsconfig(const uint64_t *arg)
{
	int fs = slot_fd(arg[0]), r;
	const char *key = string(arg[2]), *value = string(arg[3]);

	if (arg[1] == FSCONFIG_SET_FLAG || arg[1] >= FSCONFIG_CMD_CREATE)
		value = NULL;
	if (arg[1] >= FSCONFIG_CMD_CREATE)
		key = NULL;
	r = SYS(fsconfig, fs, arg[1], key, value, 0);
	return r < 0 ? explain(fs, r) : 0;
}

int op_fsmount(const uint64_t *arg)
{
	int fs = slot_fd(arg[0]);
	int fd = SYS(fsmount, fs, FSMOUNT_CLOEXEC, arg[1]);

	return fd < 0 ? explain(fs, fd) : slot_fill(arg[2], fd);
}

int op_mount_setattr(const uint64_t *arg)
{
	struct mount_attr attr = {.attr_set = arg[2], .attr_clr = arg[3], .propagation = arg[4]};

	return SYS(mount_setattr, slot_fd(arg[0]), "", arg[1], &attr, sizeof(attr));
}

/* DEFENCE (CVE-2021-30465): both ends are descriptors, so no path is looked up here. */
int op_move_mount(const uint64_t *arg)
{
	return SYS(move_mount, slot_fd(arg[0]), "", slot_fd(arg[1]), "",
		   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int op_pivot_root(const uint64_t *arg)
{
	return SYS(pivot_root, ".", ".");
}

int op_umount2(const uint64_t *arg)
{
	return SYS(umount2, arg[0], arg[1]);
}

int op_chroot(const uint64_t *arg)
{
	return SYS(chroot, arg[0]);
}
