/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals that an event loop waits for: SIGINT, SIGTERM and SIGCHLD by a descriptor; SIGPIPE is ignored, so that
 * a closed pipe is an error of write(). The main thread, before it makes others.
 */
#ifndef PPROFD_COMMAND_SIGNALS_H
#define PPROFD_COMMAND_SIGNALS_H

#include <signal.h>

#include "base/cleanup.h"

struct signals {
	int fd; /* readable when a signal is pending */
	sigset_t before;
};

/* Blocks them. Returns 0 or a negative errno; signals_fini() puts back what was. */
_must_check_ int signals_init(struct signals *ret);
void signals_fini(struct signals *signals);

/* The number of the next pending signal; 0 when there is none. */
int signals_take(const struct signals *signals);

/* In a forked child that is going to exec: as if signals_init() had never been. Async-signal-safe. */
void signals_restore_in_child(const struct signals *signals);

#endif
