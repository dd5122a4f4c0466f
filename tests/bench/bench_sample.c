/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns per sample in BPF, pprofd beside the kernel's own walk by frame pointers, at several depths, as a
 * sampler meets them at 99 Hz (cold) and far more often (hot).
 *
 * The load is alone on its CPU and only it is sampled: the programs are attached to an event of that
 * process. They take turns in short rounds, so that what disturbs the machine disturbs them all.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "pipeline.h"

#include "bench_reference.skel.h"

#define ROUNDS_MAX 200
/* Ticks in one round: enough that one interrupt more or less does not decide it. */
#define ROUND_TICKS 25
/* What a window of 15 s at 99 Hz makes of it. */
#define BUCKETS_PER_CPU 1024
#define WARM_HZ 997
#define FDS_MAX 1024

struct bench {
	const char *loads;
	const char *working_set_kib;
	int cpu; /* of the load */
	int rounds;
	struct pipeline *pipeline;
	struct reference_bpf *reference;
	int tick_fd; /* pprofd's program */
};

/* One column: a program on a build of the load. */
struct cell {
	const char *name;
	int build; /* 0 with frame pointers, 1 without */
	int fd;
	double ns[ROUNDS_MAX];
	int cnt;
};

enum { CELL_EMPTY, CELL_GET_STACK, CELL_COUNT, CELL_PPROFD_FP, CELL_PPROFD, CELL_CNT };

static const char *const build_names[] = { "deep_fp", "deep" };

/* ---- measuring ---- */

static int event_open(pid_t pid, unsigned int hz)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = hz,
		.exclude_idle = 1,
		.exclude_guest = 1,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int program_read_cost(int fd, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (err < 0)
		return err;
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
	return 0;
}

/* Lets the program sample `pid` for a while. *ret is the mean of the ns of its runs; -EAGAIN without any. */
static int round_run(int fd, pid_t pid, unsigned int hz, double *ret)
{
	uint64_t ns[2], runs[2];
	_cleanup_(closep) int event_fd = event_open(pid, hz);
	int err;

	if (event_fd < 0)
		return event_fd;
	if (ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, fd) < 0)
		return -errno;
	err = program_read_cost(fd, &ns[0], &runs[0]);
	if (err < 0)
		return err;
	if (ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	usleep(1000000 / hz * ROUND_TICKS);
	if (ioctl(event_fd, PERF_EVENT_IOC_DISABLE, 0) < 0)
		return -errno;
	err = program_read_cost(fd, &ns[1], &runs[1]);
	if (err < 0)
		return err;
	if (runs[1] == runs[0])
		return -EAGAIN;
	*ret = (double)(ns[1] - ns[0]) / (double)(runs[1] - runs[0]);
	return 0;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts what was measured: the median is in the middle, the minimum in front. */
static double cell_median(struct cell *cell)
{
	qsort(cell->ns, (size_t)cell->cnt, sizeof(*cell->ns), compare_double);
	return cell->cnt ? cell->ns[cell->cnt / 2] : 0;
}

/* ---- the load ---- */

static pid_t load_start(const struct bench *bench, int build, int depth)
{
	char path[4096], depth_text[16];
	cpu_set_t cpus;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", bench->loads, build_names[build]);
	snprintf(depth_text, sizeof(depth_text), "%d", depth);
	CPU_ZERO(&cpus);
	CPU_SET(bench->cpu, &cpus);
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		_exit(127);
	execl(path, build_names[build], "86400", depth_text, bench->working_set_kib, (char *)NULL);
	_exit(127);
}

static void load_stop(const pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
}

/* ---- pprofd ---- */

/* pprofd's program among our own descriptors: its loader is a library that does not give it away. */
static int find_tick_program(void)
{
	for (int fd = 3; fd < FDS_MAX; fd++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_PROG_TYPE_PERF_EVENT &&
		    strcmp(info.name, "on_tick") == 0)
			return fd;
	}
	return -ENOENT;
}

static int dispatch_for(struct pipeline *pipeline, int ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)ms * 1000000;

	while (clock_mono_ns() < end) {
		struct pollfd poller = { .fd = pipeline_get_fd(pipeline), .events = POLLIN };
		int err = poll(&poller, 1, 10) > 0 ? pipeline_dispatch(pipeline) : 0;

		if (err < 0)
			return err;
	}
	return 0;
}

