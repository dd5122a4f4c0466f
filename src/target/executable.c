/* SPDX-License-Identifier: Apache-2.0 */
#include "target/executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/log.h"

#define EXECUTABLE_DELETED " (deleted)"

/* Where one executable is looked for: its link below /proc, and what the kernel side knows of it. */
struct executable_source {
	const char *proc_root;
	const struct pprofd_executable_record *record;
	char link[PATH_MAX];
	char path[PATH_MAX]; /* as the target sees it; "" while unknown */
};

static void executable_free(struct executable *executable)
{
	if (!executable)
		return;
	object_free(executable->object);
	free(executable);
}
DEFINE_CLEANUP(struct executable, executable_free);

void executables_fini(struct executables *executables)
{
	const struct hashmap_entry *entry;
	size_t pos = 0;

	while ((entry = hashmap_next(&executables->by_number, &pos)))
		executable_free((struct executable *)(uintptr_t)entry->value);
	hashmap_fini(&executables->by_number);
}

struct executable *executables_find(const struct executables *executables, uint32_t number)
{
	const uint64_t *value = hashmap_find(&executables->by_number, number);

	return value ? (struct executable *)(uintptr_t)*value : NULL;
}

struct executable *executables_use(const struct executables *executables, uint32_t number)
{
	struct executable *executable = executables_find(executables, number);

	if (executable)
		executable->idle_window_cnt = 0;
	return executable;
}

/* Only what has a descriptor is worth closing: the vDSO has none. */
static bool executable_holds_file(const struct executable *executable)
{
	return executable->object && executable->object->fd >= 0;
}

static size_t executables_count_open(const struct executables *executables)
{
	const struct hashmap_entry *entry;
	size_t pos = 0, cnt = 0;

	while ((entry = hashmap_next(&executables->by_number, &pos)))
		cnt += executable_holds_file((const struct executable *)(uintptr_t)entry->value);
	return cnt;
}

void executables_end_window(struct executables *executables,
			    int (*may_close)(void *arg, const struct executable *executable), void *arg)
{
	bool are_many = executables_count_open(executables) > EXECUTABLES_OPEN_MAX;
	uint32_t idle_max = are_many ? 1 : EXECUTABLE_IDLE_WINDOWS;
	const struct hashmap_entry *entry;
	size_t pos = 0;

	while ((entry = hashmap_next(&executables->by_number, &pos))) {
		struct executable *executable = (struct executable *)(uintptr_t)entry->value;

		if (!executable_holds_file(executable))
			continue;
		/* 0: used in the window that ends now. */
		if (executable->idle_window_cnt >= idle_max && may_close(arg, executable) == 0)
			object_close(executable->object);
		executable->idle_window_cnt++;
	}
}

void executables_remove(struct executables *executables, uint32_t number)
{
	executable_free(executables_find(executables, number));
	hashmap_remove(&executables->by_number, number);
}

const char *executable_path(const struct executable *executable)
{
	if (executable->object)
		return executable->object->path;
	return executable->name[0] ? executable->name : "[unknown]";
}

static int executables_add(struct executables *executables, uint32_t number, struct executable **ret)
{
	_cleanup_(executable_freep) struct executable *executable = NULL;
	int err;

	if (executables->by_number.cnt >= PPROFD_EXECUTABLES_MAX)
		return -ENOSPC;
	executable = calloc(1, sizeof(*executable));
	if (!executable)
		return -ENOMEM;
	executable->number = number;
	executable->error = -ENODATA;
	err = hashmap_put(&executables->by_number, number, (uintptr_t)executable);
	if (err < 0)
		return err;
	*ret = take_ptr(executable);
	return 0;
}

/* How the file system of `fd` shows its files: does stat() tell the numbers that the kernel side reads? */
static void executable_read_fs(int fd, bool *ret_inode_differs, bool *ret_dev_differs)
{
	struct statfs fs;

	*ret_inode_differs = *ret_dev_differs = false;
	if (fstatfs(fd, &fs) < 0)
		return;
	/* A mapping of an overlay holds the file of the layer below: fs/overlayfs/file.c, ovl_mmap(). */
	*ret_inode_differs = fs.f_type == OVERLAYFS_SUPER_MAGIC;
	/* Each subvolume shows a device number of its own: fs/btrfs/inode.c, btrfs_getattr(). */
	*ret_dev_differs = *ret_inode_differs || fs.f_type == BTRFS_SUPER_MAGIC;
}

/* Is the open file the one that the kernel side met? 0 or -ESTALE. */
static int executable_verify(int fd, const struct pprofd_executable_key *key)
{
	bool inode_differs, dev_differs;
	struct stat status;
	uint32_t dev;

	if (fstat(fd, &status) < 0)
		return -errno;
	dev = (uint32_t)major(status.st_dev) << 20 | (uint32_t)minor(status.st_dev);
	if (status.st_ino == key->inode && dev == key->dev)
		return 0;
	executable_read_fs(fd, &inode_differs, &dev_differs);
	if ((status.st_ino != key->inode && !inode_differs) || (dev != key->dev && !dev_differs))
		return -ESTALE;
	return 0;
}

