/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "store/window_dir.h"

/* 2023-11-14T22:13:20Z */
#define TIME_NS 1700000000000000000ULL
#define MS 1000000ULL

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static int set_up(void **state)
{
	char *path = strdup("/tmp/test_store_window_dir.XXXXXX");

	*state = path;
	return path && mkdtemp(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	int status = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return status;
}

static void put_file(const char *dir, const char *name, size_t len, time_t mtime)
{
	const struct timespec times[] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Compares the names in a directory, sorted, each followed by a line break. */
static void assert_files(const char *dir, const char *want)
{
	_cleanup_(strbuf_fini) struct strbuf names = { 0 };
	struct dirent **entries;
	int cnt = scandir(dir, &entries, NULL, by_name);

	assert_true(cnt >= 0);
	for (int i = 0; i < cnt; i++) {
		if (entries[i]->d_name[0] != '.')
			strbuf_printf(&names, "%s\n", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(strbuf_text(&names), want);
}

static int put(struct window_dir *dir, const char *service, uint64_t time_wall_ns, size_t len)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(freep) unsigned char *data = malloc(len + 1);
	struct blob blob = { data, len };

	assert_non_null(data);
	memset(data, 'p', len);
	assert_int_equal(profile_new("process_cpu", &profile), 0);
	profile->time_wall_ns = time_wall_ns;
	if (service)
		assert_int_equal(profile_add_label(profile, "service_name", service), 0);
	return window_dir_put(dir, profile, &blob);
}

static void window_dir_put__writes_service_and_utc_time(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	_cleanup_(freep) char *data = NULL;
	char path[512];
	size_t len;

	snprintf(path, sizeof(path), "%s/made/below", (const char *)*state);
	assert_int_equal(window_dir_new(path, 1 << 20, &dir), 0);
	assert_int_equal(put(dir, "redis-server", TIME_NS + 7 * MS, 10), 0);
	assert_files(path, "redis-server-20231114T221320.007Z.pb.gz\n");
	strcat(path, "/redis-server-20231114T221320.007Z.pb.gz");
	assert_int_equal(file_read(path, 1 << 20, &data, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(data, "pppppppppp");
}

static void window_dir_put__makes_any_service_a_plain_name(void **state)
{
	static const struct {
		const char *service, *want;
	} cases[] = {
		{ "../../etc/passwd", "_._.._etc_passwd" },
		{ ".hidden", "_hidden" },
		{ "a b\n$(x)", "a_b___x_" },
		{ "caf\xc3\xa9", "caf__" },
		{ "", "unknown" },
		{ NULL, "unknown" },
		{ "libfoo.so.1_x-y", "libfoo.so.1_x-y" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
		char path[512], want[512];

		snprintf(path, sizeof(path), "%s/%zu", (const char *)*state, i);
		snprintf(want, sizeof(want), "%s-20231114T221320.000Z.pb.gz\n", cases[i].want);
		assert_int_equal(window_dir_new(path, 1 << 20, &dir), 0);
		assert_int_equal(put(dir, cases[i].service, TIME_NS, 1), 0);
		assert_files(path, want);
	}
}

static void window_dir_put__bounds_the_name(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	char service[4000];

	memset(service, 's', sizeof(service));
	service[sizeof(service) - 1] = '\0';
	assert_int_equal(window_dir_new(*state, 1 << 20, &dir), 0);
	assert_int_equal(put(dir, service, TIME_NS, 1), 0);
	assert_int_equal(window_dir_get_bytes(dir), 4096);
}

static void window_dir_put__never_replaces_a_file(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;

	assert_int_equal(window_dir_new(*state, 1 << 20, &dir), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(dir, "web", TIME_NS, 1), 0);
	assert_files(*state, "web-20231114T221320.000Z-2.pb.gz\n"
			     "web-20231114T221320.000Z-3.pb.gz\n"
			     "web-20231114T221320.000Z.pb.gz\n");
}

static void window_dir_put__removes_the_oldest_first(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;

	/* Room for three blocks. */
	assert_int_equal(window_dir_new(*state, 3 * 4096 + 100, &dir), 0);
	assert_int_equal(put(dir, "c", TIME_NS, 4096), 0);
	assert_int_equal(put(dir, "b", TIME_NS, 1), 0);
	assert_int_equal(put(dir, "a", TIME_NS, 1), 0);
	assert_int_equal(window_dir_get_bytes(dir), 3 * 4096);
	assert_int_equal(put(dir, "d", TIME_NS, 1), 0);
	assert_files(*state, "a-20231114T221320.000Z.pb.gz\n"
			     "b-20231114T221320.000Z.pb.gz\n"
			     "d-20231114T221320.000Z.pb.gz\n");
	assert_int_equal(put(dir, "e", TIME_NS, 4097), 0);
	assert_files(*state, "d-20231114T221320.000Z.pb.gz\n"
			     "e-20231114T221320.000Z.pb.gz\n");
	assert_int_equal(window_dir_get_bytes(dir), 3 * 4096);
}

static void window_dir_new__counts_what_earlier_runs_left(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;

	/* Neither the order of names nor that of creation is that of age. */
	put_file(*state, "b-20231114T221320.000Z.pb.gz", 4096, 3000);
	put_file(*state, "d-20231114T221320.000Z.pb.gz", 4096, 5000);
	put_file(*state, "a-20231114T221320.000Z-12.pb.gz", 4096, 4000);
	put_file(*state, "e-20231114T221320.000Z.pb.gz", 4096, 1000);
	put_file(*state, "c-x-20231114T221320.000Z.pb.gz.tmp-77", 1, 2000);
	assert_int_equal(window_dir_new(*state, 5 * 4096, &dir), 0);
	assert_int_equal(window_dir_get_bytes(dir), 5 * 4096);
	assert_int_equal(put(dir, "now", TIME_NS, 1), 0);
	assert_files(*state, "a-20231114T221320.000Z-12.pb.gz\n"
			     "b-20231114T221320.000Z.pb.gz\n"
			     "c-x-20231114T221320.000Z.pb.gz.tmp-77\n"
			     "d-20231114T221320.000Z.pb.gz\n"
			     "now-20231114T221320.000Z.pb.gz\n");
	assert_int_equal(put(dir, "now", TIME_NS, 5000), 0);
	assert_files(*state, "a-20231114T221320.000Z-12.pb.gz\n"
			     "d-20231114T221320.000Z.pb.gz\n"
			     "now-20231114T221320.000Z-2.pb.gz\n"
			     "now-20231114T221320.000Z.pb.gz\n");
}

static void window_dir_new__leaves_alone_what_is_not_ours(void **state)
{
	static const char *const others[] = {
		"README",
		"web.pb.gz",
		"web-20231114T221320.000Z.pb",
		"web-20231114T221320.000Z.pb.gz.bak",
		"web-20231114T221320.000Z.pb.gz.tmp-x",
		"web-20231114T221320.000Z-x.pb.gz",
		"web-20231114T22132.000Z.pb.gz",
		"web-20231114 221320.000Z.pb.gz",
		"-20231114T221320.000Z.pb.gz",
	};
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	char path[512];

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		put_file(*state, others[i], 100000, 1);
	snprintf(path, sizeof(path), "%s/dir-20231114T221320.000Z.pb.gz", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/link-20231114T221320.000Z.pb.gz", (const char *)*state);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(window_dir_new(*state, 4096, &dir), 0);
	assert_int_equal(window_dir_get_bytes(dir), 0);
	assert_int_equal(put(dir, "web", TIME_NS, 1), 0);
	assert_int_equal(put(dir, "web", TIME_NS + MS, 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		snprintf(path, sizeof(path), "%s/%s", (const char *)*state, others[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
}

static void window_dir_put__refuses_what_can_never_fit(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;

	assert_int_equal(window_dir_new(*state, 8192, &dir), 0);
	assert_int_equal(put(dir, "kept", TIME_NS, 1), 0);
	assert_int_equal(put(dir, "large", TIME_NS, 8193), -EFBIG);
	assert_files(*state, "kept-20231114T221320.000Z.pb.gz\n");
}

static void window_dir_put__goes_on_when_somebody_removed_files(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	char path[512];

	assert_int_equal(window_dir_new(*state, 4096, &dir), 0);
	assert_int_equal(put(dir, "a", TIME_NS, 1), 0);
	snprintf(path, sizeof(path), "%s/a-20231114T221320.000Z.pb.gz", (const char *)*state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(put(dir, "b", TIME_NS, 1), 0);
	assert_int_equal(window_dir_get_bytes(dir), 4096);
}

static void window_dir_put__returns_the_error_and_counts_nothing(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/gone", (const char *)*state);
	assert_int_equal(window_dir_new(path, 1 << 20, &dir), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(put(dir, "a", TIME_NS, 1), -ENOENT);
	assert_int_equal(window_dir_get_bytes(dir), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(put(dir, "a", TIME_NS, 1), 0);
	assert_files(path, "a-20231114T221320.000Z.pb.gz\n");
}

static void window_dir_put__leaves_nothing_behind_of_a_write_that_fails(void **state)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = NULL;
	struct rlimit before, tiny;

	/* Stands in for a full disk: the write of what goes beyond gives an error. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tiny = (struct rlimit){ .rlim_cur = 1000, .rlim_max = before.rlim_max };
	assert_int_equal(window_dir_new(*state, 1 << 20, &dir), 0);
	assert_int_equal(put(dir, "before", TIME_NS, 10), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	assert_int_equal(put(dir, "during", TIME_NS, 5000), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(window_dir_get_bytes(dir), 4096);
	assert_int_equal(put(dir, "after", TIME_NS, 5000), 0);
	assert_files(*state, "after-20231114T221320.000Z.pb.gz\n"
			     "before-20231114T221320.000Z.pb.gz\n");
}

static void window_dir_new__refuses_a_file(void **state)
{
	struct window_dir *dir = NULL;
	char path[512];

	put_file(*state, "file", 1, 1);
	snprintf(path, sizeof(path), "%s/file", (const char *)*state);
	assert_int_equal(window_dir_new(path, 4096, &dir), -ENOTDIR);
	strcat(path, "/below");
	assert_int_equal(window_dir_new(path, 4096, &dir), -ENOTDIR);
	assert_null(dir);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(window_dir_put__writes_service_and_utc_time),
		test(window_dir_put__makes_any_service_a_plain_name),
		test(window_dir_put__bounds_the_name),
		test(window_dir_put__never_replaces_a_file),
		test(window_dir_put__removes_the_oldest_first),
		test(window_dir_new__counts_what_earlier_runs_left),
		test(window_dir_new__leaves_alone_what_is_not_ours),
		test(window_dir_put__refuses_what_can_never_fit),
		test(window_dir_put__goes_on_when_somebody_removed_files),
		test(window_dir_put__returns_the_error_and_counts_nothing),
		test(window_dir_put__leaves_nothing_behind_of_a_write_that_fails),
		test(window_dir_new__refuses_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
