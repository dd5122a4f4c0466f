/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands. Each says what goes wrong, in one line, before it returns; main() makes the exit status of it.
 * The main thread only.
 */
#ifndef PPROFD_COMMAND_COMMAND_H
#define PPROFD_COMMAND_COMMAND_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/config.h"

struct command {
	const char *name;
	unsigned int bit; /* COMMAND_* of config.h */
	int (*run)(const struct config *config);
	const char *arguments; /* as in the usage line */
	const char *summary;   /* one line */
	const char *text;      /* a paragraph; lines end with \n */
};

/* Makes one profile and writes it to a file. Returns 0 when it is written, else a negative errno. */
_must_check_ int command_record(const struct config *config);

/* Profiles the machine until SIGTERM or SIGINT. Returns 0 or a negative errno. */
_must_check_ int command_run(const struct config *config);

/* Prints what this machine allows. Returns 0 when run can work, else a negative errno. */
_must_check_ int command_check(const struct config *config);

/* The text of `pprofd --help`; `commands` ends with a command without name. */
void help_write(const struct command *commands, struct strbuf *buf);

/* The text of `pprofd COMMAND --help`. */
void help_write_command(const struct command *command, struct strbuf *buf);

#endif
