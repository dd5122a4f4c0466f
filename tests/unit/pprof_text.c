/* SPDX-License-Identifier: Apache-2.0 */
#include "pprof_text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define TEXT_STRINGS_MAX 32768
#define TEXT_FUNCTIONS_MAX 32768
#define TEXT_NUMBERS_MAX 12

/* The varint fields of a message by number, and its strings and functions: what lines refer to. */
struct text_tables {
	struct wire strings[TEXT_STRINGS_MAX];
	size_t string_cnt;
	uint64_t functions[TEXT_FUNCTIONS_MAX][6]; /* by id: fields 1..5 */
};

uint64_t wire_take_varint(struct wire *wire)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		unsigned char byte;

		assert_true(wire->len > 0);
		byte = *wire->data;
		wire->data++;
		wire->len--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	fail_msg("a varint of more than 10 bytes");
	return 0;
}

bool wire_next(struct wire *wire, struct wire_field *ret)
{
	uint64_t tag;

	if (wire->len == 0)
		return false;
	tag = wire_take_varint(wire);
	*ret = (struct wire_field){ .number = tag >> 3 };
	if ((tag & 7) == 0) {
		ret->value = wire_take_varint(wire);
		return true;
	}
	assert_int_equal(tag & 7, 2);
	ret->len = wire_take_varint(wire);
	assert_true(ret->len <= wire->len);
	ret->data = wire->data;
	wire->data += ret->len;
	wire->len -= ret->len;
	return true;
}

void gunzip(const struct blob *blob, struct blob *ret)
{
	z_stream stream = { 0 };
	struct blob out = { 0 };
	int status;

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_in = blob->data;
	stream.avail_in = (unsigned int)blob->len;
	do {
		out.data = realloc(out.data, out.len + 65536);
		assert_non_null(out.data);
		stream.next_out = out.data + out.len;
		stream.avail_out = 65536;
		status = inflate(&stream, Z_NO_FLUSH);
		out.len += 65536 - stream.avail_out;
	} while (status == Z_OK);
	assert_int_equal(status, Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
	*ret = out;
}

static void text_read_numbers(const struct wire_field *message, uint64_t numbers[TEXT_NUMBERS_MAX])
{
	struct wire wire = { message->data, message->len };
	struct wire_field field;

	memset(numbers, 0, TEXT_NUMBERS_MAX * sizeof(*numbers));
	while (wire_next(&wire, &field)) {
		if (field.data)
			continue;
		assert_true(field.number < TEXT_NUMBERS_MAX);
		numbers[field.number] = field.value;
	}
}

static void text_read_tables(struct text_tables *tables, const void *data, size_t len)
{
	struct wire wire = { data, len };
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		uint64_t numbers[TEXT_NUMBERS_MAX];

		if (field.number == 6) {
			assert_true(tables->string_cnt < TEXT_STRINGS_MAX);
			tables->strings[tables->string_cnt++] = (struct wire){ field.data, field.len };
		} else if (field.number == 5) {
			text_read_numbers(&field, numbers);
			assert_in_range(numbers[1], 1, TEXT_FUNCTIONS_MAX - 1);
			memcpy(tables->functions[numbers[1]], numbers, sizeof(tables->functions[0]));
		}
	}
}

static void text_put_string(struct strbuf *out, const struct text_tables *tables, uint64_t index)
{
	assert_true(index < tables->string_cnt);
	if (tables->strings[index].len == 0)
		strbuf_puts(out, "-");
	strbuf_append(out, tables->strings[index].data, tables->strings[index].len);
}

static void text_put_type(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	uint64_t numbers[TEXT_NUMBERS_MAX];

	text_read_numbers(field, numbers);
	text_put_string(out, tables, numbers[1]);
	strbuf_puts(out, "/");
	text_put_string(out, tables, numbers[2]);
	strbuf_puts(out, "\n");
}

static void text_put_mapping(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	static const char *const flags[] = { "functions", "filenames", "lines", "inlines" };
	uint64_t numbers[TEXT_NUMBERS_MAX];

	text_read_numbers(field, numbers);
	strbuf_printf(out, "mapping %" PRIu64 " %" PRIx64 "-%" PRIx64 "@%" PRIx64 " ", numbers[1], numbers[2],
		      numbers[3], numbers[4]);
	text_put_string(out, tables, numbers[5]);
	strbuf_puts(out, " ");
	text_put_string(out, tables, numbers[6]);
	for (int i = 0; i < 4; i++) {
		if (numbers[7 + i])
			strbuf_printf(out, " %s", flags[i]);
	}
	strbuf_puts(out, "\n");
}

