/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What profiling needs of a machine and of the privileges of this process, as read from /proc and /sys. Nothing is
 * tried out here. Any thread.
 */
#ifndef PPROFD_COMMAND_CHECK_MACHINE_H
#define PPROFD_COMMAND_CHECK_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum check_status {
	CHECK_OK,
	CHECK_WARN, /* works, but less of it */
	CHECK_FAIL, /* does not work */
};

struct check_row {
	const char *name;
	enum check_status status;
	char state[160];    /* what was found */
	const char *remedy; /* NULL when there is nothing to do */
};

#define CHECK_ROWS_MAX 32

/*
 * Fills `ret` (CHECK_ROWS_MAX) in the order in which to read it, and returns how many there are. Files are read below
 * `root` ("" for this machine); `sample_hz` is the rate that is wanted.
 */
size_t check_machine(const char *root, uint64_t sample_hz, struct check_row *ret);

#endif
