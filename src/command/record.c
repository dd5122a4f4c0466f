/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "command/child.h"
#include "command/command.h"
#include "command/output.h"
#include "command/sampling.h"
#include "command/signals.h"
#include "command/summary.h"
#include "encode/folded.h"
#include "encode/pprof.h"
#include "target/process.h"

/* What the kernel side counts in between must fit its maps; all of it goes into the one profile. */
#define COLLECT_NS (15 * NSEC_PER_SEC)
#define PROGRESS_NS (NSEC_PER_SEC / 2)
/* Of what is running already: long enough for most of it to be hit, too short to be noticed. */
#define WARM_UP_NS (NSEC_PER_SEC / 4)
#define NEVER UINT64_MAX
/* Below this share the reasons are told. */
#define COMPLETE_EXPECTED_PERMILLE 990

/* What the event loop waits for. Behind them, the pidfds of the processes that are recorded. */
enum { POLL_SIGNALS, POLL_PIPELINE, POLL_PIDS };

struct recording {
	const struct config *config;
	const char *path;
	struct output output;
	struct output stats_output;
	struct signals signals;
	struct child child;
	struct pipeline *pipeline;
	struct profile_set set;
	struct pollfd *polls;
	size_t poll_cnt;
	size_t alive_cnt; /* of the pidfds */
	bool has_terminal;
	bool is_over;
	uint64_t start_mono_ns;
	uint64_t end_mono_ns; /* NEVER without a duration */
	uint64_t collect_mono_ns;
	uint64_t progress_mono_ns;
};

static void recording_fini(struct recording *recording)
{
	child_fini(&recording->child);
	for (size_t i = POLL_PIDS; i < recording->poll_cnt; i++)
		closep(&recording->polls[i].fd);
	free(recording->polls);
	profile_set_fini(&recording->set);
	if (recording->pipeline)
		pipeline_free(recording->pipeline);
	signals_fini(&recording->signals);
	output_fini(&recording->output);
	output_fini(&recording->stats_output);
}

static int open_output(const char *path, struct output *ret)
{
	int err = output_open(path, ret);

	if (err < 0)
		log_error("cannot write %s: %s", path, strerror(-err));
	return err;
}

static int recording_open_outputs(struct recording *recording)
{
	const struct config *config = recording->config;
	int err;

	recording->path = config->output_file;
	if (!recording->path)
		recording->path = config->format == CONFIG_FORMAT_FOLDED ? "profile.folded" : "pprofd.pb.gz";
	if (strcmp(recording->path, "-") == 0 && config->format == CONFIG_FORMAT_PPROF && isatty(STDOUT_FILENO)) {
		log_error("a gzipped profile is nothing for a terminal: redirect standard output, or --format folded");
		return -EINVAL;
	}
	err = open_output(recording->path, &recording->output);
	if (err == 0 && config->stats_file)
		err = open_output(config->stats_file, &recording->stats_output);
	return err;
}

/* Its exit makes `ret` readable. Says what is wrong with `pid`. */
static int open_pid(uint32_t pid, int *ret)
{
	_cleanup_(process_fini) struct process process = { 0 };
	int err = process_read("/proc", pid, &process);
	int fd;

	if (err == -ESRCH) {
		log_error("there is no process %" PRIu32, pid);
		return err;
	}
	if (err < 0) {
		log_error("cannot read /proc/%" PRIu32 ": %s", pid, strerror(-err));
		return err;
	}
	if (process.tgid != pid) {
		log_error("%" PRIu32 " is a thread of process %" PRIu32 " (%s); record that", pid, process.tgid,
			  process.comm);
		return -EINVAL;
	}
	/* Called by number: glibc has had a wrapper since 2.36 only. */
	fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0) {
		err = -errno;
		log_error("cannot watch process %" PRIu32 ": %s", pid, strerror(-err));
		return err;
	}
	*ret = fd;
	return 0;
}

