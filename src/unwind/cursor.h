/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads numbers out of bytes that nobody vouches for. Little-endian, as object_new_* takes no other.
 *
 * 1. pos <= end always; whoever reads past the end gets 0, is left at the end and has `failed` set.
 *
 * Any thread, a cursor each.
 */
#ifndef PPROFD_UNWIND_CURSOR_H
#define PPROFD_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *pos;
	const uint8_t *end;
	bool failed;
};

static inline size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->pos);
}

static inline void cursor_fail(struct cursor *cursor)
{
	cursor->pos = cursor->end;
	cursor->failed = true;
}

static inline void cursor_skip(struct cursor *cursor, uint64_t len)
{
	if (len > cursor_left(cursor))
		cursor_fail(cursor);
	else
		cursor->pos += len;
}

/* Goes past `len` bytes and returns a cursor of them alone. */
static inline struct cursor cursor_cut(struct cursor *cursor, uint64_t len)
{
	struct cursor piece = { .pos = cursor->pos };

	cursor_skip(cursor, len);
	piece.end = cursor->failed ? piece.pos : cursor->pos;
	piece.failed = cursor->failed;
	return piece;
}

#define CURSOR_DEFINE_READ(type, name)                      \
	static inline type name(struct cursor *cursor)      \
	{                                                   \
		type value;                                 \
                                                            \
		if (cursor_left(cursor) < sizeof(value)) {  \
			cursor_fail(cursor);                \
			return 0;                           \
		}                                           \
		memcpy(&value, cursor->pos, sizeof(value)); \
		cursor->pos += sizeof(value);               \
		return value;                               \
	}
CURSOR_DEFINE_READ(uint8_t, cursor_u8)
CURSOR_DEFINE_READ(uint16_t, cursor_u16)
CURSOR_DEFINE_READ(uint32_t, cursor_u32)
CURSOR_DEFINE_READ(uint64_t, cursor_u64)
#undef CURSOR_DEFINE_READ

/* LEB128 (DWARF 5, 7.6); bits beyond the 64th are dropped, as every reader does. */
static inline uint64_t cursor_uleb(struct cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; cursor->pos < cursor->end; shift += 7) {
		uint8_t byte = *cursor->pos++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cursor_fail(cursor);
	return 0;
}

static inline int64_t cursor_sleb(struct cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; cursor->pos < cursor->end;) {
		uint8_t byte = *cursor->pos++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift < 64)
			value |= UINT64_MAX << shift;
		return (int64_t)value;
	}
	cursor_fail(cursor);
	return 0;
}

/* A string that ends with a zero byte; "" past the end. */
static inline const char *cursor_string(struct cursor *cursor)
{
	const uint8_t *zero = memchr(cursor->pos, 0, cursor_left(cursor));
	const char *text = (const char *)cursor->pos;

	if (!zero) {
		cursor_fail(cursor);
		return "";
	}
	cursor->pos = zero + 1;
	return text;
}

#endif
