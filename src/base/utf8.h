/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names out of other people's files, made fit to print: UTF-8 as The Unicode Standard, 3.9, table
 * 3-7 defines it (no surrogates, nothing overlong, nothing past U+10FFFF). Any thread.
 */
#ifndef PPROFD_BASE_UTF8_H
#define PPROFD_BASE_UTF8_H

#include <stddef.h>

#include "base/strbuf.h"

/* Bytes of `text` before the first that is not UTF-8: `len` when all of it is. */
size_t utf8_find_invalid(const char *text, size_t len);

/*
 * The largest length <= max that does not cut a character of `text` in two; `len` when that is
 * below. Text that is no UTF-8 is cut anywhere.
 */
size_t utf8_clip(const char *text, size_t len, size_t max);

/*
 * Appends `text` with U+FFFD for each maximal run of bytes that begins a character but does not
 * end it, and for each byte that begins none (The Unicode Standard, 3.9, "U+FFFD Substitution").
 */
void utf8_append_mended(struct strbuf *buf, const char *text, size_t len);

#endif
