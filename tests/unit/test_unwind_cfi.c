/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "frame_bytes.h"

#define SECTION_VA 0x2000

static struct frame_bytes bytes;

static struct cfi_section begin(bool is_eh)
{
	bytes.len = 0;
	bytes.elfva = SECTION_VA;
	bytes.is_eh = is_eh;
	return (struct cfi_section){ .data = bytes.data, .elfva = SECTION_VA, .is_eh = is_eh };
}

static void cfi_read_entry__walks_cies_and_fdes(void **state)
{
	(void)state;
	for (int is_eh = 0; is_eh <= 1; is_eh++) {
		struct cfi_section section = begin(is_eh);
		size_t cie = frame_add_usual_cie(&bytes);
		size_t fde = frame_add_fde(&bytes, cie, 0x1000, 0x20, PROGRAM(0x41, 0x0e, 16));
		struct cfi_entry entry;
		struct cfi_cie read_cie;
		struct cfi_fde read_fde;
		uint32_t pos = 0;

		section.size = bytes.len;
		assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
		assert_true(entry.is_cie);
		assert_int_equal(pos, fde);
		assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
		assert_false(entry.is_cie);
		assert_int_equal(entry.cie_pos, cie);
		assert_int_equal(entry.pos, fde);
		assert_int_equal(cfi_read_cie(&section, entry.cie_pos, &read_cie), 0);
		assert_int_equal(read_cie.code_align, 1);
		assert_int_equal(read_cie.data_align, -8);
		assert_int_equal(read_cie.ra_reg, 16);
		assert_int_equal(cfi_read_fde(&section, &entry, &read_cie, &read_fde), 0);
		assert_int_equal(read_fde.start_elfva, 0x1000);
		assert_int_equal(read_fde.size, 0x20);
		assert_int_equal(read_fde.program.pos[0], 0x41);
		assert_int_equal(cfi_read_entry(&section, &pos, &entry), -ENODATA);
	}
}

static void cfi_read_entry__goes_on_behind_a_terminator(void **state)
{
	struct cfi_section section = begin(true);
	struct cfi_entry entry;
	uint32_t pos = 0;
	size_t second;

	(void)state;
	frame_add_usual_cie(&bytes);
	frame_append_u32(&bytes, 0);
	frame_append_u32(&bytes, 0);
	second = frame_add_usual_cie(&bytes);
	frame_append_u32(&bytes, 0);
	section.size = bytes.len;
	assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
	assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
	assert_int_equal(entry.pos, second);
	assert_int_equal(cfi_read_entry(&section, &pos, &entry), -ENODATA);
}

