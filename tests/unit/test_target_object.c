/* SPDX-License-Identifier: Apache-2.0 */
#include "target/object.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cmocka.h>

#include "elf_image.h"

#define TEXT_OFF 0x1000
#define TEXT_VA 0x401000
#define TEXT_SIZE 0x500

/* What a linker writes: headers and notes in a readable segment, code in an executable one. */
static void make_image(struct elf_image *image)
{
	elf_image_init(image, EM_X86_64);
	elf_image_add_segment(image, PT_LOAD, PF_R, 0, 0x400000, 0x200);
	elf_image_align(image, TEXT_OFF);
	elf_image_append(image, NULL, TEXT_SIZE);
	elf_image_add_segment(image, PT_LOAD, PF_R | PF_X, TEXT_OFF, TEXT_VA, TEXT_SIZE);
}

static struct object *open_image(struct elf_image *image)
{
	struct object *object = NULL;

	elf_image_finish(image);
	assert_int_equal(object_new_memory(image->data, image->len, "/made/up", &object), 0);
	return object;
}

static size_t make_note(unsigned char *ret, const char *name, size_t name_len, uint32_t type, size_t desc_len)
{
	Elf64_Nhdr note = { .n_namesz = (uint32_t)name_len, .n_descsz = (uint32_t)desc_len, .n_type = type };
	size_t len = sizeof(note);

	memcpy(ret, &note, sizeof(note));
	memset(ret + len, 0, (name_len + 3) & ~3u);
	memcpy(ret + len, name, name_len);
	len += (name_len + 3) & ~3u;
	for (size_t i = 0; i < desc_len; i++)
		ret[len + i] = (unsigned char)(0xa0 + i);
	memset(ret + len + desc_len, 0, -desc_len & 3);
	return len + ((desc_len + 3) & ~3u);
}

static void object_off_to_elfva__converts_within_executable_segments_only(void **state)
{
	static const struct {
		uint64_t off, elfva;
		int expected;
	} cases[] = {
		{ TEXT_OFF, TEXT_VA, 0 },
		{ TEXT_OFF + 0x123, TEXT_VA + 0x123, 0 },
		{ TEXT_OFF + TEXT_SIZE - 1, TEXT_VA + TEXT_SIZE - 1, 0 },
		{ TEXT_OFF + TEXT_SIZE, TEXT_VA + TEXT_SIZE, -ENODATA },
		{ TEXT_OFF - 1, TEXT_VA - 1, -ENODATA },
		{ 0x10, 0x400010, -ENODATA },
		{ UINT64_MAX, UINT64_MAX, -ENODATA },
	};
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;

	(void)state;
	make_image(&image);
	object = open_image(&image);
	assert_int_equal(object->segment_cnt, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t off = 7, elfva = 7;

		assert_int_equal(object_off_to_elfva(object, cases[i].off, &elfva), cases[i].expected);
		assert_int_equal(object_elfva_to_off(object, cases[i].elfva, &off), cases[i].expected);
		assert_int_equal(elfva, cases[i].expected ? 7 : cases[i].elfva);
		assert_int_equal(off, cases[i].expected ? 7 : cases[i].off);
	}
}

static void object_new__sorts_segments_by_address(void **state)
{
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;

	(void)state;
	make_image(&image);
	elf_image_add_segment(&image, PT_LOAD, PF_X, TEXT_OFF, 0x300000, 0x80);
	elf_image_add_segment(&image, PT_LOAD, PF_X, TEXT_OFF, 0x700000, 0x80);
	object = open_image(&image);
	assert_int_equal(object->segment_cnt, 3);
	assert_int_equal(object->segments[0].elfva, 0x300000);
	assert_int_equal(object->segments[1].elfva, TEXT_VA);
	assert_int_equal(object->segments[2].elfva, 0x700000);
}

static void object_new__ends_segments_where_the_file_ends(void **state)
{
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;

	(void)state;
	make_image(&image);
	elf_image_add_segment(&image, PT_LOAD, PF_X, TEXT_OFF + 0x10, 0x700000, UINT64_MAX / 2);
	elf_image_add_segment(&image, PT_LOAD, PF_X, UINT64_MAX / 2, 0x800000, 0x10);
	elf_image_add_segment(&image, PT_LOAD, PF_X, TEXT_OFF, 0x900000, 0);
	object = open_image(&image);
	assert_int_equal(object->segment_cnt, 2);
	assert_int_equal(object->segments[1].size, image.len - TEXT_OFF - 0x10);
}

