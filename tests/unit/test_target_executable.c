/* SPDX-License-Identifier: Apache-2.0 */
#include "target/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "elf_image.h"

#define TGID 4711
#define START 0x7f0000001000ULL
#define END 0x7f0000003000ULL

/* A stand-in for /proc with one process, below a directory of its own. */
struct fake {
	char root[64];
	struct elf_image image;
};

static const char *fake_path(const struct fake *fake, const char *format, ...) _printf_(2, 3);

/* Valid until the fourth call from now. */
static const char *fake_path(const struct fake *fake, const char *format, ...)
{
	static char paths[4][PATH_MAX];
	static size_t next;
	char *path = paths[next++ % ARRAY_LEN(paths)];
	int len = snprintf(path, PATH_MAX, "%s/", fake->root);
	va_list args;

	va_start(args, format);
	vsnprintf(path + len, (size_t)(PATH_MAX - len), format, args);
	va_end(args);
	return path;
}

static void fake_write(const struct fake *fake, const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	(void)fake;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* The mapping START-END of the process links to `target`. */
static void fake_link(const struct fake *fake, const char *target)
{
	const char *path = fake_path(fake, "%d/map_files/%llx-%llx", TGID, START, END);

	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static int fake_setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	strcpy(fake->root, "/tmp/test_target_executable.XXXXXX");
	assert_non_null(mkdtemp(fake->root));
	assert_int_equal(chmod(fake->root, 0755), 0);
	assert_int_equal(mkdir(fake_path(fake, "%d", TGID), 0755), 0);
	assert_int_equal(mkdir(fake_path(fake, "%d/map_files", TGID), 0755), 0);
	elf_image_init(&fake->image, EM_X86_64);
	elf_image_finish(&fake->image);
	fake_write(fake, fake_path(fake, "libfile.so"), fake->image.data, fake->image.len);
	fake_link(fake, fake_path(fake, "libfile.so"));
	*state = fake;
	return 0;
}

static int fake_teardown(void **state)
{
	struct fake *fake = *state;
	_cleanup_(strbuf_fini) struct strbuf command = { 0 };

	strbuf_printf(&command, "chmod -R u+rwx %s; rm -r %s", fake->root, fake->root);
	assert_int_equal(system(strbuf_text(&command)), 0); /* NOLINT(cert-env33-c) */
	elf_image_fini(&fake->image);
	free(fake);
	return 0;
}

static struct pprofd_executable_record make_record(uint32_t number, const char *path)
{
	struct pprofd_executable_record record = {
		.vma_start = START,
		.vma_end = END,
		.number = number,
		.tgid = TGID,
		.name = "libfile.so",
	};
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	record.key.inode = status.st_ino;
	record.key.dev = (uint32_t)major(status.st_dev) << 20 | (uint32_t)minor(status.st_dev);
	return record;
}

static void executables_open__opens_the_mapped_file(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	const char *path = fake_path(fake, "libfile.so");
	struct pprofd_executable_record record = make_record(16, path);
	struct executable *executable = NULL;

	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	assert_non_null(executable->object);
	assert_string_equal(executable_path(executable), path);
	assert_string_equal(executable->name, "libfile.so");
	assert_ptr_equal(executables_find(&executables, 16), executable);
	assert_null(executables_find(&executables, 17));
}

static void executables_open__opens_a_file_once(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *first = NULL, *second = NULL;
	const struct object *object;

	assert_int_equal(executables_open(&executables, fake->root, &record, &first), 0);
	object = first->object;
	assert_int_equal(executables_open(&executables, "/nowhere", &record, &second), 0);
	assert_ptr_equal(first, second);
	assert_ptr_equal(second->object, object);
}

static void executables_open__opens_the_main_binary_for_an_empty_range(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	record.vma_start = record.vma_end = 0;
	assert_int_equal(symlink(fake_path(fake, "libfile.so"), fake_path(fake, "%d/exe", TGID)), 0);
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	unlink(fake_path(fake, "%d/exe", TGID));
}

static void executables_open__cuts_deleted_off_the_path(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	assert_int_equal(link(fake_path(fake, "libfile.so"), fake_path(fake, "libfile.so (deleted)")), 0);
	fake_link(fake, fake_path(fake, "libfile.so (deleted)"));
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	assert_string_equal(executable_path(executable), fake_path(fake, "libfile.so"));
}

static void executables_open__says_why_it_could_not(void **state)
{
	const struct fake *fake = *state;
	struct pprofd_executable_record good = make_record(16, fake_path(fake, "libfile.so"));
	struct pprofd_executable_record gone = good, other_file = good, other_dev = good, other_range = good;
	const struct {
		const struct pprofd_executable_record *record;
		int expected;
	} cases[] = { { &gone, -ESRCH }, { &other_file, -ESTALE }, { &other_dev, -ESTALE }, { &other_range, -ESTALE } };

	gone.tgid = TGID + 1;
	other_file.key.inode++;
	other_dev.key.dev++;
	other_range.vma_start -= 0x1000;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(executables_fini) struct executables executables = { 0 };
		struct executable *executable = NULL;

		assert_int_equal(executables_open(&executables, fake->root, cases[i].record, &executable),
				 cases[i].expected);
		assert_null(executable->object);
		assert_int_equal(executable->error, cases[i].expected);
		assert_string_equal(executable_path(executable), "libfile.so");
	}
}

