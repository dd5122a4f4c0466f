/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t size;
};

/* Largest first, as duration_format() writes them. */
static const struct unit duration_units[] = {
	{ "h", 3600000000000 }, { "m", 60000000000 }, { "s", 1000000000 },
	{ "ms", 1000000 },      { "us", 1000 },       { "ns", 1 },
};

/* Largest first, those that bytes_format() writes ahead of the others of their size. */
static const struct unit bytes_units[] = {
	{ "TiB", 1ULL << 40 },
	{ "GiB", 1ULL << 30 },
	{ "MiB", 1ULL << 20 },
	{ "KiB", 1ULL << 10 },
	{ "B", 1 },
	{ "T", 1ULL << 40 },
	{ "G", 1ULL << 30 },
	{ "M", 1ULL << 20 },
	{ "K", 1ULL << 10 },
	{ "TB", 1000000000000 },
	{ "GB", 1000000000 },
	{ "MB", 1000000 },
	{ "kB", 1000 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits at *text and moves it behind them. */
static int digits_parse(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t number = 0;

	if (!is_digit(*at))
		return -EINVAL;
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -ERANGE;
	}
	*text = at;
	*ret = number;
	return 0;
}

int number_parse(const char *text, uint64_t *ret)
{
	uint64_t number;
	int err = digits_parse(&text, &number);

	if (err < 0)
		return err;
	if (*text)
		return -EINVAL;
	*ret = number;
	return 0;
}

/* The unit whose name is the letters at *text, which is moved behind them; NULL when there is none. */
static const struct unit *unit_take(const struct unit *units, size_t unit_cnt, const char **text)
{
	size_t len = strcspn(*text, "0123456789.");

	for (size_t i = 0; i < unit_cnt; i++) {
		if (strlen(units[i].name) == len && strncmp(units[i].name, *text, len) == 0) {
			*text += len;
			return &units[i];
		}
	}
	return NULL;
}

/* Reads what stands behind a decimal point as a count of 10^-9, further digits cut off. */
static int fraction_parse(const char **text, uint64_t *ret)
{
	uint64_t billionths = 0;
	uint64_t scale = 100000000;
	const char *at = *text;

	if (!is_digit(*at))
		return -EINVAL;
	for (; is_digit(*at); at++, scale /= 10)
		billionths += (uint64_t)(*at - '0') * scale;
	*text = at;
	*ret = billionths;
	return 0;
}

/* Reads one "12.5unit" at *text, moves it on, and gives its size. No unit means `plain`. */
static int part_parse(const char **text, const struct unit *units, size_t unit_cnt, uint64_t plain, uint64_t *ret)
{
	uint64_t whole, billionths = 0, size = plain;
	const char *at = *text;
	int err = digits_parse(&at, &whole);

	if (err < 0)
		return err;
	if (*at == '.') {
		at++;
		err = fraction_parse(&at, &billionths);
		if (err < 0)
			return err;
	}
	if (*at) {
		const struct unit *unit = unit_take(units, unit_cnt, &at);

		if (!unit)
			return -EINVAL;
		size = unit->size;
	}
	if (__builtin_mul_overflow(whole, size, &whole))
		return -ERANGE;
	/* billionths < 10^9 and size < 2^42: 128 bits hold the product. */
	if (__builtin_add_overflow(whole, (uint64_t)((unsigned __int128)billionths * size / 1000000000), &whole))
		return -ERANGE;
	*text = at;
	*ret = whole;
	return 0;
}

int duration_parse(const char *text, uint64_t *ret)
{
	uint64_t sum = 0;

	do {
		uint64_t part;
		int err = part_parse(&text, duration_units, ARRAY_LEN(duration_units), 1000000000, &part);

		if (err < 0)
			return err;
		if (__builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
	} while (*text);
	*ret = sum;
	return 0;
}

int bytes_parse(const char *text, uint64_t *ret)
{
	uint64_t bytes;
	int err = part_parse(&text, bytes_units, ARRAY_LEN(bytes_units), 1, &bytes);

	if (err < 0)
		return err;
	if (*text)
		return -EINVAL;
	*ret = bytes;
	return 0;
}

int bool_parse(const char *text, bool *ret)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
		{ "true", true },   { "yes", true }, { "on", true },   { "1", true },
		{ "false", false }, { "no", false }, { "off", false }, { "0", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].text) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

void duration_format(uint64_t duration_ns, struct strbuf *buf)
{
	if (duration_ns == 0)
		strbuf_puts(buf, "0s");
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
		uint64_t cnt = duration_ns / duration_units[i].size;

		if (cnt)
			strbuf_printf(buf, "%llu%s", (unsigned long long)cnt, duration_units[i].name);
		duration_ns %= duration_units[i].size;
	}
}

void bytes_format(uint64_t bytes, struct strbuf *buf)
{
	const struct unit *unit = bytes_units;

	while (unit->size > 1 && (bytes == 0 || bytes % unit->size))
		unit++;
	strbuf_printf(buf, "%llu%s", (unsigned long long)(bytes / unit->size), unit->name);
}