static void object_new__refuses_what_is_not_of_this_kind(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
	} cases[] = {
		{ 0, 'e' }, /* magic */
		{ EI_CLASS, ELFCLASS32 },
		{ EI_DATA, ELFDATA2MSB },
		{ offsetof(Elf64_Ehdr, e_type), ET_REL },
		{ offsetof(Elf64_Ehdr, e_type), ET_CORE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(elf_image_fini) struct elf_image image;
		struct object *object = NULL;

		make_image(&image);
		elf_image_finish(&image);
		image.data[cases[i].at] = cases[i].value;
		assert_int_equal(object_new_memory(image.data, image.len, "x", &object), -EBADMSG);
		assert_null(object);
	}
}

static void object_new__refuses_a_segment_beyond_the_address_space(void **state)
{
	_cleanup_(elf_image_fini) struct elf_image image;
	struct object *object = NULL;

	(void)state;
	make_image(&image);
	elf_image_add_segment(&image, PT_LOAD, PF_X, TEXT_OFF, UINT64_MAX - 2, 0x10);
	elf_image_finish(&image);
	assert_int_equal(object_new_memory(image.data, image.len, "x", &object), -EBADMSG);
}

static void object_build_id__is_gnus_and_else_gos(void **state)
{
	static const struct {
		bool has_gnu, has_go, in_section;
		size_t gnu_len, expected_len;
	} cases[] = {
		{ .has_gnu = true, .gnu_len = 20, .expected_len = 20 },
		{ .has_gnu = true, .has_go = true, .gnu_len = 20, .expected_len = 20 },
		{ .has_go = true, .expected_len = 83 },
		{ .has_gnu = true, .has_go = true, .gnu_len = 0, .expected_len = 83 },
		{ .has_gnu = true, .gnu_len = 500, .expected_len = OBJECT_BUILD_ID_MAX },
		{ .has_gnu = true, .in_section = true, .gnu_len = 8, .expected_len = 8 },
		{ .expected_len = 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(elf_image_fini) struct elf_image image;
		_cleanup_(object_freep) struct object *object = NULL;
		unsigned char notes[1024];
		size_t len = make_note(notes, "GNU", 4, NT_GNU_ABI_TAG, 16);
		uint64_t off;

		if (cases[i].has_go)
			len += make_note(notes + len, "Go\0", 4, 4, 83);
		if (cases[i].has_gnu)
			len += make_note(notes + len, "GNU", 4, NT_GNU_BUILD_ID, cases[i].gnu_len);
		make_image(&image);
		off = elf_image_align(&image, 4);
		elf_image_append(&image, notes, len);
		if (cases[i].in_section) /* a debug file: its segments are not to be trusted */
			elf_image_add_segment(&image, PT_NOTE, PF_R, off + (1 << 20), 0, len);
		else
			elf_image_add_segment(&image, PT_NOTE, PF_R, off, 0, len);
		elf_image_add_section(&image, ".note", cases[i].in_section ? SHT_NOTE : SHT_PROGBITS, 0, notes, len);
		object = open_image(&image);
		assert_int_equal(object->build_id_len, cases[i].expected_len);
		if (object->build_id_len)
			assert_int_equal(object->build_id[1], 0xa1);
	}
}

static void object_format_build_id__writes_lower_case_hexadecimal(void **state)
{
	struct object object = { .build_id = { 0x00, 0x1f, 0xab, 0xff }, .build_id_len = 4 };
	char text[2 * OBJECT_BUILD_ID_MAX + 1];

	(void)state;
	object_format_build_id(&object, text);
	assert_string_equal(text, "001fabff");
	object.build_id_len = 0;
	object_format_build_id(&object, text);
	assert_string_equal(text, "");
}

static void object_get_section__finds_it_by_name(void **state)
{
	static const char bytes[] = "bytes of the section";
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;
	GElf_Shdr header;
	Elf_Data *data;

	(void)state;
	make_image(&image);
	elf_image_add_section(&image, ".there", SHT_PROGBITS, 0x1234, bytes, sizeof(bytes));
	elf_image_add_section(&image, ".empty", SHT_PROGBITS, 0, NULL, 0);
	elf_image_add_section(&image, ".nobits", SHT_NOBITS, 0, bytes, sizeof(bytes));
	elf_image_add_section(&image, ".beyond", SHT_PROGBITS, 0, bytes, sizeof(bytes))->sh_size = 1 << 20;
	elf_image_add_section(&image, ".huge", SHT_PROGBITS, 0, bytes, sizeof(bytes))->sh_size = 1ULL << 40;
	object = open_image(&image);
	assert_int_equal(object_get_section(object, ".there", &header, &data), 0);
	assert_int_equal(header.sh_addr, 0x1234);
	assert_int_equal(data->d_size, sizeof(bytes));
	assert_memory_equal(data->d_buf, bytes, sizeof(bytes));
	assert_int_equal(object_get_section(object, ".absent", &header, &data), -ENODATA);
	assert_int_equal(object_get_section(object, ".ther", &header, &data), -ENODATA);
	assert_int_equal(object_get_section(object, ".empty", &header, &data), -ENODATA);
	assert_int_equal(object_get_section(object, ".nobits", &header, &data), -ENODATA);
	assert_int_equal(object_get_section(object, ".beyond", &header, &data), -EBADMSG);
	assert_int_equal(object_get_section(object, ".huge", &header, &data), -EBADMSG);
}

/* The bytes 0, 1, 2 ... compressed as the gABI has it, or as GNU had it before. */
static void add_compressed(struct elf_image *image, const char *name, bool by_gnu, size_t plain_len, uint64_t said_len)
{
	_cleanup_(freep) unsigned char *plain = malloc(plain_len), *packed = malloc(compressBound(plain_len) + 64);
	uLongf packed_len = compressBound(plain_len);
	Elf64_Chdr chdr = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = said_len, .ch_addralign = 1 };
	const unsigned char magic[] = { 'Z', 'L', 'I', 'B' };
	size_t head = by_gnu ? 12 : sizeof(chdr);
	Elf64_Shdr *section;

	assert_non_null(plain);
	assert_non_null(packed);
	for (size_t i = 0; i < plain_len; i++)
		plain[i] = (unsigned char)i;
	memcpy(packed, &chdr, sizeof(chdr));
	if (by_gnu) {
		memcpy(packed, magic, sizeof(magic));
		for (size_t i = 0; i < 8; i++)
			packed[4 + i] = (unsigned char)(said_len >> (56 - 8 * i));
	}
	assert_int_equal(compress(packed + head, &packed_len, plain, plain_len), Z_OK);
	section = elf_image_add_section(image, name, SHT_PROGBITS, 0, packed, head + packed_len);
	section->sh_flags = by_gnu ? 0 : SHF_COMPRESSED;
}