static void executables_open__refuses_what_is_not_elf(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct executable *executable = NULL;
	struct pprofd_executable_record record;

	fake_write(fake, fake_path(fake, "text"), "#!/bin/sh\n", 10);
	fake_link(fake, fake_path(fake, "text"));
	record = make_record(16, fake_path(fake, "text"));
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -EBADMSG);
	/* A device is not even opened. */
	fake_link(fake, "/dev/null");
	record.number++;
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -EBADMSG);
}

static void executables_open__tries_again_when_asked_again(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	record.tgid++;
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -ESRCH);
	record.tgid--;
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	assert_int_equal(executable->error, 0);
	assert_non_null(executable->object);
}

static void executables_open__ends_a_name_that_does_not(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	record.tgid++;
	memset(record.name, 'x', sizeof(record.name));
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -ESRCH);
	assert_int_equal(strlen(executable_path(executable)), PPROFD_NAME_MAX - 1);
	record.number++;
	record.name[0] = '\0';
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -ESRCH);
	assert_string_equal(executable_path(executable), "[unknown]");
}

static void executables_open__is_bounded(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(0, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	record.tgid++;
	for (record.number = 0; record.number < PPROFD_EXECUTABLES_MAX; record.number++)
		assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -ESRCH);
	executable = NULL;
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), -ENOSPC);
	assert_null(executable);
}

static void executables_remove__makes_room(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;

	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	record.number = 17;
	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	executables_remove(&executables, 16);
	executables_remove(&executables, 99);
	assert_null(executables_find(&executables, 16));
	assert_ptr_equal(executables_find(&executables, 17), executable);
	assert_int_equal(executables.by_number.cnt, 1);
}

/* ---- closing ---- */

struct closing {
	size_t asked_cnt;
	int answer;
};

static int may_close(void *arg, const struct executable *executable)
{
	struct closing *closing = arg;

	assert_true(object_is_open(executable->object));
	closing->asked_cnt++;
	return closing->answer;
}

/* Open descriptors of this process. */
static size_t count_fds(void)
{
	size_t cnt = 0;

	for (int fd = 0; fd < 256; fd++)
		cnt += fcntl(fd, F_GETFD) >= 0;
	return cnt;
}

static void executables_end_window__closes_what_was_not_used_for_four_windows(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	size_t fd_cnt = count_fds();
	struct executable *idle = NULL, *used = NULL;
	struct closing closing = { 0 };

	assert_int_equal(executables_open(&executables, fake->root, &record, &idle), 0);
	record.number++;
	assert_int_equal(executables_open(&executables, fake->root, &record, &used), 0);
	assert_int_equal(count_fds(), fd_cnt + 2);
	/* The window in which they were opened, and four more. */
	for (int i = 0; i <= EXECUTABLE_IDLE_WINDOWS; i++) {
		assert_true(object_is_open(idle->object));
		assert_ptr_equal(executables_use(&executables, 17), used);
		executables_end_window(&executables, may_close, &closing);
	}
	assert_int_equal(closing.asked_cnt, 1);
	assert_false(object_is_open(idle->object));
	assert_true(object_is_open(used->object));
	assert_int_equal(count_fds(), fd_cnt + 1);
	/* It is still known. */
	assert_string_equal(executable_path(idle), fake_path(fake, "libfile.so"));
	assert_int_equal(idle->object->segment_cnt, used->object->segment_cnt);
	executables_end_window(&executables, may_close, &closing);
	assert_int_equal(closing.asked_cnt, 1);
}

static void executables_end_window__closes_nothing_that_must_stay_open(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL, *vdso = NULL;
	struct closing closing = { .answer = -EPERM };

	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	if (executables_add_vdso(&executables, &vdso) < 0)
		vdso = NULL;
	for (int i = 0; i < 10; i++)
		executables_end_window(&executables, may_close, &closing);
	assert_int_equal(closing.asked_cnt, 10 - EXECUTABLE_IDLE_WINDOWS);
	assert_true(object_is_open(executable->object));
	assert_true(!vdso || object_is_open(vdso->object));
}

