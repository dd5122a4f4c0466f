/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow at the end. All zero is empty. A failed append is remembered, so that a run
 * of appends is checked once, by strbuf_take() or strbuf_error(). One thread at a time.
 */
#ifndef PPROFD_BASE_STRBUF_H
#define PPROFD_BASE_STRBUF_H

#include <stddef.h>

#include "base/cleanup.h"

struct strbuf {
	char *data; /* ends with a zero byte behind len once anything was appended */
	size_t len;
	size_t cap;
	int error; /* 0 or -ENOMEM */
};

void strbuf_fini(struct strbuf *buf);
void strbuf_append(struct strbuf *buf, const void *data, size_t len);
void strbuf_puts(struct strbuf *buf, const char *text);
void strbuf_printf(struct strbuf *buf, const char *format, ...) _printf_(2, 3);

static inline int strbuf_error(const struct strbuf *buf)
{
	return buf->error;
}

/* The text, "" when empty; borrowed until the next append. */
static inline const char *strbuf_text(const struct strbuf *buf)
{
	return buf->data ? buf->data : "";
}

/* Hands the bytes on (free()); *ret_len may be NULL. Returns 0 or -ENOMEM. */
_must_check_ int strbuf_take(struct strbuf *buf, char **ret, size_t *ret_len);

#endif
