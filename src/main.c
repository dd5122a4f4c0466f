/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "command/command.h"

#ifndef PPROFD_VERSION
#define PPROFD_VERSION "0.1.0"
#endif

enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_FAILED = 1,
	EXIT_STATUS_USAGE = 2,
};

static const struct command commands[] = {
	{ "run", COMMAND_RUN, command_run, "[OPTION...]",
	  "profile the machine continuously, and push to Pyroscope or write to a directory",
	  "Samples every process. Each window makes one profile per service, pushed to --pyroscope-url or,\n"
	  "without it, written to --output. SIGTERM and Ctrl-C deliver what there is and end.\n" },
	{ "record", COMMAND_RECORD, command_record, "[OPTION...] {-p PID[,PID...] | -a | [--] COMMAND [ARGUMENT...]}",
	  "make one profile of processes, of the machine, or of a command",
	  "Samples until the duration is over, what is profiled has exited, or Ctrl-C, and writes one profile.\n"
	  "A COMMAND is profiled from its first instruction to its exit, and asked to end (SIGTERM) when the\n"
	  "recording ends before it; options stand before it.\n" },
	{ "check", COMMAND_CHECK, command_check, "[OPTION...]", "say what this machine allows and what is missing",
	  "Prints what profiling needs, whether it is there, and the remedy where it is not. The exit status is 0\n"
	  "when \"pprofd run\" can work.\n" },
	{ 0 },
};

static const struct command *find_command(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

static enum exit_status print_text(struct strbuf *text)
{
	if (strbuf_error(text) || fputs(strbuf_text(text), stdout) < 0 || fflush(stdout) < 0) {
		log_error("cannot write to standard output");
		return EXIT_STATUS_FAILED;
	}
	return EXIT_STATUS_OK;
}

static enum exit_status run_command(const struct command *command, char **argv)
{
	_cleanup_(config_fini) struct config config = { 0 };
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	int err = config_read(command->bit, argv, environ, &text, &config);

	if (err == -EINVAL) {
		log_error("%s", strbuf_text(&text));
		return EXIT_STATUS_USAGE;
	}
	if (err < 0) {
		log_error("cannot read the options: %s", strerror(-err));
		return EXIT_STATUS_FAILED;
	}
	if (config.help) {
		help_write_command(command, &text);
		return print_text(&text);
	}
	log_set_level((enum log_level)config.log_level);
	return command->run(&config) < 0 ? EXIT_STATUS_FAILED : EXIT_STATUS_OK;
}

/* What is no command: `pprofd`, `pprofd --help`, `pprofd help COMMAND`, `pprofd --version`, and mistakes. */
static enum exit_status run_general(char **argv)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	const char *word = argv[1];

	if (!word) {
		help_write(commands, &text);
		fputs(strbuf_text(&text), stderr);
		return EXIT_STATUS_USAGE;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
		strbuf_puts(&text, "pprofd " PPROFD_VERSION "\n");
		return print_text(&text);
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		const struct command *command = argv[2] ? find_command(argv[2]) : NULL;

		if (command)
			help_write_command(command, &text);
		else
			help_write(commands, &text);
		return print_text(&text);
	}
	log_error("unknown %s \"%.100s\"; \"pprofd --help\" lists the commands", *word == '-' ? "option" : "command",
		  word);
	return EXIT_STATUS_USAGE;
}

int main(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

	return command ? (int)run_command(command, argv + 1) : (int)run_general(argv);
}
