/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an option's value <-> the number it stands for. Nothing here depends on the locale. Any thread.
 *
 * 1. What *_format() writes, *_parse() reads back to the same number.
 * 2. Blanks, signs and anything behind the value are refused.
 */
#ifndef PPROFD_CONFIG_VALUE_H
#define PPROFD_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

/* Each returns 0, -EINVAL when the text is no such value, -ERANGE when it does not fit. */

/* Decimal digits: "99". */
_must_check_ int number_parse(const char *text, uint64_t *ret);

/* "15s", "500ms", "1m30s", "1.5h"; without a unit, seconds. *ret in ns. */
_must_check_ int duration_parse(const char *text, uint64_t *ret);

/* "64MiB", "1G" (powers of 1024), "5MB" (powers of 1000); without a unit, bytes. */
_must_check_ int bytes_parse(const char *text, uint64_t *ret);

/* "true", "yes", "on", "1", and their opposites. -EINVAL otherwise. */
_must_check_ int bool_parse(const char *text, bool *ret);

/* The shortest text in whole units: "1m30s", "500ms", "0s". */
void duration_format(uint64_t duration_ns, struct strbuf *buf);

/* In the largest power of 1024 that divides it: "64MiB", "1000B". */
void bytes_format(uint64_t bytes, struct strbuf *buf);

#endif
