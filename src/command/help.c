/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command.h"
#include "config/knob.h"

/* Where the descriptions of options begin, and where the lines end. */
#define HELP_INDENT 30
#define HELP_WIDTH 100

void help_write(const struct command *commands, struct strbuf *buf)
{
	strbuf_puts(buf, "Usage: pprofd COMMAND [OPTION...]\n\n"
			 "Profiles every process on a Linux machine, always on, from outside.\n\n"
			 "Commands:\n");
	for (; commands->name; commands++)
		strbuf_printf(buf, "  %-8s%s\n", commands->name, commands->summary);
	strbuf_puts(buf, "\n"
			 "  pprofd COMMAND --help    the options of a command\n"
			 "  pprofd --version         the version\n");
}

/* Appends words, with a line break and an indent wherever the next one would pass the width. */
static void append_wrapped(struct strbuf *buf, const char *text)
{
	size_t column = HELP_INDENT;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + len > HELP_WIDTH) {
			strbuf_printf(buf, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			strbuf_puts(buf, " ");
			column++;
		}
		strbuf_append(buf, text, len);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	strbuf_puts(buf, "\n");
}

static void append_knob(struct strbuf *buf, const struct knob *knob)
{
	_cleanup_(strbuf_fini) struct strbuf left = { 0 };
	_cleanup_(strbuf_fini) struct strbuf right = { 0 };

	if (knob->letter)
		strbuf_printf(&left, "  -%c, ", knob->letter);
	else
		strbuf_puts(&left, "      ");
	strbuf_printf(&left, "--%s", knob->flag);
	if (knob->metavar)
		strbuf_printf(&left, " %s", knob->metavar);

	strbuf_puts(&right, knob->help);
	if (knob->initial || knob->variable) {
		strbuf_puts(&right, " (");
		if (knob->initial)
			strbuf_printf(&right, "default %s", knob->initial);
		strbuf_printf(&right, "%s%s)", knob->initial && knob->variable ? ", " : "",
			      knob->variable ? knob->variable : "");
	}
	strbuf_puts(buf, strbuf_text(&left));
	if (left.len + 2 > HELP_INDENT)
		strbuf_printf(buf, "\n%*s", HELP_INDENT, "");
	else
		strbuf_printf(buf, "%*s", (int)(HELP_INDENT - left.len), "");
	append_wrapped(buf, strbuf_text(&right));
}

void help_write_command(const struct command *command, struct strbuf *buf)
{
	bool has_variable = false;

	strbuf_printf(buf, "Usage: pprofd %s %s\n\n%s\nOptions:\n", command->name, command->arguments, command->text);
	for (size_t i = 0; i < KNOB_CNT; i++) {
		if (!(knobs[i].commands & command->bit))
			continue;
		append_knob(buf, &knobs[i]);
		has_variable |= knobs[i].variable != NULL;
	}
	if (has_variable)
		strbuf_puts(
			buf,
			"\nPPROFD_* are variables of the environment; an option on the command line replaces them.\n");
}