static uint64_t recorded_cnt(const struct pipeline_stats *stats)
{
	return stats->counters[PPROFD_COUNTER_RECORDED];
}

/* Samples `pid` until its rows are there, then counts: *ret_complete is the share of complete stacks. */
static int load_warm(struct bench *bench, pid_t pid, double *ret_complete)
{
	struct pipeline_stats before, after;
	_cleanup_(closep) int event_fd = event_open(pid, WARM_HZ);
	int err;

	if (event_fd < 0)
		return event_fd;
	if (ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, bench->tick_fd) < 0 ||
	    ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	err = dispatch_for(bench->pipeline, 300);
	pipeline_get_stats(bench->pipeline, &before);
	if (err == 0)
		err = dispatch_for(bench->pipeline, 200);
	pipeline_get_stats(bench->pipeline, &after);
	if (err < 0)
		return err;
	if (recorded_cnt(&after) == recorded_cnt(&before))
		return -ENODATA;
	*ret_complete =
		(double)(after.counters[PPROFD_COUNTER_USER_COMPLETE] - before.counters[PPROFD_COUNTER_USER_COMPLETE]) /
		(double)(recorded_cnt(&after) - recorded_cnt(&before));
	return 0;
}

static int bench_open(struct bench *bench)
{
	/* Its own events are there only because it cannot be without: twice a second on two CPUs. */
	const struct pipeline_options options = {
		.event = "cpu-clock",
		.sample_hz = 1,
		.window_ns = 15 * NSEC_PER_SEC,
		.row_memory_max = 64u << 20,
		.buckets_per_cpu = BUCKETS_PER_CPU,
	};
	int err = pipeline_new(&options, &bench->pipeline);

	if (err == 0)
		err = pipeline_start(bench->pipeline);
	if (err < 0)
		return err;
	bench->tick_fd = find_tick_program();
	if (bench->tick_fd < 0)
		return bench->tick_fd;
	bench->reference = reference_bpf__open_and_load();
	return bench->reference ? 0 : -errno;
}

/* ---- the table ---- */

static void cells_init(const struct bench *bench, struct cell *cells)
{
	const struct reference_bpf *reference = bench->reference;

	memset(cells, 0, sizeof(*cells) * CELL_CNT);
	cells[CELL_EMPTY] = (struct cell){ "empty", 0, bpf_program__fd(reference->progs.on_tick_empty), { 0 }, 0 };
	cells[CELL_GET_STACK] =
		(struct cell){ "get_stack", 0, bpf_program__fd(reference->progs.on_tick_get_stack), { 0 }, 0 };
	cells[CELL_COUNT] = (struct cell){ "stackid", 0, bpf_program__fd(reference->progs.on_tick_count), { 0 }, 0 };
	cells[CELL_PPROFD_FP] = (struct cell){ "pprofd/fp", 0, bench->tick_fd, { 0 }, 0 };
	cells[CELL_PPROFD] = (struct cell){ "pprofd", 1, bench->tick_fd, { 0 }, 0 };
}

/* One round of every cell. The build that is not measured is stopped meanwhile. */
static int cells_run(struct cell *cells, const pid_t *pids, unsigned int hz)
{
	for (int i = 0; i < CELL_CNT; i++) {
		struct cell *cell = &cells[i];
		int err;

		kill(pids[!cell->build], SIGSTOP);
		kill(pids[cell->build], SIGCONT);
		err = round_run(cell->fd, pids[cell->build], hz, &cell->ns[cell->cnt]);
		if (err == 0)
			cell->cnt++;
		else if (err != -EAGAIN)
			return err;
	}
	return 0;
}

static void cells_print(struct cell *cells, int depth, unsigned int hz, const double *complete)
{
	double medians[CELL_CNT];

	printf("%5d %5u", depth, hz);
	for (int i = 0; i < CELL_CNT; i++) {
		medians[i] = cell_median(&cells[i]);
		printf(" %8.0f %6.0f", medians[i], cells[i].ns[0]);
	}
	printf(" %8.2f %6.2f %9.1f %6.1f\n", medians[CELL_PPROFD_FP] / medians[CELL_GET_STACK],
	       medians[CELL_PPROFD] / medians[CELL_GET_STACK], complete[0] * 100, complete[1] * 100);
	fflush(stdout);
}

