/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/knob.h"

/* getopt_long() answers LONG_BASE + the knob's index: above every letter. */
#define LONG_BASE 256
/* Of a refused value, so that the message stays one readable line. */
#define VALUE_SHOWN_MAX 100

struct reader {
	unsigned int command;
	const char *name; /* of the command */
	bool seen[KNOB_CNT];
	struct config config;
	struct strbuf *message;
};

void config_fini(struct config *config)
{
	for (size_t i = 0; i < config->labels.cnt; i++)
		free(config->labels.labels[i].name);
	free(config->labels.labels);
	free(config->pids.values);
	*config = (struct config){ 0 };
}

/* Control characters would break the line, or the terminal. */
static void append_shown(struct strbuf *buf, const char *text)
{
	size_t len = strnlen(text, VALUE_SHOWN_MAX + 1);

	for (size_t i = 0; i < len && i < VALUE_SHOWN_MAX; i++)
		strbuf_printf(buf, "%c", iscntrl((unsigned char)text[i]) ? '?' : text[i]);
	if (len > VALUE_SHOWN_MAX)
		strbuf_puts(buf, "...");
}

static int reader_refuse(const struct reader *reader, const char *what, const char *shown, const char *why)
{
	strbuf_printf(reader->message, "%s%s", what, *shown ? " " : "");
	append_shown(reader->message, shown);
	strbuf_printf(reader->message, "%s; \"pprofd %s --help\" lists the options", why, reader->name);
	return strbuf_error(reader->message) ?: -EINVAL;
}

/* `prefix` and `name` say where the text came from: "--" "hz", or "" "PPROFD_HZ". */
static int reader_set(struct reader *reader, const struct knob *knob, const char *prefix, const char *name,
		      const char *text)
{
	int err = knob_set(knob, text, &reader->config);

	if (err == -EINVAL || err == -ERANGE) {
		strbuf_printf(reader->message, "%s%s: \"", prefix, name);
		append_shown(reader->message, text);
		strbuf_puts(reader->message, "\" is not ");
		knob_describe(knob, reader->message);
		return strbuf_error(reader->message) ?: -EINVAL;
	}
	return err;
}

/* The short and the long options of the reader's command, in getopt_long()'s terms. */
static void reader_fill_options(const struct reader *reader, char *letters, struct option *options)
{
	/* '+': stop at the command to run; ':': tell a missing value from an unknown option. */
	*letters++ = '+';
	*letters++ = ':';
	for (size_t i = 0; i < KNOB_CNT; i++) {
		bool has_value = knobs[i].kind != KNOB_FLAG;

		if (!(knobs[i].commands & reader->command))
			continue;
		*options++ = (struct option){ .name = knobs[i].flag,
					      .has_arg = has_value ? required_argument : no_argument,
					      .val = LONG_BASE + (int)i };
		if (!knobs[i].letter)
			continue;
		*letters++ = knobs[i].letter;
		if (has_value)
			*letters++ = ':';
	}
	*letters = '\0';
	*options = (struct option){ 0 };
}

/* The knob that getopt_long()'s answer stands for, or NULL. */
static const struct knob *reader_find_knob(const struct reader *reader, int answer)
{
	for (size_t i = 0; i < KNOB_CNT; i++) {
		if (!(knobs[i].commands & reader->command))
			continue;
		if (answer == LONG_BASE + (int)i || (answer != 0 && answer == knobs[i].letter))
			return &knobs[i];
	}
	return NULL;
}

static int reader_refuse_option(const struct reader *reader, char **argv, int answer)
{
	const struct knob *knob = reader_find_knob(reader, optopt);
	char letter[] = { '-', (char)optopt, '\0' };

	if (answer == ':' && knob) {
		strbuf_printf(reader->message, "--%s needs a value: ", knob->flag);
		knob_describe(knob, reader->message);
		return strbuf_error(reader->message) ?: -EINVAL;
	}
	if (knob)
		return reader_refuse(reader, "option", argv[optind - 1], " takes no value");
	if (optopt)
		return reader_refuse(reader, "unknown option", letter, "");
	return reader_refuse(reader, "unknown or ambiguous option", argv[optind - 1], "");
}

static int reader_read_flags(struct reader *reader, int argc, char **argv)
{
	char letters[2 + 2 * KNOB_CNT + 1];
	struct option options[KNOB_CNT + 1];

	reader_fill_options(reader, letters, options);
	opterr = 0;
	optind = 0; /* the GNU way of starting afresh */
	for (;;) {
		int answer = getopt_long(argc, argv, letters, options, NULL);
		const struct knob *knob;
		int err;

		if (answer == -1)
			break;
		if (answer == '?' || answer == ':')
			return reader_refuse_option(reader, argv, answer);
		knob = reader_find_knob(reader, answer);
		assert(knob);
		err = reader_set(reader, knob, "--", knob->flag, optarg);
		if (err < 0)
			return err;
		reader->seen[knob - knobs] = true;
	}
	reader->config.argv = argv + optind;
	return 0;
}

static const char *find_variable(char *const *variables, const char *name)
{
	size_t len = strlen(name);

	for (; *variables; variables++) {
		if (strncmp(*variables, name, len) == 0 && (*variables)[len] == '=')
			return *variables + len + 1;
	}
	return NULL;
}

static int reader_read_variables(struct reader *reader, char *const *variables)
{
	for (size_t i = 0; i < KNOB_CNT; i++) {
		const struct knob *knob = &knobs[i];
		const char *text;
		int err;

		if (!knob->variable || reader->seen[i] || !(knob->commands & reader->command))
			continue;
		text = find_variable(variables, knob->variable);
		if (!text || !*text)
			continue;
		err = reader_set(reader, knob, "", knob->variable, text);
		if (err < 0)
			return err;
		reader->seen[i] = true;
	}
	return 0;
}

static int reader_set_initial(struct reader *reader)
{
	for (size_t i = 0; i < KNOB_CNT; i++) {
		int err;

		if (!knobs[i].initial || reader->seen[i])
			continue;
		err = reader_set(reader, &knobs[i], "initial ", knobs[i].flag, knobs[i].initial);
		if (err < 0)
			return err;
	}
	return 0;
}

/* What no single option can say. */
static int reader_check(const struct reader *reader)
{
	const struct config *config = &reader->config;
	bool has_command = config->argv[0];

	if (reader->command != COMMAND_RECORD)
		return has_command ? reader_refuse(reader, "unexpected argument", config->argv[0], "") : 0;
	if (config->all + has_command + (config->pids.cnt > 0) == 1)
		return 0;
	return reader_refuse(reader, "say what to record", "", ": one of -p PID, -a (the machine), or -- COMMAND");
}

int config_read(unsigned int command, char **argv, char *const *variables, struct strbuf *message, struct config *ret)
{
	struct reader reader = { .command = command, .name = argv[0], .message = message };
	int argc = 0;
	int err;

	while (argv[argc])
		argc++;
	err = reader_read_flags(&reader, argc, argv);
	/* Whoever asks for help gets it, whatever the environment holds. */
	if (err == 0 && !reader.config.help)
		err = reader_read_variables(&reader, variables);
	if (err == 0)
		err = reader_set_initial(&reader);
	if (err == 0 && !reader.config.help)
		err = reader_check(&reader);
	if (err < 0) {
		config_fini(&reader.config);
		return err;
	}
	*ret = reader.config;
	return 0;
}