static void cfi_read_entry__knows_lengths_of_64_bits(void **state)
{
	static const struct {
		bool is_eh;
		uint64_t id;
		size_t id_len;
		bool is_cie;
		uint32_t cie_pos;
	} cases[] = {
		{ true, 0, 4, true, 0 },           { true, 12, 4, false, 0 },
		{ false, UINT64_MAX, 8, true, 0 }, { false, 0xffffffff, 8, false, 0 }, /* far outside: malformed */
		{ false, 5, 8, false, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cfi_section section = begin(cases[i].is_eh);
		struct cfi_entry entry;
		uint64_t len = 16;
		uint32_t pos = 0;

		frame_append_u32(&bytes, 0xffffffff);
		frame_append(&bytes, &len, sizeof(len));
		frame_append(&bytes, &cases[i].id, cases[i].id_len);
		frame_append(&bytes, "0123456789ab", 16 - cases[i].id_len);
		section.size = bytes.len;
		if (cases[i].id == 0xffffffff) {
			assert_int_equal(cfi_read_entry(&section, &pos, &entry), -EBADMSG);
			continue;
		}
		assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
		assert_int_equal(entry.is_cie, cases[i].is_cie);
		assert_int_equal(cursor_left(&entry.body), 16 - cases[i].id_len);
		if (!entry.is_cie)
			assert_int_equal(entry.cie_pos, cases[i].cie_pos);
		assert_int_equal(pos, bytes.len);
	}
}

static void cfi_read_entry__stops_at_a_length_beyond_the_section(void **state)
{
	static const uint32_t lens[] = { 100, 0xfffffff0, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct cfi_section section = begin(true);
		struct cfi_entry entry;
		uint32_t pos = 0;

		frame_append_u32(&bytes, lens[i]);
		frame_append(&bytes, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
		section.size = bytes.len;
		assert_int_equal(cfi_read_entry(&section, &pos, &entry), -EBADMSG);
		assert_int_equal(pos, 0);
	}
}

static void cfi_read_cie__knows_versions_and_augmentations(void **state)
{
	static const struct {
		const char *text; /* from the version to the end of the augmentation data */
		size_t len;
		int expected;
		bool is_signal;
		uint8_t encoding;
	} cases[] = {
#define TEXT(literal) literal, sizeof(literal) - 1
		{ TEXT("\1\0\1\x78\20"), 0, false, 0 },
		{ TEXT("\3\0\1\x78\20"), 0, false, 0 },
		{ TEXT("\4\0\10\0\1\x78\20"), 0, false, 0 },
		{ TEXT("\4\0\4\0\1\x78\20"), -EBADMSG, false, 0 }, /* addresses of 32 bits */
		{ TEXT("\2\0\1\x78\20"), -EBADMSG, false, 0 },
		{ TEXT("\1zR\0\1\x78\20\1\x1b"), 0, false, 0x1b },
		{ TEXT("\1zRS\0\1\x78\20\1\x1b"), 0, true, 0x1b },
		{ TEXT("\1zPLR\0\1\x78\20\7\x9b\1\2\3\4\x1b\x3c"), 0, false, 0x3c },
		{ TEXT("\1zPR\0\1\x78\20\2\xff\x1b"), 0, false, 0x1b },
		{ TEXT("\1zRB\0\1\x78\20\1\x1b"), 0, false, 0x1b },
		{ TEXT("\1zRG\0\1\x78\20\1\x1b"), 0, false, 0x1b },
		{ TEXT("\1zRQ\0\1\x78\20\3\x1b\1\2"), 0, false, 0x1b }, /* unknown, but its length is known */
		{ TEXT("\1zR\0\1\x78\20\0"), -EBADMSG, false, 0 },
		{ TEXT("\1eh\0\1\x78\20"), -EBADMSG, false, 0 },
		{ TEXT("\1zR\0\1\x78\20\x7f\x1b"), -EBADMSG, false, 0 },
		{ TEXT("\1zzzz"), -EBADMSG, false, 0 },
#undef TEXT
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cfi_section section = begin(true);
		struct cfi_cie cie;

		frame_append_u32(&bytes, (uint32_t)cases[i].len + 4);
		frame_append_u32(&bytes, 0);
		frame_append(&bytes, cases[i].text, cases[i].len);
		section.size = bytes.len;
		assert_int_equal(cfi_read_cie(&section, 0, &cie), cases[i].expected);
		if (cases[i].expected < 0)
			continue;
		assert_int_equal(cie.is_signal, cases[i].is_signal);
		assert_int_equal(cie.pointer_encoding, cases[i].encoding);
		assert_int_equal(cie.data_align, -8);
		assert_int_equal(cie.ra_reg, 16);
	}
}

static void cfi_read_cie__refuses_what_is_none(void **state)
{
	struct cfi_section section = begin(true);
	size_t cie = frame_add_usual_cie(&bytes), fde;
	struct cfi_cie read;

	(void)state;
	frame_append_u32(&bytes, 0);
	frame_append_u32(&bytes, 0);
	fde = frame_add_fde(&bytes, cie, 0x1000, 0x20, NO_PROGRAM);
	section.size = bytes.len;
	assert_int_equal(cfi_read_cie(&section, (uint32_t)fde, &read), -EBADMSG);
	/* The terminator before an entry is not the entry. */
	assert_int_equal(cfi_read_cie(&section, (uint32_t)fde - 4, &read), -EBADMSG);
	assert_int_equal(cfi_read_cie(&section, (uint32_t)bytes.len, &read), -EBADMSG);
	assert_int_equal(cfi_read_cie(&section, 4, &read), -EBADMSG);
}

static void cfi_read_pointer__knows_every_encoding_of_code(void **state)
{
	/* The bytes are at SECTION_VA. */
	static const struct {
		uint8_t encoding;
		uint8_t data[10];
		uint64_t expected;
		size_t len; /* 0: fails */
	} cases[] = {
		{ 0x00, { 0xf0, 0xff }, 0xfff0, 8 },
		{ 0x01, { 0xb9, 0x64 }, 12857, 2 },
		{ 0x02, { 0xf0, 0xff }, 0xfff0, 2 },
		{ 0x03, { 0xf0, 0xff, 0xff, 0xff }, 0xfffffff0, 4 },
		{ 0x04, { 1 }, 1, 8 },
		{ 0x09, { 0x7e }, (uint64_t)-2, 1 },
		{ 0x0a, { 0xf0, 0xff }, (uint64_t)-16, 2 },
		{ 0x0b, { 0xf0, 0xff, 0xff, 0xff }, (uint64_t)-16, 4 },
		{ 0x0c, { 1 }, 1, 8 },
		{ 0x10, { 1 }, SECTION_VA + 1, 8 },
		{ 0x1b, { 0xf0, 0xff, 0xff, 0xff }, SECTION_VA - 16, 4 },
		{ 0x50, { 1 }, 1, 8 },
		{ 0x2b, { 1 }, 0, 0 }, /* relative to text */
		{ 0x3b, { 1 }, 0, 0 }, /* relative to data */
		{ 0x9b, { 1 }, 0, 0 }, /* indirect */
		{ 0x05, { 1 }, 0, 0 }, /* no such format */
		{ 0xff, { 1 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cfi_section section = {
			.data = cases[i].data,
			.size = sizeof(cases[i].data),
			.elfva = SECTION_VA,
		};
		struct cursor cursor = { .pos = section.data, .end = section.data + section.size };
		uint64_t value = cfi_read_pointer(&section, cases[i].encoding, &cursor);

		assert_int_equal(cursor.failed, cases[i].len == 0);
		if (cases[i].len == 0)
			continue;
		assert_int_equal(value, cases[i].expected);
		assert_int_equal(cursor.pos - section.data, cases[i].len);
	}
}

static void cfi_read_fde__refuses_a_range_beyond_the_address_space(void **state)
{
	struct cfi_section section = begin(false);
	size_t cie = frame_add_usual_cie(&bytes);
	struct cfi_entry entry;
	struct cfi_cie read_cie;
	struct cfi_fde fde;
	uint32_t pos;

	(void)state;
	pos = (uint32_t)frame_add_fde(&bytes, cie, UINT64_MAX - 10, 11, NO_PROGRAM);
	section.size = bytes.len;
	assert_int_equal(cfi_read_cie(&section, (uint32_t)cie, &read_cie), 0);
	assert_int_equal(cfi_read_entry(&section, &pos, &entry), 0);
	assert_int_equal(cfi_read_fde(&section, &entry, &read_cie, &fde), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfi_read_entry__walks_cies_and_fdes),
		cmocka_unit_test(cfi_read_entry__goes_on_behind_a_terminator),
		cmocka_unit_test(cfi_read_entry__knows_lengths_of_64_bits),
		cmocka_unit_test(cfi_read_entry__stops_at_a_length_beyond_the_section),
		cmocka_unit_test(cfi_read_cie__knows_versions_and_augmentations),
		cmocka_unit_test(cfi_read_cie__refuses_what_is_none),
		cmocka_unit_test(cfi_read_pointer__knows_every_encoding_of_code),
		cmocka_unit_test(cfi_read_fde__refuses_a_range_beyond_the_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
