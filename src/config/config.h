/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user asked for: options.def filled in from flags, else from the environment, else from the initial values.
 *
 * 1. A flag replaces the variable, also for lists; an empty variable counts as unset.
 * 2. Texts are borrowed from argv and the environment, which must outlive the config.
 * 3. PPROFD_* variables that are no option are ignored: Kubernetes sets PPROFD_PORT and the like for a service
 *    called pprofd.
 *
 * One thread: getopt(3) keeps its state in globals.
 */
#ifndef PPROFD_CONFIG_CONFIG_H
#define PPROFD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

/* Sets of commands. */
#define COMMAND_RECORD 1u
#define COMMAND_RUN 2u
#define COMMAND_CHECK 4u
#define COMMAND_ALL 7u

/* Pyroscope takes 30 labels a series; the rest is left to those pprofd sets itself. */
#define CONFIG_LABELS_MAX 20
#define CONFIG_LABEL_VALUE_MAX 2048
#define CONFIG_NUMBERS_MAX 1024

/* In the order of options.def. */
enum config_format { CONFIG_FORMAT_PPROF, CONFIG_FORMAT_FOLDED };

struct config_numbers {
	uint32_t *values;
	size_t cnt, cap;
};

struct config_label {
	char *name; /* one allocation with the value */
	const char *value;
};

struct config_labels {
	struct config_label *labels;
	size_t cnt, cap;
};

/* What the text of a value means, and what becomes of it. */
#define CONFIG_TYPE_FLAG bool
#define CONFIG_TYPE_STRING const char *
#define CONFIG_TYPE_NUMBER uint64_t
#define CONFIG_TYPE_DURATION uint64_t /* ns */
#define CONFIG_TYPE_BYTES uint64_t
#define CONFIG_TYPE_WORD unsigned int /* index into the allowed words */
#define CONFIG_TYPE_NUMBERS struct config_numbers
#define CONFIG_TYPE_LABELS struct config_labels

struct config {
#define OPTION(kind, field, ...) CONFIG_TYPE_##kind field;
#include "config/options.def"
#undef OPTION
	/* What stands behind the options, up to a NULL; argv[0] is the program that record starts. */
	char **argv;
};

/*
 * Reads the arguments of one command (argv[0] is its name) and environ-like `variables`. On success *ret is the
 * caller's; config_fini().
 *
 * Returns 0, -EINVAL with one line in *message that says what is wrong and what is allowed, or -ENOMEM.
 */
_must_check_ int config_read(unsigned int command, char **argv, char *const *variables, struct strbuf *message,
			     struct config *ret);
void config_fini(struct config *config);

#endif
