/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers the kernel side's requests for rows: target/ opens the file, unwind/ makes and publishes its rows.
 * A part of pipeline.c that has grown a file of its own.
 *
 * 1. A file is opened when the request is read, while there is a process that has it; its rows are made
 *    in requests_answer_next().
 * 2. The smallest file is first: libc is in every stack and takes 2 ms, libLLVM is in few and takes 100.
 * 3. What cannot be answered is remembered for a while (refusals.h), so that it is not read in vain.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_REQUESTS_H
#define PPROFD_REQUESTS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "sample/maps.h"
#include "target/executable.h"
#include "target/refusals.h"
#include "unwind/publisher.h"

/* An executable that is open and waits for its rows. */
struct request {
	uint32_t number;
	uint64_t file_size;
};

struct requests {
	struct maps *maps; /* borrowed, like the two below */
	struct executables *executables;
	struct publisher *publisher;
	struct refusals refusals;
	struct request *waiting; /* below PPROFD_EXECUTABLES_MAX of them: each number once */
	size_t cnt, cap;
};

void requests_fini(struct requests *requests);

/* Takes a request in. A failure is counted in `refusals`, and the kernel side asks again. */
void requests_add(struct requests *requests, const struct pprofd_executable_record *record);

/* Makes and publishes the rows of one executable. False when none waits. */
bool requests_answer_next(struct requests *requests);

/*
 * Makes and publishes the rows of an open executable now; when there can be none, says so to the kernel
 * side. Returns 0, -ENOMEM, or as publisher_publish().
 */
_must_check_ int requests_publish(struct requests *requests, const struct executable *executable);

#endif
