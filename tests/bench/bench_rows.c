/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_rows [-r ROUNDS] FILE...: what it takes to make the rows of ELF files. One line a file, columns
 * separated by tabs: path, bytes of the file, rows, rules, pages, median milliseconds, peak KiB resident
 * above what the process had before it read the first file.
 *
 * Each file is done in a process of its own, so that one's peak is not the next one's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unwind/row_page.h"
#include "unwind/unwind_table.h"

#define ROUNDS_MAX 1000

static int compare_ns(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static long peak_kib(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) < 0 ? 0 : usage.ru_maxrss;
}

static int bench_file(const char *path, size_t rounds)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = NULL;
	_cleanup_(object_freep) struct object *object = NULL;
	uint64_t ns[ROUNDS_MAX];
	long before = peak_kib();
	uint32_t first, page_cnt;
	size_t middle = rounds / 2;
	struct stat status;
	int err = object_new_path(path, &object);

	for (size_t i = 0; err == 0 && i < rounds; i++) {
		uint64_t start = clock_mono_ns();

		unwind_table_free(take_ptr(table));
		err = unwind_table_new(object, &table);
		ns[i] = clock_mono_ns() - start;
	}
	if (err < 0 || fstat(object->fd, &status) < 0) {
		fprintf(stderr, "bench_rows: %s: %s\n", path, strerror(err < 0 ? -err : errno));
		return EXIT_FAILURE;
	}
	qsort(ns, rounds, sizeof(ns[0]), compare_ns);
	unwind_table_page_range(table, &first, &page_cnt);
	printf("%s\t%lld\t%zu\t%zu\t%u\t%.2f\t%ld\n", path, (long long)status.st_size, table->row_cnt, table->rule_cnt,
	       page_cnt, (double)ns[middle] / 1e6, peak_kib() - before);
	return EXIT_SUCCESS;
}

static int bench_in_child(const char *path, size_t rounds)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return EXIT_FAILURE;
	if (child == 0)
		exit(bench_file(path, rounds));
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_FAILURE;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	size_t rounds = 5;
	int failed = 0, option;

	while ((option = getopt(argc, argv, "r:")) != -1) {
		if (option != 'r')
			return EXIT_FAILURE;
		rounds = strtoul(optarg, NULL, 10);
	}
	if (rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "bench_rows: rounds: 1 to %d\n", ROUNDS_MAX);
		return EXIT_FAILURE;
	}
	for (; optind < argc; optind++)
		failed |= bench_in_child(argv[optind], rounds);
	return failed;
}
