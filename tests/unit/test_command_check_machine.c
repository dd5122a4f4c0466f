/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/check_machine.h"

#define NO_CAPABILITIES "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000000000\nCapBnd:\t0\n"
#define ALL_CAPABILITIES "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"
/* CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE, CAP_SYSLOG. */
#define LEAST_CAPABILITIES "Name:\tx\nCapEff:\t000001c400080004\n"
#define ADMIN_ONLY "Name:\tx\nCapEff:\t0000000000200000\n"
#define LIMITS(memlock)                                                                    \
	"Limit                     Soft Limit           Hard Limit           Units     \n" \
	"Max locked memory         " memlock "bytes     \n"

/* A file below the root of a made-up machine; no text: it is not there. */
struct piece {
	const char *path;
	const char *text;
};

/* A machine on which everything is well. */
static const struct piece good_machine[] = {
	{ "/proc/sys/kernel/osrelease", "6.12.9+deb13-amd64\n" },
	{ "/proc/version",
	  "Linux version 6.12.9+deb13-amd64 (gcc-14 (Debian 14.2.0-8) 14.2.0) #1 SMP Debian 6.12.9-1\n" },
	{ "/sys/kernel/btf/vmlinux", "" },
	{ "/sys/kernel/security/lockdown", "none [integrity] confidentiality\n" },
	{ "/proc/self/status", ALL_CAPABILITIES },
	{ "/proc/self/limits", LIMITS("8388608              8388608              ") },
	{ "/proc/self/uid_map", "         0          0 4294967295\n" },
	{ "/proc/self/mounts", "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n" },
	{ "/proc/sys/kernel/perf_event_max_sample_rate", "100000\n" },
	{ "/proc/sys/kernel/perf_cpu_time_max_percent", "25\n" },
	{ "/proc/sys/kernel/perf_event_paranoid", "3\n" },
	{ "/proc/kallsyms", "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _stext\n" },
	{ "/usr/lib/debug", "" },
	{ "/proc/sys/net/core/bpf_jit_enable", "1\n" },
};
#define PIECES_CNT ARRAY_LEN(good_machine)
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

struct machine_root {
	char path[64];
};

static int remove_one(const char *path, const struct stat *stat_buf, int type, struct FTW *walk)
{
	(void)stat_buf;
	(void)type;
	(void)walk;
	return remove(path);
}

