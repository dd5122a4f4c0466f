/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that is started, but held back before its first instruction until it is being watched.
 *
 * 1. Between child_start() and child_release() the process exists and has not called exec().
 * 2. Whoever dies before child_release() takes the child along: it sees its pipe closed.
 *
 * The main thread only.
 */
#ifndef PPROFD_COMMAND_CHILD_H
#define PPROFD_COMMAND_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "command/signals.h"

struct child {
	pid_t pid; /* 0: there is none, or it has been waited for */
	int hold_fd;
	int error_fd;
	int status; /* as of waitpid(), once it has exited */
};

#define CHILD_NONE ((struct child){ .hold_fd = -1, .error_fd = -1 })

/* Forks. `argv` ends with NULL. On success *ret is the caller's; child_fini(). Returns 0 or a negative errno. */
_must_check_ int child_start(char *const *argv, const struct signals *signals, struct child *ret);

/* Lets it exec and waits until it has. Returns 0, or the negative errno of exec. */
_must_check_ int child_release(struct child *child);

/* True once it has exited; then status is set. Does not wait. */
bool child_has_exited(struct child *child);

/* Asks a child that still runs to end (SIGTERM), without waiting for it. */
void child_fini(struct child *child);

/* "exited with status 3", "was killed by signal 11 (Segmentation fault)". */
void child_describe_status(int status, struct strbuf *buf);

#endif
