/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's functions, its modules' and BPF programs', as /proc/kallsyms lists them
 * (Linux, kernel/kallsyms.c, s_show()).
 *
 * 1. Functions only, sorted by address; symbol i names address(i) <= a < address(i + 1), bounded by
 *    what a function can be long, as kallsyms knows no sizes.
 * 2. Of several names of one address the most telling is kept.
 * 3. 8 bytes and the name each.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_KALLSYMS_H
#define PPROFD_SYMBOLIZE_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct kallsyms;

/*
 * Reads `path`. When the kernel hides its addresses (all are zero) the table is empty, which is no
 * error. *ret is the caller's; kallsyms_free(). Returns 0 or a negative errno.
 */
_must_check_ int kallsyms_new(const char *path, struct kallsyms **ret);
void kallsyms_free(struct kallsyms *kallsyms);
DEFINE_CLEANUP(struct kallsyms, kallsyms_free);

/* "tcp_sendmsg", "nf_hook_slow [nf_tables]"; borrowed. NULL when nothing names the address. */
const char *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address);

/* Symbols held, and bytes taken by them. */
size_t kallsyms_cnt(const struct kallsyms *kallsyms);
size_t kallsyms_size(const struct kallsyms *kallsyms);

#endif