static void object_get_section__decompresses(void **state)
{
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;
	static const char *const names[] = { ".debug_frame", ".debug_line", ".debug_frame" };
	GElf_Shdr header;
	Elf_Data *data;

	(void)state;
	make_image(&image);
	add_compressed(&image, ".debug_frame", false, 5000, 5000);
	add_compressed(&image, ".zdebug_line", true, 5000, 5000);
	object = open_image(&image);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(object_get_section(object, names[i], &header, &data), 0);
		assert_int_equal(data->d_size, 5000);
		for (size_t j = 0; j < 5000; j++)
			assert_int_equal(((unsigned char *)data->d_buf)[j], (unsigned char)j);
	}
	assert_int_equal(object_get_section(object, ".line", &header, &data), -ENODATA);
}

static void object_get_section__refuses_compressed_bytes_that_lie(void **state)
{
	static const struct {
		bool by_gnu;
		uint64_t said_len;
	} cases[] = { { false, 4999 }, { false, 6000 }, { false, 1ULL << 40 }, { true, 4999 }, { true, 1ULL << 40 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(elf_image_fini) struct elf_image image;
		_cleanup_(object_freep) struct object *object = NULL;
		GElf_Shdr header;
		Elf_Data *data;

		make_image(&image);
		add_compressed(&image, cases[i].by_gnu ? ".zdebug_frame" : ".debug_frame", cases[i].by_gnu, 5000,
			       cases[i].said_len);
		object = open_image(&image);
		assert_int_equal(object_get_section(object, ".debug_frame", &header, &data), -EBADMSG);
	}
}

static void object_new_path__opens_regular_files_only(void **state)
{
	char directory[] = "/tmp/test_target_object.XXXXXX", path[64];
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	make_image(&image);
	elf_image_finish(&image);
	assert_int_equal(object_new_path(directory, &object), -EBADMSG);
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(object_new_path(path, &object), -EBADMSG);
	unlink(path);
	snprintf(path, sizeof(path), "%s/file", directory);
	assert_int_equal(object_new_path(path, &object), -ENOENT);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, image.data, image.len), image.len);
	close(fd);
	assert_int_equal(object_new_path(path, &object), 0);
	assert_string_equal(object->path, path);
	assert_int_equal(object->segment_cnt, 1);
	unlink(path);
	rmdir(directory);
}