static int recording_open_pids(struct recording *recording)
{
	const struct config_numbers *pids = &recording->config->pids;

	recording->polls = calloc(POLL_PIDS + pids->cnt, sizeof(*recording->polls));
	if (!recording->polls)
		return -ENOMEM;
	recording->poll_cnt = POLL_PIDS;
	for (size_t i = 0; i < pids->cnt; i++) {
		int fd = -1;
		int err = open_pid(pids->values[i], &fd);

		if (err < 0)
			return err;
		recording->polls[recording->poll_cnt++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	recording->alive_cnt = pids->cnt;
	return 0;
}

static int recording_add_target(struct recording *recording, uint32_t pid)
{
	int err = pipeline_add_target(recording->pipeline, (int)pid);

	if (err < 0)
		log_error("cannot record process %" PRIu32 ": %s", pid, strerror(-err));
	return err;
}

static int recording_add_targets(struct recording *recording)
{
	const struct config *config = recording->config;
	int err = 0;

	for (size_t i = 0; i < config->pids.cnt && err == 0; i++)
		err = recording_add_target(recording, config->pids.values[i]);
	if (recording->child.pid > 0 && err == 0)
		err = recording_add_target(recording, (uint32_t)recording->child.pid);
	return err;
}

/* Begins to sample, and only then lets the command have its first instruction. */
static int recording_start(struct recording *recording)
{
	const struct config *config = recording->config;
	int err = sampling_start(config, recording->pipeline, config->argv[0] ? 0 : WARM_UP_NS);

	if (err < 0)
		return err;
	recording->start_mono_ns = clock_mono_ns();
	recording->end_mono_ns = config->duration_ns ? recording->start_mono_ns + config->duration_ns : NEVER;
	recording->collect_mono_ns = recording->start_mono_ns + COLLECT_NS;
	recording->has_terminal = isatty(STDERR_FILENO) && log_get_level() >= LOG_LEVEL_INFO;
	recording->progress_mono_ns = recording->has_terminal ? recording->start_mono_ns + PROGRESS_NS : NEVER;
	if (!config->argv[0])
		return 0;
	err = child_release(&recording->child);
	if (err < 0)
		log_error("cannot run %s: %s", config->argv[0], strerror(-err));
	return err;
}

/* A failure costs these seconds, which count as lost, not the recording. */
static void recording_collect(struct recording *recording)
{
	int err = pipeline_collect(recording->pipeline, &recording->set);

	if (err < 0)
		log_warning("cannot collect what was sampled: %s", strerror(-err));
}

/* One line that is written over, on a terminal. */
static void recording_show_progress(const struct recording *recording, uint64_t now_mono_ns)
{
	_cleanup_(strbuf_fini) struct strbuf line = { 0 };
	struct pipeline_stats stats;

	pipeline_get_stats(recording->pipeline, &stats);
	strbuf_printf(&line, "\r\033[K%.0f s: ", (double)(now_mono_ns - recording->start_mono_ns) / 1e9);
	summary_append(&line, &stats);
	strbuf_puts(&line, "; Ctrl-C ends and writes");
	fputs(strbuf_text(&line), stderr);
	fflush(stderr);
}

static void recording_handle_signals(struct recording *recording)
{
	int number;

	while ((number = signals_take(&recording->signals)) != 0) {
		if (number != SIGCHLD || (recording->config->argv[0] && child_has_exited(&recording->child)))
			recording->is_over = true;
	}
}

static void recording_handle_exits(struct recording *recording)
{
	for (size_t i = POLL_PIDS; i < recording->poll_cnt; i++) {
		if (!recording->polls[i].revents)
			continue;
		/* poll() skips negative descriptors. */
		close(take_fd(recording->polls[i].fd));
		if (--recording->alive_cnt == 0)
			recording->is_over = true;
	}
}

/* What the clock asks for. */
static void recording_handle_time(struct recording *recording)
{
	uint64_t now_mono_ns = clock_mono_ns();

	if (now_mono_ns >= recording->end_mono_ns)
		recording->is_over = true;
	if (now_mono_ns >= recording->progress_mono_ns) {
		recording_show_progress(recording, now_mono_ns);
		recording->progress_mono_ns = now_mono_ns + PROGRESS_NS;
	}
	if (now_mono_ns >= recording->collect_mono_ns) {
		recording_collect(recording);
		recording->collect_mono_ns = now_mono_ns + COLLECT_NS;
	}
}

static int recording_wait(struct recording *recording)
{
	uint64_t now_mono_ns = clock_mono_ns();
	uint64_t next_mono_ns = recording->end_mono_ns;
	struct timespec timeout = { 0 };

	if (recording->collect_mono_ns < next_mono_ns)
		next_mono_ns = recording->collect_mono_ns;
	if (recording->progress_mono_ns < next_mono_ns)
		next_mono_ns = recording->progress_mono_ns;
	if (next_mono_ns > now_mono_ns) {
		timeout.tv_sec = (time_t)((next_mono_ns - now_mono_ns) / NSEC_PER_SEC);
		timeout.tv_nsec = (long)((next_mono_ns - now_mono_ns) % NSEC_PER_SEC);
	}
	if (ppoll(recording->polls, recording->poll_cnt, &timeout, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int recording_handle(struct recording *recording)
{
	int err = recording_wait(recording);

	if (err < 0) {
		log_error("cannot wait: %s", strerror(-err));
		return err;
	}
	if (recording->polls[POLL_PIPELINE].revents) {
		err = pipeline_dispatch(recording->pipeline);
		if (err < 0) {
			log_error("cannot answer the kernel side: %s", strerror(-err));
			return err;
		}
	}
	if (recording->polls[POLL_SIGNALS].revents)
		recording_handle_signals(recording);
	recording_handle_exits(recording);
	recording_handle_time(recording);
	return 0;
}

static int recording_loop(struct recording *recording)
{
	int err = 0;

	recording->polls[POLL_SIGNALS] = (struct pollfd){ .fd = recording->signals.fd, .events = POLLIN };
	recording->polls[POLL_PIPELINE] =
		(struct pollfd){ .fd = pipeline_get_fd(recording->pipeline), .events = POLLIN };
	while (err == 0 && !recording->is_over)
		err = recording_handle(recording);
	if (recording->has_terminal)
		fputs("\r\033[K", stderr);
	return err;
}

/* What was recorded, in words: for standard error and into the profile. */
static void recording_describe(const struct recording *recording, const struct pipeline_stats *stats,
			       uint64_t elapsed_ns, struct strbuf *buf)
{
	strbuf_puts(buf, "recorded ");
	summary_append(buf, stats);
	strbuf_printf(buf, " in %.1f s at %" PRIu64 " Hz", (double)elapsed_ns / 1e9, recording->config->sample_hz);
}

static int recording_encode(const struct recording *recording, const char *comment, struct blob *ret)
{
	struct profile *profile;
	int err;

	/* There is one even when nothing ran, unless all that was sampled could not be collected. */
	if (recording->set.cnt == 0)
		return -ENODATA;
	profile = recording->set.profiles[0];
	err = profile_add_comment(profile, comment);
	if (err < 0)
		return err;
	if (recording->config->format == CONFIG_FORMAT_FOLDED)
		return folded_encode(profile, ret);
	return pprof_encode(profile, ret);
}

static int recording_write(const struct recording *recording, const char *comment)
{
	_cleanup_(blob_fini) struct blob blob = { 0 };
	int err = recording_encode(recording, comment, &blob);

	if (err < 0) {
		log_error("cannot encode the profile: %s", strerror(-err));
		return err;
	}
	err = output_write(&recording->output, blob.data, blob.len);
	if (err < 0)
		log_error("cannot write %s: %s", recording->path, strerror(-err));
	return err;
}

static int recording_write_stats(const struct recording *recording, const struct pipeline_stats *stats)
{
	_cleanup_(strbuf_fini) struct strbuf json = { 0 };
	int err;

	if (!recording->config->stats_file)
		return 0;
	summary_append_json(&json, stats);
	err = strbuf_error(&json);
	if (err == 0)
		err = output_write(&recording->stats_output, json.data, json.len);
	if (err < 0)
		log_error("cannot write %s: %s", recording->config->stats_file, strerror(-err));
	return err;
}

/* What a careful reader of the profile should know. */
static void recording_warn(const struct pipeline_stats *stats)
{
	_cleanup_(strbuf_fini) struct strbuf lost = { 0 };
	_cleanup_(strbuf_fini) struct strbuf cut = { 0 };

	summary_append_lost(&lost, stats);
	if (lost.len)
		log_warning("samples lost: %s", strbuf_text(&lost));
	summary_append_cut(&cut, stats);
	if (summary_complete_permille(stats) < COMPLETE_EXPECTED_PERMILLE)
		log_warning("user stacks cut: %s", strbuf_text(&cut));
	if (stats->throttled)
		log_warning("the kernel throttled sampling %" PRIu64 " times (kernel.perf_cpu_time_max_percent); "
			    "a lower --hz helps",
			    stats->throttled);
	if (stats->counters[PPROFD_COUNTER_EVENTS] == 0)
		log_warning("nothing was sampled: what is recorded hardly ran");
}

static int recording_finish(struct recording *recording)
{
	_cleanup_(strbuf_fini) struct strbuf summary = { 0 };
	_cleanup_(strbuf_fini) struct strbuf status = { 0 };
	uint64_t elapsed_ns = clock_mono_ns() - recording->start_mono_ns;
	const struct child *child = &recording->child;
	struct pipeline_stats stats;
	int err;

	pipeline_stop(recording->pipeline);
	recording_collect(recording);
	pipeline_get_stats(recording->pipeline, &stats);
	recording_describe(recording, &stats, elapsed_ns, &summary);
	err = recording_write(recording, strbuf_text(&summary));
	if (err == 0)
		err = recording_write_stats(recording, &stats);
	if (err < 0)
		return err;

	if (recording->config->argv[0] && child->pid == 0) {
		child_describe_status(child->status, &status);
		log_info("%s %s", recording->config->argv[0], strbuf_text(&status));
	} else if (recording->config->argv[0]) {
		log_info("%s still runs and is asked to end", recording->config->argv[0]);
	}
	log_info("%s", strbuf_text(&summary));
	recording_warn(&stats);
	if (recording->output.path)
		log_info("wrote %s%s%s", recording->path,
			 recording->config->format == CONFIG_FORMAT_PPROF ? "; open it with: go tool pprof -http=: " :
									    "",
			 recording->config->format == CONFIG_FORMAT_PPROF ? recording->path : "");
	return 0;
}

static int recording_prepare(struct recording *recording)
{
	const struct config *config = recording->config;
	const struct sampling_mode mode = { .window_ns = COLLECT_NS, .only_targets = !config->all };
	int err = recording_open_outputs(recording);

	if (err == 0)
		err = recording_open_pids(recording);
	if (err < 0)
		return err;
	err = signals_init(&recording->signals);
	/* Before the kernel side is set up, so that the child is small. */
	if (err == 0 && config->argv[0])
		err = child_start(config->argv, &recording->signals, &recording->child);
	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	err = sampling_new(config, &mode, &recording->pipeline);
	return err < 0 ? err : recording_add_targets(recording);
}

int command_record(const struct config *config)
{
	_cleanup_(recording_fini) struct recording recording = {
		.config = config,
		.output = OUTPUT_NONE,
		.stats_output = OUTPUT_NONE,
		.signals = { .fd = -1 },
		.child = CHILD_NONE,
	};
	int err = recording_prepare(&recording);
	int loop_err;

	if (err == 0)
		err = recording_start(&recording);
	if (err < 0)
		return err;
	loop_err = recording_loop(&recording);
	err = recording_finish(&recording);
	return err < 0 ? err : loop_err;
}
