/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc/PID says of a process, for messages to people. It may have exited by the time this is read. Any thread.
 */
#ifndef PPROFD_TARGET_PROCESS_H
#define PPROFD_TARGET_PROCESS_H

#include <pprofd/limits.h>
#include <stdint.h>

#include "base/cleanup.h"

struct process {
	uint32_t tgid;        /* of its thread group: differs from the pid asked for when that is a thread's */
	uint64_t start_ticks; /* since boot, of sysconf(_SC_CLK_TCK) a second; with the tgid it names one process */
	char comm[PPROFD_COMM_MAX];
	char *exe; /* path as its mount namespace has it; NULL for kernel threads, and where it may not be read */
};

/*
 * Reads process (or thread) `pid` below `proc_root` ("/proc"). On success *ret is the caller's; process_fini().
 * Returns 0, -ESRCH when there is none, -EBADMSG when /proc is not as proc(5) says, another errno of reading.
 */
_must_check_ int process_read(const char *proc_root, uint32_t pid, struct process *ret);
void process_fini(struct process *process);

#endif