static void object_new__survives_a_file_cut_anywhere(void **state)
{
	static const char *const names[] = { ".debug_frame", ".debug_line", ".note" };
	unsigned char notes[256];
	_cleanup_(elf_image_fini) struct elf_image image;
	size_t len = make_note(notes, "GNU", 4, NT_GNU_BUILD_ID, 20);

	(void)state;
	make_image(&image);
	add_compressed(&image, ".debug_frame", false, 300, 300);
	add_compressed(&image, ".zdebug_line", true, 300, 300);
	elf_image_add_section(&image, ".note", SHT_NOTE, 0, notes, len);
	elf_image_finish(&image);
	for (size_t cut = 0; cut < image.len; cut++) {
		/* Of its own size exactly, so that the sanitizer sees every step too far. */
		_cleanup_(freep) unsigned char *copy = malloc(cut + 1);
		_cleanup_(object_freep) struct object *object = NULL;
		GElf_Shdr header;
		Elf_Data *data;

		memcpy(copy, image.data, cut);
		copy = realloc(copy, cut ? cut : 1);
		if (object_new_memory(copy, cut, "x", &object) < 0)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			assert_true(object_get_section(object, names[i], &header, &data) <= 0);
	}
}

static void object_close__keeps_what_is_known_of_the_file(void **state)
{
	_cleanup_(object_freep) struct object *object = NULL;
	uint64_t elfva = 0;
	GElf_Shdr header;
	Elf_Data *data;
	int fd;

	(void)state;
	assert_int_equal(object_new_path("/proc/self/exe", &object), 0);
	assert_true(object_is_open(object));
	fd = object->fd;
	object_close(object);
	assert_false(object_is_open(object));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(object->fd, -1);
	assert_true(object->identity.size > 0 && object->identity.inode > 0);
	assert_true(object->segment_cnt > 0);
	assert_int_equal(object_off_to_elfva(object, object->segments[0].off, &elfva), 0);
	assert_int_equal(elfva, object->segments[0].elfva);
	assert_true(object_get_section(object, ".text", &header, &data) < 0);
	object_close(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(object_off_to_elfva__converts_within_executable_segments_only),
		cmocka_unit_test(object_new__sorts_segments_by_address),
		cmocka_unit_test(object_new__ends_segments_where_the_file_ends),
		cmocka_unit_test(object_new__refuses_what_is_not_of_this_kind),
		cmocka_unit_test(object_new__refuses_a_segment_beyond_the_address_space),
		cmocka_unit_test(object_build_id__is_gnus_and_else_gos),
		cmocka_unit_test(object_format_build_id__writes_lower_case_hexadecimal),
		cmocka_unit_test(object_get_section__finds_it_by_name),
		cmocka_unit_test(object_get_section__decompresses),
		cmocka_unit_test(object_get_section__refuses_compressed_bytes_that_lie),
		cmocka_unit_test(object_new_path__opens_regular_files_only),
		cmocka_unit_test(object_new__survives_a_file_cut_anywhere),
		cmocka_unit_test(object_close__keeps_what_is_known_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
