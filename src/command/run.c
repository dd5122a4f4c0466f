/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "command/command.h"
#include "command/sampling.h"
#include "command/signals.h"
#include "command/sink.h"
#include "command/summary.h"
#include "config/value.h"

/* Between two lines that say how it is going. */
#define STATS_NS (300 * NSEC_PER_SEC)

enum { POLL_SIGNALS, POLL_PIPELINE, POLL_SINK, POLL_CNT };

struct agent {
	const struct config *config;
	char host[HOST_NAME_MAX + 1];
	struct signals signals;
	struct pipeline *pipeline;
	struct sink sink;
	struct pollfd polls[POLL_CNT];
	bool is_over;
	bool is_collect_failing;
	uint64_t window_mono_ns; /* when the window ends */
	uint64_t window_cnt;
	struct pipeline_stats window_stats; /* when it began */
	uint64_t stats_mono_ns;             /* when the next line is due */
	struct pipeline_stats line_stats;   /* as of the previous line */
};

static void agent_fini(struct agent *agent)
{
	if (agent->pipeline)
		pipeline_free(agent->pipeline);
	sink_fini(&agent->sink);
	signals_fini(&agent->signals);
}

/* The user's own label wins over ours of the same name. */
static int agent_add_labels(const struct agent *agent, struct profile *profile)
{
	const struct config_labels *labels = &agent->config->labels;
	int err = 0;

	for (size_t i = 0; i < labels->cnt && err == 0; i++)
		err = profile_add_label(profile, labels->labels[i].name, labels->labels[i].value);
	if (err == 0 && !profile_find_label(profile, "host"))
		err = profile_add_label(profile, "host", agent->host);
	return err;
}

static int agent_label(const struct agent *agent, struct profile_set *set)
{
	int err = 0;

	for (size_t i = 0; i < set->cnt && err == 0; i++)
		err = agent_add_labels(agent, set->profiles[i]);
	return err;
}

/* The first window at info: it tells whoever has just started this that it works. */
static void agent_log_window(struct agent *agent, const struct profile_set *set)
{
	_cleanup_(strbuf_fini) struct strbuf line = { 0 };
	enum log_level level = agent->window_cnt == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	struct pipeline_stats stats, since;

	pipeline_get_stats(agent->pipeline, &stats);
	since = summary_since(&stats, &agent->window_stats);
	agent->window_stats = stats;
	if (log_get_level() < level)
		return;
	strbuf_printf(&line, "%s: %zu profiles, ", agent->window_cnt == 0 ? "first window" : "window", set->cnt);
	summary_append(&line, &since);
	log_write(level, "%s", strbuf_text(&line));
}

/* Ends the window and hands on its profiles. A window that fails is counted as lost; the agent goes on. */
static void agent_end_window(struct agent *agent)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };
	int err = pipeline_collect(agent->pipeline, &set);

	if (err == 0)
		err = agent_label(agent, &set);
	if (err < 0 && !agent->is_collect_failing)
		log_warning("cannot collect what was sampled: %s", strerror(-err));
	if (err == 0 && agent->is_collect_failing)
		log_info("what is sampled is collected again");
	agent->is_collect_failing = err < 0;
	if (err < 0)
		return;
	sink_put(&agent->sink, &set);
	agent_log_window(agent, &set);
	agent->window_cnt++;
}

static void agent_log_stats(struct agent *agent)
{
	_cleanup_(strbuf_fini) struct strbuf line = { 0 };
	_cleanup_(strbuf_fini) struct strbuf lost = { 0 };
	struct pipeline_stats stats, since;

	pipeline_get_stats(agent->pipeline, &stats);
	since = summary_since(&stats, &agent->line_stats);
	agent->line_stats = stats;
	strbuf_puts(&line, "in ");
	duration_format(STATS_NS, &line);
	strbuf_puts(&line, ": ");
	summary_append(&line, &since);
	strbuf_printf(&line, "; %" PRIu64 " executables, ", stats.executables);
	summary_append_number(&line, stats.rows);
	strbuf_puts(&line, " rows; ");
	sink_append_stats(&agent->sink, &line);
	log_info("%s", strbuf_text(&line));

	summary_append_lost(&lost, &since);
	if (lost.len)
		log_warning("samples lost: %s", strbuf_text(&lost));
	if (since.throttled)
		log_warning("the kernel throttled sampling %" PRIu64 " times; a lower --hz helps", since.throttled);
}