static void machine_root_fini(struct machine_root *root)
{
	nftw(root->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void path_in(const struct machine_root *root, const char *name, char path[PATH_MAX])
{
	char *slash;

	snprintf(path, PATH_MAX, "%s%s", root->path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(file_make_dirs(path), 0);
	*slash = '/';
}

static const char *text_of(const struct piece *piece, const struct piece *changes)
{
	for (; changes->path; changes++) {
		if (strcmp(changes->path, piece->path) == 0)
			return changes->text;
	}
	return piece->text;
}

/* Makes the good machine with some pieces changed or added; a piece "/proc/self/ns/pid" is a link. */
static struct machine_root machine_root_init(const struct piece *changes)
{
	struct machine_root root = { "/tmp/pprofd-check-XXXXXX" };
	const char *pid_namespace = FIRST_PID_NAMESPACE;
	char path[PATH_MAX];

	assert_non_null(mkdtemp(root.path));
	for (size_t i = 0; i < PIECES_CNT; i++) {
		const char *text = text_of(&good_machine[i], changes);

		path_in(&root, good_machine[i].path, path);
		if (text)
			assert_int_equal(file_write_atomic(path, text, strlen(text)), 0);
	}
	for (; changes->path; changes++) {
		if (strcmp(changes->path, "/proc/self/ns/pid") == 0) {
			pid_namespace = changes->text;
		} else if (changes->text) {
			path_in(&root, changes->path, path);
			assert_int_equal(file_write_atomic(path, changes->text, strlen(changes->text)), 0);
		}
	}
	path_in(&root, "/proc/self/ns/pid", path);
	assert_int_equal(symlink(pid_namespace, path), 0);
	return root;
}

static const struct check_row *find_row(const struct check_row *rows, size_t cnt, const char *name)
{
	for (size_t i = 0; i < cnt; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	fail_msg("no row %s", name);
	return NULL;
}

static void check_machine__is_content_with_a_good_machine(void **state)
{
	static const struct piece nothing[] = { { 0 } };
	_cleanup_(machine_root_fini) struct machine_root root = machine_root_init(nothing);
	struct check_row rows[CHECK_ROWS_MAX];
	size_t cnt = check_machine(root.path, 99, rows);

	(void)state;
	assert_true(cnt > 15);
	for (size_t i = 0; i < cnt; i++) {
		if (rows[i].status != CHECK_OK || rows[i].remedy || !*rows[i].state)
			fail_msg("%s: %s", rows[i].name, rows[i].state);
	}
	assert_string_equal(find_row(rows, cnt, "kernel")->state, "6.12.9");
	assert_string_equal(find_row(rows, cnt, "lockdown")->state, "integrity");
}

/* One row of a machine that differs from the good one. */
struct row_case {
	const char *row;
	enum check_status status;
	const char *state; /* part of it */
	struct piece changes[4];
};

static void expect_row(const struct row_case *expected)
{
	_cleanup_(machine_root_fini) struct machine_root root = machine_root_init(expected->changes);
	struct check_row rows[CHECK_ROWS_MAX];
	size_t cnt = check_machine(root.path, 99, rows);
	const struct check_row *row = find_row(rows, cnt, expected->row);

	if (row->status != expected->status || !strstr(row->state, expected->state))
		fail_msg("%s: %d \"%s\" instead of %d \"%s\"", row->name, row->status, row->state, expected->status,
			 expected->state);
	/* What is not well has a remedy, what is well has none. */
	assert_int_equal(row->remedy != NULL, row->status != CHECK_OK);
}

static void check_machine__judges_the_kernel_by_its_patch_level(void **state)
{
#define RELEASE "/proc/sys/kernel/osrelease"
	static const struct row_case cases[] = {
		{ "kernel", CHECK_FAIL, "5.9.16", { { RELEASE, "5.9.16\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_OK, "5.10.0", { { RELEASE, "5.10.0-8-amd64\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_OK, "5.18.19", { { RELEASE, "5.18.19\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_WARN, "5.19.0", { { RELEASE, "5.19.0\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_WARN, "6.0.255", { { RELEASE, "6.0.300\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_WARN, "6.1.35", { { RELEASE, "6.1.35\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_OK, "6.1.36", { { RELEASE, "6.1.36\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_WARN, "6.2.16", { { RELEASE, "6.2.16\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_WARN, "6.3.9", { { RELEASE, "6.3.9\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_OK, "6.3.10", { { RELEASE, "6.3.10\n" }, { "/proc/version", NULL } } },
		{ "kernel", CHECK_OK, "7.0.0", { { RELEASE, "7.0\n" }, { "/proc/version", NULL } } },
		{ "kernel",
		  CHECK_OK,
		  "6.1.55",
		  { { RELEASE, "6.1.0-13-amd64\n" },
		    { "/proc/version",
		      "Linux version 6.1.0-13-amd64 (gcc-12 (Debian 12.2.0-14)) #1 SMP Debian 6.1.55-1\n" } } },
		{ "kernel",
		  CHECK_WARN,
		  "6.1.27",
		  { { RELEASE, "6.1.0-9-amd64\n" },
		    { "/proc/version",
		      "Linux version 6.1.0-9-amd64 (gcc-12 (Debian 12.2.0-14)) #1 SMP Debian 6.1.27-1\n" } } },
		{ "kernel",
		  CHECK_WARN,
		  "6.2.16",
		  { { RELEASE, "6.2.0-39-generic\n" },
		    { "/proc/version", "Linux version 6.2.0-39-generic (gcc 11.4.0) #40-Ubuntu SMP\n" },
		    { "/proc/version_signature", "Ubuntu 6.2.0-39.40-generic 6.2.16\n" } } },
		{ "kernel", CHECK_FAIL, "0.0.0", { { RELEASE, NULL } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_row(&cases[i]);
#undef RELEASE
}

static void check_machine__says_what_each_missing_thing_costs(void **state)
{
	static const struct row_case cases[] = {
		{ "BTF", CHECK_FAIL, "no /sys/kernel/btf", { { "/sys/kernel/btf/vmlinux", NULL } } },
		{ "lockdown",
		  CHECK_FAIL,
		  "confidentiality",
		  { { "/sys/kernel/security/lockdown", "none integrity [confidentiality]\n" } } },
		{ "lockdown",
		  CHECK_OK,
		  "none",
		  { { "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n" } } },
		{ "lockdown", CHECK_OK, "not to be seen", { { "/sys/kernel/security/lockdown", NULL } } },
		{ "user namespace", CHECK_FAIL, "nested", { { "/proc/self/uid_map", "0 100000 65536\n" } } },
		{ "user namespace", CHECK_OK, "first", { { "/proc/self/uid_map", NULL } } },
		{ "PID namespace", CHECK_WARN, "nested", { { "/proc/self/ns/pid", "pid:[4026532211]" } } },
		{ "cgroups",
		  CHECK_OK,
		  "v1 and v2",
		  { { "/proc/self/mounts", "a /a cgroup rw 0 0\nb /b cgroup2 rw 0 0\n" } } },
		{ "cgroups",
		  CHECK_OK,
		  "v1",
		  { { "/proc/self/mounts", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n" } } },
		{ "cgroups", CHECK_WARN, "none", { { "/proc/self/mounts", "proc /proc proc rw 0 0\n" } } },
		{ "cgroups", CHECK_WARN, "not to be seen", { { "/proc/self/mounts", NULL } } },
		{ "perf rate",
		  CHECK_FAIL,
		  "up to 50 Hz",
		  { { "/proc/sys/kernel/perf_event_max_sample_rate", "50\n" } } },
		{ "perf rate", CHECK_OK, "up to 99 Hz", { { "/proc/sys/kernel/perf_event_max_sample_rate", "99\n" } } },
		{ "perf rate", CHECK_FAIL, "no perf", { { "/proc/sys/kernel/perf_event_max_sample_rate", NULL } } },
		{ "kernel symbols", CHECK_WARN, "hides", { { "/proc/kallsyms", "0000000000000000 T _stext\n" } } },
		{ "kernel symbols", CHECK_WARN, "cannot be read", { { "/proc/kallsyms", NULL } } },
		{ "debug info", CHECK_OK, "no /usr/lib/debug", { { "/usr/lib/debug", NULL } } },
		{ "BPF JIT", CHECK_WARN, "off", { { "/proc/sys/net/core/bpf_jit_enable", "0\n" } } },
		{ "BPF JIT", CHECK_OK, "not to be seen", { { "/proc/sys/net/core/bpf_jit_enable", NULL } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_row(&cases[i]);
}

static void check_machine__looks_at_effective_capabilities(void **state)
{
#define STATUS "/proc/self/status"
	static const struct row_case cases[] = {
		{ "CAP_BPF", CHECK_FAIL, "missing", { { STATUS, NO_CAPABILITIES } } },
		{ "CAP_PERFMON", CHECK_FAIL, "missing", { { STATUS, NO_CAPABILITIES } } },
		{ "CAP_SYS_PTRACE", CHECK_WARN, "missing", { { STATUS, NO_CAPABILITIES } } },
		{ "CAP_SYSLOG", CHECK_WARN, "missing", { { STATUS, NO_CAPABILITIES } } },
		{ "CAP_BPF", CHECK_FAIL, "missing", { { STATUS, NULL } } },
		{ "CAP_BPF", CHECK_OK, "load BPF", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_PERFMON", CHECK_OK, "sample", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_SYS_PTRACE", CHECK_OK, "look", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_CHECKPOINT_RESTORE", CHECK_OK, "open", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_DAC_READ_SEARCH", CHECK_OK, "read", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_SYSLOG", CHECK_OK, "name", { { STATUS, LEAST_CAPABILITIES } } },
		{ "CAP_BPF", CHECK_OK, "by CAP_SYS_ADMIN", { { STATUS, ADMIN_ONLY } } },
		{ "CAP_CHECKPOINT_RESTORE", CHECK_OK, "by CAP_SYS_ADMIN", { { STATUS, ADMIN_ONLY } } },
		{ "CAP_SYS_PTRACE", CHECK_WARN, "missing", { { STATUS, ADMIN_ONLY } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_row(&cases[i]);
}

static void check_machine__wants_locked_memory_before_5_11_only(void **state)
{
#define OLD                                                \
	{                                                  \
		"/proc/sys/kernel/osrelease", "5.10.223\n" \
	}
	static const struct row_case cases[] = {
		{ "locked memory", CHECK_OK, "no limit", { { STATUS, LEAST_CAPABILITIES } } },
		{ "locked memory", CHECK_FAIL, "limited", { OLD, { STATUS, LEAST_CAPABILITIES } } },
		{ "locked memory", CHECK_OK, "CAP_SYS_RESOURCE", { OLD, { STATUS, ALL_CAPABILITIES } } },
		{ "locked memory",
		  CHECK_OK,
		  "unlimited",
		  { OLD,
		    { STATUS, LEAST_CAPABILITIES },
		    { "/proc/self/limits", LIMITS("unlimited            unlimited            ") } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_row(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_machine__is_content_with_a_good_machine),
		cmocka_unit_test(check_machine__judges_the_kernel_by_its_patch_level),
		cmocka_unit_test(check_machine__says_what_each_missing_thing_costs),
		cmocka_unit_test(check_machine__looks_at_effective_capabilities),
		cmocka_unit_test(check_machine__wants_locked_memory_before_5_11_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
