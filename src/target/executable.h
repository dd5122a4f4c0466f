/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executables that the kernel side has met, by number: number -> file, path, build id.
 *
 * 1. An executable is opened at most once at a time; a failure to open is kept with its reason
 *    and tried again when the kernel side asks again.
 * 2. The open object lives here and is lent to unwind/ and symbolize/.
 * 3. Bounded to PPROFD_EXECUTABLES_MAX entries.
 * 4. What has not been used for EXECUTABLE_IDLE_WINDOWS is closed: an open file cannot be freed by its
 *    deletion, nor its file system be unmounted. With more than EXECUTABLES_OPEN_MAX open files, what was not used
 *    in the last window is closed.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_TARGET_EXECUTABLE_H
#define PPROFD_TARGET_EXECUTABLE_H

#include <pprofd/abi.h>

#include "base/hashmap.h"
#include "target/object.h"

#define EXECUTABLE_IDLE_WINDOWS 4
#define EXECUTABLES_OPEN_MAX 2048

struct executable {
	uint32_t number;
	struct pprofd_executable_key key;
	char name[PPROFD_NAME_MAX]; /* last component, from the kernel: known even when nothing else is */
	struct object *object;      /* NULL while it could not be opened; see object_is_open() */
	int error;                  /* why not: negative errno */
	uint32_t idle_window_cnt;   /* windows that ended since it was used */
};

struct executables {
	struct hashmap by_number; /* number -> struct executable * */
};

void executables_fini(struct executables *executables);

/*
 * Takes in what the kernel side asked for: makes or finds the entry and opens its file through
 * /proc/TGID/map_files below `proc_root` ("/proc"), or, when the range is empty, /proc/TGID/exe.
 * *ret is borrowed.
 *
 * Returns 0 with (*ret)->object open; -ESRCH when the process has gone, -ESTALE when the range now
 * maps another file, -EBADMSG when it is not ELF, another errno of opening: then *ret is set with
 * object NULL or closed, as it was; -ENOMEM or -ENOSPC: *ret untouched.
 */
_must_check_ int executables_open(struct executables *executables, const char *proc_root,
				  const struct pprofd_executable_record *record, struct executable **ret);

/* Registers the vDSO of this process as PPROFD_EXECUTABLE_VDSO. -ENODATA where there is none. */
_must_check_ int executables_add_vdso(struct executables *executables, struct executable **ret);

/* Forgets an executable and closes its file; nothing may have it borrowed. */
void executables_remove(struct executables *executables, uint32_t number);

/* NULL when the number is not known. */
struct executable *executables_find(const struct executables *executables, uint32_t number);

/* As executables_find(), and notes that it was used in this window. */
struct executable *executables_use(const struct executables *executables, uint32_t number);

/*
 * Ends a window: closes what is idle, if `may_close` returns 0 for it. It can be asked for again by
 * executables_open().
 */
void executables_end_window(struct executables *executables,
			    int (*may_close)(void *arg, const struct executable *executable), void *arg);

/* The path when it is known, else the kernel's name of it; never "". */
const char *executable_path(const struct executable *executable);

#endif