static void text_put_line(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	uint64_t numbers[TEXT_NUMBERS_MAX];
	const uint64_t *function;

	text_read_numbers(field, numbers);
	assert_in_range(numbers[1], 1, TEXT_FUNCTIONS_MAX - 1);
	function = tables->functions[numbers[1]];
	assert_int_equal(function[1], numbers[1]);
	strbuf_puts(out, " ");
	text_put_string(out, tables, function[2]);
	strbuf_puts(out, "(");
	text_put_string(out, tables, function[3]);
	strbuf_puts(out, ",");
	text_put_string(out, tables, function[4]);
	strbuf_printf(out, ":%" PRId64 "):%" PRId64, (int64_t)function[5], (int64_t)numbers[2]);
}

static void text_put_location(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	struct wire wire = { field->data, field->len };
	uint64_t numbers[TEXT_NUMBERS_MAX];
	struct wire_field part;

	text_read_numbers(field, numbers);
	strbuf_printf(out, "location %" PRIu64 " in %" PRIu64 " %" PRIx64, numbers[1], numbers[2], numbers[3]);
	while (wire_next(&wire, &part)) {
		if (part.number == 4)
			text_put_line(out, tables, &part);
	}
	strbuf_puts(out, "\n");
}

static void text_put_packed(struct strbuf *out, const struct wire_field *field)
{
	struct wire wire = { field->data, field->len };

	while (wire.len > 0)
		strbuf_printf(out, " %" PRId64, (int64_t)wire_take_varint(&wire));
}

static void text_put_sample(struct strbuf *out, const struct wire_field *field)
{
	struct wire wire = { field->data, field->len };
	struct wire_field part;

	strbuf_puts(out, "sample");
	while (wire_next(&wire, &part)) {
		/* Both are packed: a varint on its own would cost a tag each. */
		assert_non_null(part.data);
		assert_in_range(part.number, 1, 2);
		if (part.number == 2)
			strbuf_puts(out, " =");
		text_put_packed(out, &part);
	}
	strbuf_puts(out, "\n");
}

static void text_put_comments(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	struct wire wire = { field->data, field->len };

	while (wire.len > 0) {
		strbuf_puts(out, "comment ");
		text_put_string(out, tables, wire_take_varint(&wire));
		strbuf_puts(out, "\n");
	}
}

static void text_put_field(struct strbuf *out, const struct text_tables *tables, const struct wire_field *field)
{
	switch (field->number) {
	case 1:
		strbuf_puts(out, "type ");
		text_put_type(out, tables, field);
		return;
	case 2:
		text_put_sample(out, field);
		return;
	case 3:
		text_put_mapping(out, tables, field);
		return;
	case 4:
		text_put_location(out, tables, field);
		return;
	case 5:
	case 6:
		return; /* where they are referred to */
	case 9:
		strbuf_printf(out, "time %" PRIu64 "\n", field->value);
		return;
	case 10:
		strbuf_printf(out, "duration %" PRIu64 "\n", field->value);
		return;
	case 11:
		strbuf_puts(out, "period_type ");
		text_put_type(out, tables, field);
		return;
	case 12:
		strbuf_printf(out, "period %" PRIu64 "\n", field->value);
		return;
	case 13:
		text_put_comments(out, tables, field);
		return;
	case 14:
		strbuf_puts(out, "default ");
		text_put_string(out, tables, field->value);
		strbuf_puts(out, "\n");
		return;
	default:
		fail_msg("field %" PRIu64 " is not of profile.proto", field->number);
	}
}

void pprof_text_append(struct strbuf *out, const void *data, size_t len)
{
	_cleanup_(freep) struct text_tables *tables = calloc(1, sizeof(*tables));
	struct wire wire = { data, len };
	struct wire_field field;

	assert_non_null(tables);
	text_read_tables(tables, data, len);
	assert_true(tables->string_cnt > 0);
	assert_int_equal(tables->strings[0].len, 0);
	while (wire_next(&wire, &field))
		text_put_field(out, tables, &field);
}