static void agent_handle_time(struct agent *agent)
{
	uint64_t now_mono_ns = clock_mono_ns();

	if (now_mono_ns >= agent->window_mono_ns) {
		agent_end_window(agent);
		/* On the grid of the start, whatever a window took. */
		now_mono_ns = clock_mono_ns();
		while (agent->window_mono_ns <= now_mono_ns)
			agent->window_mono_ns += agent->config->window_ns;
	}
	if (now_mono_ns >= agent->stats_mono_ns) {
		agent_log_stats(agent);
		agent->stats_mono_ns = now_mono_ns + STATS_NS;
	}
}

static int agent_wait(struct agent *agent)
{
	uint64_t now_mono_ns = clock_mono_ns();
	struct timespec timeout = { 0 };

	if (agent->window_mono_ns > now_mono_ns) {
		timeout.tv_sec = (time_t)((agent->window_mono_ns - now_mono_ns) / NSEC_PER_SEC);
		timeout.tv_nsec = (long)((agent->window_mono_ns - now_mono_ns) % NSEC_PER_SEC);
	}
	return ppoll(agent->polls, POLL_CNT, &timeout, NULL) < 0 && errno != EINTR ? -errno : 0;
}

static int agent_handle(struct agent *agent)
{
	int number;
	int err = agent_wait(agent);

	if (err < 0) {
		log_error("cannot wait: %s", strerror(-err));
		return err;
	}
	if (agent->polls[POLL_PIPELINE].revents) {
		err = pipeline_dispatch(agent->pipeline);
		if (err < 0) {
			log_error("cannot answer the kernel side: %s", strerror(-err));
			return err;
		}
	}
	if (agent->polls[POLL_SINK].revents)
		sink_dispatch(&agent->sink);
	while ((number = signals_take(&agent->signals)) != 0) {
		if (number != SIGCHLD)
			agent->is_over = true;
	}
	if (!agent->is_over)
		agent_handle_time(agent);
	return 0;
}

static int agent_loop(struct agent *agent)
{
	int err = 0;

	agent->polls[POLL_SIGNALS] = (struct pollfd){ .fd = agent->signals.fd, .events = POLLIN };
	agent->polls[POLL_PIPELINE] = (struct pollfd){ .fd = pipeline_get_fd(agent->pipeline), .events = POLLIN };
	agent->polls[POLL_SINK] = (struct pollfd){ .fd = sink_get_fd(&agent->sink), .events = POLLIN };
	while (err == 0 && !agent->is_over)
		err = agent_handle(agent);
	return err;
}

static void agent_log_start(const struct agent *agent)
{
	_cleanup_(strbuf_fini) struct strbuf line = { 0 };
	_cleanup_(strbuf_fini) struct strbuf where = { 0 };

	strbuf_printf(&line, "sampling every process by %s at %" PRIu64 " Hz, a profile per service every ",
		      agent->config->event, agent->config->sample_hz);
	duration_format(agent->config->window_ns, &line);
	log_info("%s", strbuf_text(&line));
	sink_describe(&agent->sink, &where);
	log_info("%s", strbuf_text(&where));
}

static int agent_start(struct agent *agent)
{
	const struct config *config = agent->config;
	const struct sampling_mode mode = { .window_ns = config->window_ns, .per_service = true };
	int err;

	if (gethostname(agent->host, sizeof(agent->host)) < 0)
		snprintf(agent->host, sizeof(agent->host), "localhost");
	err = signals_init(&agent->signals);
	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	err = sink_init(config, &agent->sink);
	if (err == 0)
		err = sampling_new(config, &mode, &agent->pipeline);
	if (err == 0)
		err = sampling_start(config, agent->pipeline, 0);
	if (err < 0)
		return err;
	agent->window_mono_ns = clock_mono_ns() + config->window_ns;
	agent->stats_mono_ns = clock_mono_ns() + STATS_NS;
	agent_log_start(agent);
	return 0;
}

int command_run(const struct config *config)
{
	_cleanup_(agent_fini) struct agent agent = { .config = config, .signals = { .fd = -1 } };
	int err = agent_start(&agent);

	if (err < 0)
		return err;
	err = agent_loop(&agent);
	log_info("ending: delivering what there is");
	pipeline_stop(agent.pipeline);
	agent_end_window(&agent);
	sink_flush(&agent.sink);
	return err;
}
