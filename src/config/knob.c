/* SPDX-License-Identifier: Apache-2.0 */
#include "config/knob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/vec.h"
#include "config/value.h"

#define SECOND_NS 1000000000ULL
#define HOUR_NS (3600 * SECOND_NS)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

#define RANGE(lowest, highest) .min = (lowest), .max = (highest)
#define WORDS(...)                     \
	.words = (const char *const[]) \
	{                              \
		__VA_ARGS__, NULL      \
	}
#define ANY .min = 0

const struct knob knobs[KNOB_CNT] = {
#define OPTION(kind_, field, flag_, letter_, variable_, commands_, initial_, allowed, metavar_, help_) \
	{ .kind = KNOB_##kind_,                                                                        \
	  .off = offsetof(struct config, field),                                                       \
	  .flag = (flag_),                                                                             \
	  .letter = (letter_),                                                                         \
	  .variable = (variable_),                                                                     \
	  .commands = (commands_),                                                                     \
	  .initial = (initial_),                                                                       \
	  allowed,                                                                                     \
	  .metavar = (metavar_),                                                                       \
	  .help = (help_) },
#include "config/options.def"
#undef OPTION
};

static int knob_set_number(const struct knob *knob, int (*parse)(const char *text, uint64_t *ret), const char *text,
			   uint64_t *ret)
{
	uint64_t number;
	int err = parse(text, &number);

	if (err < 0)
		return err;
	if (number < knob->min || number > knob->max)
		return -ERANGE;
	*ret = number;
	return 0;
}

static int knob_set_word(const struct knob *knob, const char *text, unsigned int *ret)
{
	for (unsigned int i = 0; knob->words[i]; i++) {
		if (strcmp(knob->words[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int knob_add_number(const struct knob *knob, const char *text, struct config_numbers *numbers)
{
	uint64_t number;
	int err = knob_set_number(knob, number_parse, text, &number);

	if (err < 0)
		return err;
	if (numbers->cnt == CONFIG_NUMBERS_MAX)
		return -ERANGE;
	err = vec_reserve(&numbers->values, &numbers->cap, numbers->cnt + 1);
	if (err < 0)
		return err;
	numbers->values[numbers->cnt++] = (uint32_t)number;
	return 0;
}

/* service_name and what begins with two underscores have a meaning of their own in Pyroscope. */
static bool label_name_is_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	if (!*name || !strchr(letters, *name) || name[strspn(name, others)])
		return false;
	return strncmp(name, "__", 2) != 0 && strcmp(name, "service_name") != 0;
}

static bool label_value_is_valid(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && len <= CONFIG_LABEL_VALUE_MAX && utf8_find_invalid(value, len) == len;
}

/* A name that is there already gets the new value. */
static int labels_put(struct config_labels *labels, char **name, const char *value)
{
	int err;

	for (size_t i = 0; i < labels->cnt; i++) {
		if (strcmp(labels->labels[i].name, *name) == 0) {
			free(labels->labels[i].name);
			labels->labels[i] = (struct config_label){ take_ptr(*name), value };
			return 0;
		}
	}
	if (labels->cnt == CONFIG_LABELS_MAX)
		return -ERANGE;
	err = vec_reserve(&labels->labels, &labels->cap, labels->cnt + 1);
	if (err < 0)
		return err;
	labels->labels[labels->cnt++] = (struct config_label){ take_ptr(*name), value };
	return 0;
}

static int knob_add_label(const struct knob *knob, const char *text, struct config_labels *labels)
{
	_cleanup_(freep) char *name = strdup(text);
	char *equals;

	(void)knob;
	if (!name)
		return -ENOMEM;
	equals = strchr(name, '=');
	if (!equals)
		return -EINVAL;
	*equals = '\0';
	if (!label_name_is_valid(name) || !label_value_is_valid(equals + 1))
		return -EINVAL;
	return labels_put(labels, &name, equals + 1);
}

/* Adds each of the parts of `text` between commas; an empty part is refused by what adds it. */
static int knob_add_list(const struct knob *knob, const char *text, struct config *config)
{
	_cleanup_(freep) char *copy = strdup(text);
	char *rest = copy;
	void *field = (char *)config + knob->off;
	int err = copy ? 0 : -ENOMEM;

	while (rest && err == 0) {
		const char *part = strsep(&rest, ",");

		err = knob->kind == KNOB_NUMBERS ? knob_add_number(knob, part, field) :
						   knob_add_label(knob, part, field);
	}
	return err;
}

int knob_set(const struct knob *knob, const char *text, struct config *config)
{
	void *field = (char *)config + knob->off;

	switch (knob->kind) {
	case KNOB_FLAG:
		if (text)
			return bool_parse(text, field);
		*(bool *)field = true;
		return 0;
	case KNOB_STRING:
		if (!*text)
			return -EINVAL;
		*(const char **)field = text;
		return 0;
	case KNOB_NUMBER:
		return knob_set_number(knob, number_parse, text, field);
	case KNOB_DURATION:
		return knob_set_number(knob, duration_parse, text, field);
	case KNOB_BYTES:
		return knob_set_number(knob, bytes_parse, text, field);
	case KNOB_WORD:
		return knob_set_word(knob, text, field);
	case KNOB_NUMBERS:
	case KNOB_LABELS:
		return knob_add_list(knob, text, config);
	}
	return -EINVAL;
}

static void knob_describe_range(const struct knob *knob, void (*format)(uint64_t value, struct strbuf *buf),
				const char *noun, const char *examples, struct strbuf *buf)
{
	strbuf_printf(buf, "%s from ", noun);
	format(knob->min, buf);
	strbuf_puts(buf, " to ");
	format(knob->max, buf);
	strbuf_printf(buf, ", such as %s", examples);
}

void knob_describe(const struct knob *knob, struct strbuf *buf)
{
	switch (knob->kind) {
	case KNOB_FLAG:
		strbuf_puts(buf, "true or false");
		return;
	case KNOB_STRING:
		strbuf_puts(buf, "a text of one character or more");
		return;
	case KNOB_NUMBER:
		strbuf_printf(buf, "a whole number from %llu to %llu", (unsigned long long)knob->min,
			      (unsigned long long)knob->max);
		return;
	case KNOB_DURATION:
		knob_describe_range(knob, duration_format, "a duration", "15s, 500ms or 2m", buf);
		return;
	case KNOB_BYTES:
		knob_describe_range(knob, bytes_format, "a size", "64MiB", buf);
		return;
	case KNOB_WORD:
		strbuf_puts(buf, "one of ");
		for (size_t i = 0; knob->words[i]; i++)
			strbuf_printf(buf, "%s%s", i ? ", " : "", knob->words[i]);
		return;
	case KNOB_NUMBERS:
		strbuf_printf(buf, "a list of whole numbers from %llu to %llu with commas between them",
			      (unsigned long long)knob->min, (unsigned long long)knob->max);
		return;
	case KNOB_LABELS:
		strbuf_printf(
			buf,
			"NAME=VALUE[,NAME=VALUE...], at most %d, where NAME is letters, digits and _, and neither "
			"service_name nor begins with __",
			CONFIG_LABELS_MAX);
		return;
	}
}
