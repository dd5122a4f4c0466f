/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/strbuf.h"

/* What the system calls do from now on; all zero is what they always do. */
static struct faults {
	size_t piece_max;  /* bytes that one read or write moves at the most */
	int interruptions; /* calls that end by EINTR before the others */
	int read_errno;
	int write_errno;
	int fsync_errno;
	int rename_errno;
} faults;

/* Each test works in a new directory of its own. */
static char folder[64];

ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

static int fault(int error)
{
	if (faults.interruptions > 0) {
		faults.interruptions--;
		error = EINTR;
	}
	errno = error;
	return error ? -1 : 0;
}

static size_t piece(size_t len)
{
	return faults.piece_max && len > faults.piece_max ? faults.piece_max : len;
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	return fault(faults.read_errno) < 0 ? -1 : __real_read(fd, data, piece(len));
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	return fault(faults.write_errno) < 0 ? -1 : __real_write(fd, data, piece(len));
}

int __wrap_fsync(int fd)
{
	return fault(faults.fsync_errno) < 0 ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	return fault(faults.rename_errno) < 0 ? -1 : __real_rename(from, to);
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_plain(const char *name, const char *text, size_t len)
{
	_cleanup_(fclosep) FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
}

static void assert_holds(const char *name, const char *text, size_t len)
{
	_cleanup_(freep) char *held = NULL;
	size_t held_len;

	assert_int_equal(file_read(path_of(name), len + 2, &held, &held_len), 0);
	assert_int_equal(held_len, len);
	assert_memory_equal(held, text, len);
	assert_int_equal(held[len], '\0');
}

static size_t count_entries(void)
{
	DIR *dir = opendir(folder);
	size_t cnt = 0;

	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		cnt += entry->d_name[0] != '.';
	closedir(dir);
	return cnt;
}

static int folder_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	faults = (struct faults){ 0 };
	snprintf(folder, sizeof(folder), "%.40s/pprofd-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_teardown(void **state)
{
	char command[128];

	(void)state;
	faults = (struct faults){ 0 };
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void file_read__reads_whole_files_of_any_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		_cleanup_(freep) char *text = malloc(sizes[i] + 1);

		for (size_t at = 0; at < sizes[i]; at++)
			text[at] = (char)(at * 31 % 251);
		write_plain("f", text, sizes[i]);
		assert_holds("f", text, sizes[i]);
	}
}

static void file_read__goes_on_after_short_reads_and_interruptions(void **state)
{
	(void)state;
	write_plain("f", "in pieces", 9);
	faults = (struct faults){ .piece_max = 2, .interruptions = 3 };
	assert_holds("f", "in pieces", 9);
	assert_int_equal(faults.interruptions, 0);
}

static void file_read__stops_at_the_bound(void **state)
{
	_cleanup_(freep) char *text = NULL;

	(void)state;
	write_plain("f", "12345", 5);
	assert_int_equal(file_read(path_of("f"), 5, &text, NULL), -EFBIG);
	assert_null(text);
	assert_int_equal(file_read(path_of("f"), 6, &text, NULL), 0);
	assert_string_equal(text, "12345");
}

static void file_read__says_why_it_failed(void **state)
{
	_cleanup_(freep) char *text = NULL;

	(void)state;
	assert_int_equal(file_read(path_of("missing"), 10, &text, NULL), -ENOENT);
	assert_int_equal(file_read(folder, 10, &text, NULL), -EISDIR);
	write_plain("f", "12345", 5);
	faults.read_errno = EIO;
	assert_int_equal(file_read(path_of("f"), 10, &text, NULL), -EIO);
	assert_null(text);
}

static void file_read_number__reads_decimal_and_hexadecimal(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t number;
	} cases[] = {
		{ "0", 0, 0 },
		{ "42\n", 0, 42 },
		{ "-1\n", 0, -1 },
		{ " 7", 0, 7 },
		{ "010\n", 0, 10 },
		{ "0x10", 0, 16 },
		{ "0XfF\n", 0, 255 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
		{ "\n", -EBADMSG, 0 },
		{ "max\n", -EBADMSG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t number = -77;

		write_plain("n", cases[i].text, strlen(cases[i].text));
		assert_int_equal(file_read_number(path_of("n"), &number), cases[i].err);
		assert_int_equal(number, cases[i].err ? -77 : cases[i].number);
	}
}

static void file_write_atomic__replaces_the_whole_file(void **state)
{
	(void)state;
	assert_int_equal(file_write_atomic(path_of("f"), "first, and longer", 17), 0);
	assert_int_equal(file_write_atomic(path_of("f"), "second", 6), 0);
	assert_holds("f", "second", 6);
	assert_int_equal(file_write_atomic(path_of("f"), "", 0), 0);
	assert_holds("f", "", 0);
	assert_int_equal(count_entries(), 1);
}

static void file_write_atomic__goes_on_after_short_writes_and_interruptions(void **state)
{
	(void)state;
	faults = (struct faults){ .piece_max = 3, .interruptions = 2 };
	assert_int_equal(file_write_atomic(path_of("f"), "in several pieces", 17), 0);
	faults = (struct faults){ 0 };
	assert_holds("f", "in several pieces", 17);
}

static void file_write_atomic__keeps_the_old_file_when_it_fails(void **state)
{
	static const struct {
		struct faults faults;
		int err;
	} cases[] = {
		{ { .write_errno = ENOSPC }, -ENOSPC },
		{ { .fsync_errno = EIO }, -EIO },
		{ { .rename_errno = EACCES }, -EACCES },
	};

	(void)state;
	write_plain("f", "old", 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		faults = cases[i].faults;
		assert_int_equal(file_write_atomic(path_of("f"), "new", 3), cases[i].err);
		faults = (struct faults){ 0 };
		assert_holds("f", "old", 3);
		assert_int_equal(count_entries(), 1);
	}
	assert_int_equal(file_write_atomic(path_of("missing/f"), "new", 3), -ENOENT);
}

static void file_make_dirs__makes_all_of_a_path(void **state)
{
	static const char *const names[] = { "a", "a/b/c", "a/b/c", "d//e", "f/g/" };
	struct stat info;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(file_make_dirs(path_of(names[i])), 0);
		assert_int_equal(stat(path_of(names[i]), &info), 0);
		assert_true(S_ISDIR(info.st_mode));
	}
	assert_int_equal(file_make_dirs("/"), 0);
}

static void file_make_dirs__does_not_take_a_file_for_a_directory(void **state)
{
	(void)state;
	write_plain("f", "", 0);
	assert_int_equal(file_make_dirs(path_of("f/g")), -ENOTDIR);
	assert_int_equal(file_make_dirs(path_of("f")), -ENOTDIR);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(file_read__reads_whole_files_of_any_size),
		FOLDER_TEST(file_read__goes_on_after_short_reads_and_interruptions),
		FOLDER_TEST(file_read__stops_at_the_bound),
		FOLDER_TEST(file_read__says_why_it_failed),
		FOLDER_TEST(file_read_number__reads_decimal_and_hexadecimal),
		FOLDER_TEST(file_write_atomic__replaces_the_whole_file),
		FOLDER_TEST(file_write_atomic__goes_on_after_short_writes_and_interruptions),
		FOLDER_TEST(file_write_atomic__keeps_the_old_file_when_it_fails),
		FOLDER_TEST(file_make_dirs__makes_all_of_a_path),
		FOLDER_TEST(file_make_dirs__does_not_take_a_file_for_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
