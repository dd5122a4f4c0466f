/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_symbols [-n ADDRESSES] [-d DEBUG_ROOT] [-p] FILE...: what it takes to name addresses of ELF files. One line
 * a file, columns separated by tabs: path, addresses asked about, share of them named, lines of
 * the answers, milliseconds when nothing is known yet (cold), one new address later (next), when all are
 * known (warm), peak KiB resident above what the process had before, and KiB that are kept after the window.
 * With -p also milliseconds and peak KiB of addr2line, eu-addr2line and llvm-symbolizer on the same addresses, in that
 * order;
 * "-" for those that are not installed. A file whose debug info is separate is given to them as that.
 *
 * Each file is done in a process of its own, so that one's peak is not the next one's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "symbolize/debugfile.h"
#include "symbolize/symbolizer.h"

struct options {
	size_t address_cnt;
	const char *debug_root;
	bool with_peers;
};

struct measured {
	double cold_ms, next_ms, warm_ms;
	long peak_kib, kept_kib;
	size_t named, lines;
};

static int compare_offs(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static long resident_kib(void)
{
	_cleanup_(freep) char *text = NULL;
	const char *line;

	if (file_read("/proc/self/status", 1 << 16, &text, NULL) < 0)
		return 0;
	line = strstr(text, "VmRSS:");
	return line ? strtol(line + 6, NULL, 10) : 0;
}

static long peak_kib(int who)
{
	struct rusage usage;

	return getrusage(who, &usage) < 0 ? 0 : usage.ru_maxrss;
}

/* Ascending offsets all over the code, without those behind the largest segment's end. */
static int choose_offs(const struct object *object, size_t cnt, uint64_t **ret)
{
	const struct object_segment *largest = &object->segments[0];
	uint64_t *offs = calloc(cnt, sizeof(*offs));
	uint64_t state = 42;

	if (!offs)
		return -ENOMEM;
	for (size_t i = 1; i < object->segment_cnt; i++) {
		if (object->segments[i].size > largest->size)
			largest = &object->segments[i];
	}
	for (size_t i = 0; i < cnt; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		offs[i] = largest->off + (state >> 16) % largest->size;
	}
	qsort(offs, cnt, sizeof(*offs), compare_offs);
	*ret = offs;
	return 0;
}

static int resolve(struct symbolizer *symbolizer, const struct object *object, const uint64_t *offs, size_t cnt,
		   struct symbol *symbols, double *ret_ms)
{
	uint64_t start = clock_mono_ns();
	int err = symbolizer_resolve(symbolizer, object, offs, cnt, symbols);

	*ret_ms = (double)(clock_mono_ns() - start) / 1e6;
	return err;
}

static int measure(const struct options *options, const struct object *object, const uint64_t *offs,
		   struct measured *ret)
{
	const char *const roots[] = { options->debug_root, NULL };
	const struct symbolizer_options symbolizer_options = { .debug_roots = roots, .cache_max = 64 << 20 };
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = NULL;
	_cleanup_(freep) struct symbol *symbols = calloc(options->address_cnt, sizeof(*symbols));
	size_t cnt = options->address_cnt;
	long before = resident_kib();
	int err;

	if (!symbols)
		return -ENOMEM;
	err = symbolizer_new(&symbolizer_options, &symbolizer);
	if (err < 0)
		return err;
	/* The last is kept for later. */
	err = resolve(symbolizer, object, offs, cnt - 1, symbols, &ret->cold_ms);
	if (err < 0)
		return err;
	ret->peak_kib = peak_kib(RUSAGE_SELF) - before;
	for (size_t i = 0; i + 1 < cnt; i++) {
		ret->named += symbols[i].line_cnt > 0;
		ret->lines += symbols[i].line_cnt;
	}
	symbolizer_end_window(symbolizer);
	malloc_trim(0);
	ret->kept_kib = resident_kib() - before;
	err = resolve(symbolizer, object, offs, cnt, symbols, &ret->next_ms);
	symbolizer_end_window(symbolizer);
	if (err == 0)
		err = resolve(symbolizer, object, offs, cnt, symbols, &ret->warm_ms);
	return err;
}

/* Writes the addresses as the peers want them. */
static int write_addresses(const char *path, const struct object *object, const uint64_t *offs, size_t cnt)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	for (size_t i = 0; i < cnt; i++) {
		uint64_t elfva;

		if (object_off_to_elfva(object, offs[i], &elfva) == 0)
			fprintf(file, "0x%llx\n", (unsigned long long)elfva);
	}
	return 0;
}

