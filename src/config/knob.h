/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of options.def as a table, and how a text becomes the value of one. Any thread. */
#ifndef PPROFD_CONFIG_KNOB_H
#define PPROFD_CONFIG_KNOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/config.h"

enum knob_kind {
	KNOB_FLAG, /* no value on the command line, a word for yes or no in the environment */
	KNOB_STRING,
	KNOB_NUMBER,
	KNOB_DURATION,
	KNOB_BYTES,
	KNOB_WORD,
	KNOB_NUMBERS, /* separated by commas; adds to what is there */
	KNOB_LABELS,  /* NAME=VALUE separated by commas; adds to what is there */
};

struct knob {
	enum knob_kind kind;
	size_t off; /* of the field in struct config */
	const char *flag;
	char letter;          /* 0: none */
	const char *variable; /* may be NULL */
	unsigned int commands;
	const char *initial; /* may be NULL */
	uint64_t min, max;
	const char *const *words; /* NULL-terminated */
	const char *metavar;
	const char *help;
};

enum {
	KNOB_CNT = 0
#define OPTION(...) +1
#include "config/options.def"
#undef OPTION
};

extern const struct knob knobs[KNOB_CNT];

/*
 * Sets the field of `config` from a text (borrowed; NULL for a FLAG on the command line).
 * Returns 0, -EINVAL or -ERANGE when the text is not allowed, or -ENOMEM.
 */
_must_check_ int knob_set(const struct knob *knob, const char *text, struct config *config);

/* What is allowed, as it stands behind "is not": "a whole number from 1 to 10000". */
void knob_describe(const struct knob *knob, struct strbuf *buf);

#endif
