/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Release by scope. Any thread.
 *
 * DEFINE_CLEANUP(struct thing, thing_free) makes thing_freep(), so that
 * `_cleanup_(thing_freep) struct thing *thing = NULL;` releases at the end of the scope, and
 * `*ret = take_ptr(thing);` hands on instead.
 */
#ifndef PPROFD_BASE_CLEANUP_H
#define PPROFD_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

#define take_ptr(ptr)                           \
	({                                      \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL;                   \
		taken_;                         \
	})

#define take_fd(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#define DEFINE_CLEANUP(type, fn)             \
	static inline void fn##p(type **ptr) \
	{                                    \
		if (*ptr)                    \
			fn(*ptr);            \
	}                                    \
	struct cleanup_semicolon_

static inline void freep(void *ptr)
{
	free(*(void **)ptr);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