static void run_peer(const char *const *argv, const char *addresses)
{
	int in = open(addresses, O_RDONLY | O_CLOEXEC);
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static void measure_peer(const char *const *argv, const char *addresses)
{
	uint64_t start = clock_mono_ns();
	struct rusage usage;
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		run_peer(argv, addresses);
	if (child < 0 || wait4(child, &status, 0, &usage) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		printf("\t-\t-");
	else
		printf("\t%.1f\t%ld", (double)(clock_mono_ns() - start) / 1e6, usage.ru_maxrss);
}

static void measure_peers(const struct options *options, const struct object *object, const uint64_t *offs)
{
	const char *const roots[] = { options->debug_root, NULL };
	_cleanup_(object_freep) struct object *debugfile = NULL;
	char addresses[] = "/tmp/bench_symbols.XXXXXX";
	const char *path = debugfile_open(object, roots, &debugfile) == 0 ? debugfile->path : object->path;
	const char *const peers[][8] = {
		{ "addr2line", "-i", "-f", "-C", "-e", path, NULL },
		{ "eu-addr2line", "-i", "-f", "-C", "-e", path, NULL },
		{ "llvm-symbolizer-14", "-e", path, NULL },
	};
	int fd = mkstemp(addresses);

	if (fd < 0)
		return;
	close(fd);
	if (write_addresses(addresses, object, offs, options->address_cnt) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(peers); i++)
			measure_peer(peers[i], addresses);
	}
	unlink(addresses);
}

static int bench_file(const struct options *options, const char *path)
{
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(freep) uint64_t *offs = NULL;
	struct measured measured = { 0 };
	int err = object_new_path(path, &object);

	if (err == 0 && object->segment_cnt == 0)
		err = -ENODATA;
	if (err == 0)
		err = choose_offs(object, options->address_cnt, &offs);
	if (err == 0)
		err = measure(options, object, offs, &measured);
	if (err < 0) {
		fprintf(stderr, "bench_symbols: %s: %s\n", path, strerror(-err));
		return EXIT_FAILURE;
	}
	printf("%s\t%zu\t%.3f\t%zu\t%.2f\t%.2f\t%.3f\t%ld\t%ld", path, options->address_cnt,
	       (double)measured.named / (double)options->address_cnt, measured.lines, measured.cold_ms,
	       measured.next_ms, measured.warm_ms, measured.peak_kib, measured.kept_kib);
	if (options->with_peers)
		measure_peers(options, object, offs);
	printf("\n");
	return EXIT_SUCCESS;
}

static int bench_in_child(const struct options *options, const char *path)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return EXIT_FAILURE;
	if (child == 0)
		exit(bench_file(options, path));
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_FAILURE;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct options options = { .address_cnt = 10000, .debug_root = "/usr/lib/debug" };
	int failed = 0, option;

	while ((option = getopt(argc, argv, "n:d:p")) != -1) {
		if (option == 'n')
			options.address_cnt = strtoul(optarg, NULL, 10);
		else if (option == 'd')
			options.debug_root = optarg;
		else if (option == 'p')
			options.with_peers = true;
		else
			return 2;
	}
	if (optind == argc || options.address_cnt < 2) {
		fprintf(stderr, "usage: %s [-n ADDRESSES] [-d DEBUG_ROOT] [-p] FILE...\n", argv[0]);
		return 2;
	}
	for (int i = optind; i < argc; i++)
		failed |= bench_in_child(&options, argv[i]);
	return failed;
}
