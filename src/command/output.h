/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that a recording goes to, tried before anything is sampled.
 *
 * 1. A regular file is replaced as a whole at the end, or left as it was.
 * 2. Standard output ("-"), pipes and devices are written to as they are, and never replaced by a file.
 *
 * One thread.
 */
#ifndef PPROFD_COMMAND_OUTPUT_H
#define PPROFD_COMMAND_OUTPUT_H

#include <stddef.h>

#include "base/cleanup.h"

struct output {
	char *path; /* of the regular file, links followed; NULL: write to fd */
	int fd;
};

#define OUTPUT_NONE ((struct output){ .fd = -1 })

/* On success *ret is the caller's; output_fini(). Returns 0, or why `path` cannot be written: a negative errno. */
_must_check_ int output_open(const char *path, struct output *ret);
void output_fini(struct output *output);

/* Returns 0 or a negative errno. */
_must_check_ int output_write(const struct output *output, const void *data, size_t len);

#endif