static void executables_open__opens_again_what_was_closed(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(16, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL, *again = NULL;
	struct closing closing = { 0 };

	assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	for (int i = 0; i <= EXECUTABLE_IDLE_WINDOWS; i++)
		executables_end_window(&executables, may_close, &closing);
	assert_false(object_is_open(executable->object));
	/* A process that has gone: what is known of the file stays. */
	record.tgid++;
	assert_int_equal(executables_open(&executables, fake->root, &record, &again), -ESRCH);
	assert_ptr_equal(again, executable);
	assert_string_equal(executable_path(executable), fake_path(fake, "libfile.so"));
	record.tgid--;
	assert_int_equal(executables_open(&executables, fake->root, &record, &again), 0);
	assert_true(object_is_open(executable->object));
	assert_int_equal(executable->error, 0);
	/* And for as long as before. */
	executables_end_window(&executables, may_close, &closing);
	assert_true(object_is_open(executable->object));
}

static void executables_end_window__closes_sooner_when_too_many_are_open(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	const struct fake *fake = *state;
	struct pprofd_executable_record record = make_record(0, fake_path(fake, "libfile.so"));
	struct executable *executable = NULL;
	struct closing closing = { 0 };

	for (record.number = 0; record.number <= EXECUTABLES_OPEN_MAX; record.number++)
		assert_int_equal(executables_open(&executables, fake->root, &record, &executable), 0);
	executables_end_window(&executables, may_close, &closing);
	assert_int_equal(closing.asked_cnt, 0);
	for (uint32_t number = 0; number < 10; number++)
		executables_use(&executables, number);
	executables_end_window(&executables, may_close, &closing);
	assert_int_equal(closing.asked_cnt, EXECUTABLES_OPEN_MAX + 1 - 10);
	for (uint32_t number = 0; number < 20; number++)
		assert_int_equal(object_is_open(executables_find(&executables, number)->object), number < 10);
}

/*
 * The exit status of a child without privileges to whom the link leads into a forbidden directory,
 * while /proc/TGID/root has another name of the same file: a file of its own when `is_same` is false.
 */
static int open_below_root(const struct fake *fake, bool is_same)
{
	const char *secret = fake_path(fake, "secret");
	struct pprofd_executable_record record;
	struct executable *executable = NULL;
	_cleanup_(strbuf_fini) struct strbuf command = { 0 };
	int status = 0;
	pid_t child;

	strbuf_printf(&command,
		      "cd %s && rm -rf secret %d/root && mkdir -p secret %d/root%s && cp libfile.so secret/file && %s "
		      "secret/file %d/root%s/file && chmod 0 secret",
		      fake->root, TGID, TGID, secret, is_same ? "ln" : "cp", TGID, secret);
	fake_link(fake, fake_path(fake, "secret/file"));
	assert_int_equal(system(strbuf_text(&command)), 0); /* NOLINT(cert-env33-c) */
	record = make_record(16, fake_path(fake, "%d/root%s/file", TGID, secret));
	record.key.inode += !is_same;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		_cleanup_(executables_fini) struct executables executables = { 0 };

		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(99);
		_exit(-executables_open(&executables, fake->root, &record, &executable));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void executables_open__goes_by_the_root_of_the_process_without_privileges(void **state)
{
	assert_int_equal(open_below_root(*state, true), 0);
	assert_int_equal(open_below_root(*state, false), ESTALE);
}

static void executables_add_vdso__opens_our_own(void **state)
{
	_cleanup_(executables_fini) struct executables executables = { 0 };
	struct executable *first = NULL, *second = NULL;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR)) {
		assert_int_equal(executables_add_vdso(&executables, &first), -ENODATA);
		return;
	}
	assert_int_equal(executables_add_vdso(&executables, &first), 0);
	assert_string_equal(executable_path(first), "[vdso]");
	assert_int_equal(first->object->segment_cnt, 1);
	assert_int_equal(first->object->segments[0].off, 0);
	assert_true(first->object->build_id_len > 0);
	assert_int_equal(executables_add_vdso(&executables, &second), 0);
	assert_ptr_equal(first, second);
	assert_ptr_equal(executables_find(&executables, PPROFD_EXECUTABLE_VDSO), first);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		CASE(executables_open__opens_the_mapped_file),
		CASE(executables_open__opens_a_file_once),
		CASE(executables_open__opens_the_main_binary_for_an_empty_range),
		CASE(executables_open__cuts_deleted_off_the_path),
		CASE(executables_open__says_why_it_could_not),
		CASE(executables_open__refuses_what_is_not_elf),
		CASE(executables_open__tries_again_when_asked_again),
		CASE(executables_open__ends_a_name_that_does_not),
		CASE(executables_open__is_bounded),
		CASE(executables_remove__makes_room),
		CASE(executables_end_window__closes_what_was_not_used_for_four_windows),
		CASE(executables_end_window__closes_nothing_that_must_stay_open),
		CASE(executables_end_window__closes_sooner_when_too_many_are_open),
		CASE(executables_open__opens_again_what_was_closed),
		CASE(executables_open__goes_by_the_root_of_the_process_without_privileges),
		cmocka_unit_test(executables_add_vdso__opens_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
