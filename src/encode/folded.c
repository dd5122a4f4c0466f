/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/strbuf.h"

/* A stack as text, from `off` of the text of all stacks on, ended by a zero byte there. */
struct folded_line {
	size_t off;
	int64_t value;
};

/* The text of all stacks, and where each begins. */
struct folded {
	struct strbuf text;
	struct folded_line *lines;
	size_t line_cnt;
};

static void folded_fini(struct folded *folded)
{
	strbuf_fini(&folded->text);
	free(folded->lines);
}

/* ';' ends a frame and a line break a stack: Rust's "[u8; 16]" becomes "[u8: 16]", as in perf's scripts. */
static void folded_put_name(struct strbuf *text, const char *name)
{
	while (*name) {
		size_t plain = strcspn(name, ";\n\r");

		strbuf_append(text, name, plain);
		name += plain;
		if (!*name)
			return;
		strbuf_puts(text, *name == ';' ? ":" : " ");
		name++;
	}
}

/* What has no name reads file+0x1234, where the number is the address that the profile has. */
static void folded_put_address(struct strbuf *text, const struct profile *profile,
			       const struct profile_location *location)
{
	const char *path = "", *slash;

	if (location->mapping != PROFILE_NO_MAPPING)
		path = profile->strings[profile->mappings[location->mapping].filename];
	slash = strrchr(path, '/');
	folded_put_name(text, slash ? slash + 1 : path);
	strbuf_printf(text, "%s0x%" PRIx64, *path ? "+" : "", location->address);
}

static void folded_put_location(struct strbuf *text, const struct profile *profile,
				const struct profile_location *location)
{
	if (location->line_cnt == 0)
		folded_put_address(text, profile, location);
	for (uint32_t i = location->line_cnt; i-- > 0;) {
		uint32_t name = profile->functions[location->lines[i].function].name;

		if (name)
			folded_put_name(text, profile->strings[name]);
		else
			folded_put_address(text, profile, location);
		if (i > 0)
			strbuf_puts(text, ";");
	}
}

static void folded_add_sample(struct folded *folded, const struct profile *profile, const struct profile_sample *sample)
{
	struct strbuf *text = &folded->text;

	folded->lines[folded->line_cnt++] = (struct folded_line){ text->len, sample->values[0] };
	if (sample->location_cnt == 0)
		strbuf_puts(text, "[no stack]");
	for (uint32_t i = sample->location_cnt; i-- > 0;) {
		folded_put_location(text, profile, &profile->locations[sample->locations[i]]);
		if (i > 0)
			strbuf_puts(text, ";");
	}
	strbuf_append(text, "", 1);
}

static int folded_compare(const void *a, const void *b, void *text)
{
	const struct folded_line *x = a, *y = b;

	return strcmp((const char *)text + x->off, (const char *)text + y->off);
}

/* Stacks that differ in addresses only are one line. */
static void folded_write(const struct folded *folded, struct strbuf *out)
{
	const char *text = strbuf_text(&folded->text);

	for (size_t i = 0; i < folded->line_cnt;) {
		const char *stack = text + folded->lines[i].off;
		int64_t value = 0;

		for (; i < folded->line_cnt && strcmp(text + folded->lines[i].off, stack) == 0; i++) {
			if (__builtin_add_overflow(value, folded->lines[i].value, &value))
				value = INT64_MAX;
		}
		strbuf_puts(out, stack);
		strbuf_printf(out, " %" PRId64 "\n", value);
	}
}

int folded_encode(const struct profile *profile, struct blob *ret)
{
	_cleanup_(folded_fini) struct folded folded = { 0 };
	_cleanup_(strbuf_fini) struct strbuf out = { 0 };
	char *data;
	int err;

	folded.lines = calloc(profile->sample_cnt + 1, sizeof(*folded.lines));
	if (!folded.lines)
		return -ENOMEM;
	for (size_t i = 0; i < profile->sample_cnt; i++) {
		if (profile->samples[i].values[0] > 0)
			folded_add_sample(&folded, profile, &profile->samples[i]);
	}
	err = strbuf_error(&folded.text);
	if (err < 0)
		return err;
	qsort_r(folded.lines, folded.line_cnt, sizeof(*folded.lines), folded_compare, folded.text.data);
	folded_write(&folded, &out);
	err = strbuf_take(&out, &data, &ret->len);
	if (err < 0)
		return err;
	ret->data = (unsigned char *)data;
	return 0;
}