/* Opens a regular file. What drivers do when their device is opened is none of our business. */
static int executable_open_regular(const char *path, int *ret)
{
	struct stat status;
	int fd;

	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EBADMSG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

static void executable_read_path(struct executable_source *source)
{
	ssize_t len = readlink(source->link, source->path, sizeof(source->path) - 1);
	size_t tail = sizeof(EXECUTABLE_DELETED) - 1;

	if (len < 0)
		len = 0;
	source->path[len] = '\0';
	if ((size_t)len > tail && strcmp(source->path + len - tail, EXECUTABLE_DELETED) == 0)
		source->path[len - tail] = '\0';
}

/*
 * Following a map_files link takes CAP_CHECKPOINT_RESTORE (Linux 12886f8ab10c ("proc: Allow access to
 * /proc/PID/map_files with CAP_CHECKPOINT_RESTORE") (v5.9)), reading it does not: without the
 * capability the path below the process's root is as good, as long as the file was not deleted.
 */
static int executable_open_below_root(const struct executable_source *source, int *ret)
{
	char path[PATH_MAX];
	int len;

	if (source->path[0] != '/')
		return -EPERM;
	len = snprintf(path, sizeof(path), "%s/%u/root%s", source->proc_root, source->record->tgid, source->path);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return executable_open_regular(path, ret);
}

/* No such link: has the process gone, or has it another mapping there by now? */
static int executable_explain_missing(const struct executable_source *source)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%u", source->proc_root, source->record->tgid);
	return access(path, F_OK) < 0 ? -ESRCH : -ESTALE;
}

static int executable_open_source(struct executable_source *source, int *ret)
{
	const struct pprofd_executable_record *record = source->record;
	_cleanup_(closep) int fd = -1;
	int err;

	if (record->vma_start == record->vma_end)
		snprintf(source->link, sizeof(source->link), "%s/%u/exe", source->proc_root, record->tgid);
	else
		snprintf(source->link, sizeof(source->link), "%s/%u/map_files/%" PRIx64 "-%" PRIx64, source->proc_root,
			 record->tgid, (uint64_t)record->vma_start, (uint64_t)record->vma_end);
	executable_read_path(source);
	err = executable_open_regular(source->link, &fd);
	if (err == -EPERM || err == -EACCES)
		err = executable_open_below_root(source, &fd);
	if (err == -ENOENT || err == -ESRCH)
		return executable_explain_missing(source);
	if (err < 0)
		return err;
	err = executable_verify(fd, &record->key);
	if (err < 0)
		return err;
	*ret = take_fd(fd);
	return 0;
}

static int executable_open(struct executable *executable, const char *proc_root,
			   const struct pprofd_executable_record *record)
{
	struct executable_source source = { .proc_root = proc_root, .record = record };
	struct object *object;
	int fd = -1;
	int err = executable_open_source(&source, &fd);

	if (err < 0) {
		log_debug("%s: %s", source.link, strerror(-err));
		return err;
	}
	err = object_new_fd(fd, source.path[0] ? source.path : executable_path(executable), &object);
	if (err < 0)
		return err;
	object_free(executable->object);
	executable->object = object;
	return 0;
}

int executables_open(struct executables *executables, const char *proc_root,
		     const struct pprofd_executable_record *record, struct executable **ret)
{
	struct executable *executable = executables_find(executables, record->number);
	int err;

	if (!executable) {
		err = executables_add(executables, record->number, &executable);
		if (err < 0)
			return err;
		executable->key = record->key;
		memcpy(executable->name, record->name, sizeof(executable->name));
		executable->name[sizeof(executable->name) - 1] = '\0';
	}
	executable->idle_window_cnt = 0;
	if (!executable->object || !object_is_open(executable->object)) {
		err = executable_open(executable, proc_root, record);
		if (err == -ENOMEM)
			return err;
		executable->error = err;
	}
	*ret = executable;
	return executable->error;
}

/* The bytes of the vDSO from its own headers, which the kernel made: they end with the section table. */
static size_t vdso_size(const Elf64_Ehdr *header)
{
	const Elf64_Phdr *phdrs = (const void *)((const char *)header + header->e_phoff);
	size_t end = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	for (size_t i = 0; i < header->e_phnum; i++) {
		if (phdrs[i].p_type == PT_LOAD && phdrs[i].p_offset + phdrs[i].p_filesz > end)
			end = phdrs[i].p_offset + phdrs[i].p_filesz;
	}
	return end;
}

int executables_add_vdso(struct executables *executables, struct executable **ret)
{
	struct executable *executable = executables_find(executables, PPROFD_EXECUTABLE_VDSO);
	void *image = (void *)getauxval(AT_SYSINFO_EHDR); /* NOLINT(performance-no-int-to-ptr) */
	int err;

	if (!image)
		return -ENODATA;
	if (!executable) {
		err = executables_add(executables, PPROFD_EXECUTABLE_VDSO, &executable);
		if (err < 0)
			return err;
		memcpy(executable->name, "[vdso]", sizeof("[vdso]"));
		executable->key.ctime_ns = PPROFD_EXECUTABLE_VDSO;
	}
	if (!executable->object) {
		err = object_new_memory(image, vdso_size(image), "[vdso]", &executable->object);
		if (err < 0)
			return err;
		executable->error = 0;
	}
	*ret = executable;
	return 0;
}