static int bench_depth(struct bench *bench, int depth, const unsigned int *rates)
{
	_cleanup_(load_stop) pid_t with = load_start(bench, 0, depth);
	_cleanup_(load_stop) pid_t without = load_start(bench, 1, depth);
	const pid_t pids[] = { with, without };
	struct cell cells[CELL_CNT];
	double complete[2];
	int err;

	if (with < 0 || without < 0)
		return with < 0 ? with : without;
	for (int build = 0; build < 2; build++) {
		kill(pids[!build], SIGSTOP);
		kill(pids[build], SIGCONT);
		err = load_warm(bench, pids[build], &complete[build]);
		if (err < 0)
			return err;
	}
	for (; *rates; rates++) {
		cells_init(bench, cells);
		for (int i = 0; i < bench->rounds; i++) {
			err = cells_run(cells, pids, *rates);
			if (err < 0)
				return err;
		}
		cells_print(cells, depth, *rates, complete);
	}
	return 0;
}

/* Numbers separated by commas into `ret`, which a zero ends; `max` with it. */
static int parse_list(const char *text, unsigned int *ret, int max)
{
	int cnt = 0;

	while (*text) {
		char *end;
		unsigned long number = strtoul(text, &end, 10);

		if (end == text || number == 0 || number > 1000000 || cnt == max - 1 || (*end && *end != ','))
			return -EINVAL;
		ret[cnt++] = (unsigned int)number;
		text = *end ? end + 1 : end;
	}
	ret[cnt] = 0;
	return cnt ? 0 : -EINVAL;
}

static int bench_run(struct bench *bench, const unsigned int *depths, const unsigned int *rates)
{
	int err = bench_open(bench);

	if (err < 0)
		return err;
	printf("# ns per sample, median and least of %d rounds; working set %s KiB; load on CPU %d\n"
	       "# x: pprofd's median over get_stack's on the build with frame pointers\n",
	       bench->rounds, bench->working_set_kib, bench->cpu);
	printf("%5s %5s %8s %6s %8s %6s %8s %6s %8s %6s %8s %6s %8s %6s %9s %6s\n", "depth", "hz", "empty", "min",
	       "get_stk", "min", "stackid", "min", "ours/fp", "min", "ours", "min", "x/fp", "x", "compl%/fp", "compl%");
	for (; err == 0 && *depths; depths++)
		err = bench_depth(bench, (int)*depths, rates);
	return err;
}

int main(int argc, char **argv)
{
	unsigned int depths[16] = { 10, 30, 60, 100, 120, 0 }, rates[16] = { 99, 4999, 0 };
	struct bench bench = {
		.loads = "build/tests/bench/loads",
		.working_set_kib = "8192",
		.cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1,
		.rounds = 15,
	};
	int option, err = 0;

	while ((option = getopt(argc, argv, "d:f:r:w:c:l:")) != -1 && err == 0) {
		if (option == 'd')
			err = parse_list(optarg, depths, 16);
		else if (option == 'f')
			err = parse_list(optarg, rates, 16);
		else if (option == 'r')
			bench.rounds = atoi(optarg);
		else if (option == 'w')
			bench.working_set_kib = optarg;
		else if (option == 'c')
			bench.cpu = atoi(optarg);
		else if (option == 'l')
			bench.loads = optarg;
		else
			err = -EINVAL;
	}
	if (err < 0 || bench.rounds < 1 || bench.rounds > ROUNDS_MAX) {
		fputs("usage: bench_sample [-d DEPTH,...] [-f HZ,...] [-r ROUNDS] [-w WORKING_SET_KIB] [-c CPU]\n"
		      "                    [-l DIRECTORY_OF_LOADS]\n",
		      stderr);
		return 2;
	}
	err = bench_run(&bench, depths, rates);
	if (err < 0)
		fprintf(stderr, "bench_sample: %s\n", strerror(-err));
	pipeline_free(bench.pipeline);
	if (bench.reference)
		reference_bpf__destroy(bench.reference);
	return err < 0;
}
