/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs that come and go: the kernel's list of those that are online, and its messages about changes. Any thread.
 */
#ifndef PPROFD_SAMPLE_CPUS_H
#define PPROFD_SAMPLE_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Marks each CPU of a list such as "0-3,8" that is below `cpu_cnt`; the others stay as they are.
 * Returns 0, or -EBADMSG when it is no such list.
 */
_must_check_ int cpus_parse_list(const char *list, bool *marks, uint32_t cpu_cnt);

/*
 * Is this device message (lib/kobject_uevent.c: "offline@/devices/system/cpu/cpu1", then a zero byte and
 * more) about a CPU? Then *ret_cpu is its number and *ret_is_offline says that it went.
 */
bool cpus_parse_message(const char *message, size_t len, uint32_t *ret_cpu, bool *ret_is_offline);

/* A socket with the kernel's device messages that does not block; -1 where they cannot be had. */
int cpus_open_messages(void);

#endif
