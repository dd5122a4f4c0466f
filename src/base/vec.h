/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing arrays: a pointer, a count and a capacity of the caller's own naming.
 * Not synchronised: one thread at a time.
 */
#ifndef PPROFD_BASE_VEC_H
#define PPROFD_BASE_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

/*
 * Makes room for `need` elements of `size` bytes in *data (NULL at first), at least doubling.
 * Returns 0, or -ENOMEM with everything untouched.
 */
_must_check_ static inline int vec_reserve_bytes(void **data, size_t *cap, size_t need, size_t size)
{
	size_t grown = *cap ? *cap * 2 : 16;
	void *moved;

	if (need <= *cap)
		return 0;
	if (grown < need)
		grown = need;
	if (grown > SIZE_MAX / size)
		return -ENOMEM;
	moved = realloc(*data, grown * size);
	if (!moved)
		return -ENOMEM;
	*data = moved;
	*cap = grown;
	return 0;
}

/* vec_reserve(&v->rows, &v->row_cap, v->row_cnt + 1) */
#define vec_reserve(data, cap, need) vec_reserve_bytes((void **)(data), cap, need, sizeof(**(data)))

#endif
