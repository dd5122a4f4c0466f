/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "elf_fixture.h"
#include "symbolize/debugfile.h"

/* A directory of the test's own: bin/prog, its debug roots, all gone afterwards. */
struct fixture {
	char dir[64];
	char path[128];
	char root[128];
	const char *roots[3];
};

static const unsigned char build_id[] = { 0xab, 0xcd, 0xef, 0x01 };
static const unsigned char other_build_id[] = { 0xab, 0xcd, 0xef, 0x02 };

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	static char nowhere[] = "/nonexistent";

	assert_non_null(fixture);
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/test_symbolize_debugfile.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->path, sizeof(fixture->path), "%s/bin/prog", fixture->dir);
	snprintf(fixture->root, sizeof(fixture->root), "%s/debug", fixture->dir);
	fixture->roots[0] = nowhere;
	fixture->roots[1] = fixture->root;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	nftw(fixture->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* Writes an ELF file below the fixture's directory, with or without a build id and a debuglink. */
static void write_elf(const struct fixture *fixture, const char *name, const unsigned char *id, const char *link,
		      uint32_t checksum)
{
	struct {
		Elf64_Nhdr header;
		char name[4];
		unsigned char id[4];
	} note = { { 4, 4, NT_GNU_BUILD_ID }, "GNU", { 0 } };
	char path[256], debuglink[64] = "";
	size_t link_len = link ? (strlen(link) + 4) & ~(size_t)3 : 0;
	struct elf_fixture_section sections[2];
	size_t cnt = 0;
	char *slash;

	if (id) {
		memcpy(note.id, id, sizeof(note.id));
		sections[cnt++] = (struct elf_fixture_section){
			.name = ".note.gnu.build-id", .type = SHT_NOTE, .data = &note, .size = sizeof(note)
		};
	}
	if (link) {
		memcpy(debuglink, link, strlen(link));
		memcpy(debuglink + link_len, &checksum, sizeof(checksum));
		sections[cnt++] = (struct elf_fixture_section){ .name = ".gnu_debuglink",
								.type = SHT_PROGBITS,
								.data = debuglink,
								.size = link_len + sizeof(checksum) };
	}
	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(file_make_dirs(path), 0);
	*slash = '/';
	elf_fixture_write(path, EM_X86_64, sections, cnt);
}

static void remove_file(const struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	assert_int_equal(remove(path), 0);
}

static uint32_t checksum_of(const struct fixture *fixture, const char *name)
{
	_cleanup_(freep) char *data = NULL;
	char path[256];
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	assert_int_equal(file_read(path, 1 << 20, &data, &len), 0);
	return (uint32_t)crc32(0, (const unsigned char *)data, (unsigned)len);
}

/* What is found for bin/prog must be `expected`, below the fixture's directory; "" for nothing. */
static void assert_finds(const struct fixture *fixture, const char *expected)
{
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(object_freep) struct object *debugfile = NULL;
	int err;

	assert_int_equal(object_new_path(fixture->path, &object), 0);
	err = debugfile_open(object, fixture->roots, &debugfile);
	if (!expected[0]) {
		assert_int_equal(err, -ENODATA);
		assert_null(debugfile);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(debugfile->path + strlen(fixture->dir) + 1, expected);
}

static void debugfile_open__finds_by_build_id(void **state)
{
	const struct fixture *fixture = *state;

	write_elf(fixture, "bin/prog", build_id, NULL, 0);
	assert_finds(fixture, "");
	write_elf(fixture, "debug/.build-id/ab/cdef01.debug", build_id, NULL, 0);
	assert_finds(fixture, "debug/.build-id/ab/cdef01.debug");
}

static void debugfile_open__refuses_a_file_that_only_has_the_name(void **state)
{
	const struct fixture *fixture = *state;

	write_elf(fixture, "bin/prog", build_id, "prog.debug", 0);
	write_elf(fixture, "debug/.build-id/ab/cdef01.debug", other_build_id, NULL, 0);
	write_elf(fixture, "bin/prog.debug", other_build_id, NULL, 0);
	assert_finds(fixture, "");
}

static void debugfile_open__follows_the_debuglink_by_checksum(void **state)
{
	static const char *const places[] = { "bin/prog.debug", "bin/.debug/prog.debug" };
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		write_elf(fixture, places[i], NULL, NULL, 0);
		write_elf(fixture, "bin/prog", NULL, "prog.debug", checksum_of(fixture, places[i]));
		assert_finds(fixture, places[i]);
		write_elf(fixture, "bin/prog", NULL, "prog.debug", checksum_of(fixture, places[i]) ^ 1);
		assert_finds(fixture, "");
		write_elf(fixture, "bin/prog", NULL, "prog.debug", checksum_of(fixture, places[i]));
		assert_finds(fixture, places[i]);
		remove_file(fixture, places[i]);
	}
}

static void debugfile_open__follows_the_debuglink_below_the_roots(void **state)
{
	struct fixture *fixture = *state;
	char place[256];

	/* <root><directory of the program>/prog.debug */
	snprintf(place, sizeof(place), "debug%s/bin/prog.debug", fixture->dir);
	write_elf(fixture, place, build_id, NULL, 0);
	/* The checksum does not count where both have a build id. */
	write_elf(fixture, "bin/prog", build_id, "prog.debug", 12345);
	assert_finds(fixture, place);
	fixture->roots[1] = NULL;
	assert_finds(fixture, "");
}

static void debugfile_open__refuses_links_that_lead_astray(void **state)
{
	static const char *const links[] = { "../bin/prog.debug", "/etc/passwd", "prog", "" };
	const struct fixture *fixture = *state;

	write_elf(fixture, "bin/prog.debug", NULL, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		write_elf(fixture, "bin/prog", NULL, links[i], checksum_of(fixture, "bin/prog.debug"));
		assert_finds(fixture, "");
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(debugfile_open__finds_by_build_id),
		TEST(debugfile_open__refuses_a_file_that_only_has_the_name),
		TEST(debugfile_open__follows_the_debuglink_by_checksum),
		TEST(debugfile_open__follows_the_debuglink_below_the_roots),
		TEST(debugfile_open__refuses_links_that_lead_astray),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
