/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "command/check_machine.h"
#include "command/command.h"
#include "command/sampling.h"
#include "config/config.h"

/* Long enough for a few ticks of 10 Hz while this process keeps one CPU busy, and for nobody to notice. */
#define TRY_NS (300 * NSEC_PER_SEC / 1000)

static const struct {
	const char *word;
	const char *color;
} statuses[] = {
	[CHECK_OK] = { "ok", "\033[32m" },
	[CHECK_WARN] = { "warn", "\033[33m" },
	[CHECK_FAIL] = { "fail", "\033[31m" },
};

/* The idle task is not sampled: without work there might be nothing to count. */
static void keep_busy(uint64_t duration_ns)
{
	uint64_t end_mono_ns = clock_mono_ns() + duration_ns;

	while (clock_mono_ns() < end_mono_ns)
		;
}

static int try_sampling(const struct config *config, uint64_t *ret_events)
{
	_cleanup_(pipeline_freep) struct pipeline *pipeline = NULL;
	const struct sampling_mode mode = { .window_ns = NSEC_PER_SEC, .per_service = true };
	const struct pipeline_options options = sampling_options(config, &mode);
	struct pipeline_stats stats;
	int err = pipeline_new(&options, &pipeline);

	if (err == 0)
		err = pipeline_start(pipeline);
	if (err < 0)
		return err;
	keep_busy(TRY_NS);
	pipeline_stop(pipeline);
	pipeline_get_stats(pipeline, &stats);
	*ret_events = stats.counters[PPROFD_COUNTER_EVENTS];
	return 0;
}

/* `why` holds the remedy and must outlive the row. */
static void check_sampling(const struct config *config, struct strbuf *why, struct check_row *row)
{
	uint64_t event_cnt = 0;
	int err = try_sampling(config, &event_cnt);

	*row = (struct check_row){ .name = "sampling" };
	if (err < 0) {
		sampling_explain(why, err, config->event);
		row->status = CHECK_FAIL;
		snprintf(row->state, sizeof(row->state), "tried, but: %s", strerror(-err));
		row->remedy = strbuf_text(why);
	} else if (event_cnt == 0 && config->sample_hz * TRY_NS > NSEC_PER_SEC) {
		row->status = CHECK_FAIL;
		snprintf(row->state, sizeof(row->state), "tried, but %s never ticked", config->event);
		row->remedy = "--event cpu-clock";
	} else {
		snprintf(row->state, sizeof(row->state), "tried: %" PRIu64 " samples", event_cnt);
	}
}

static void append_rows(const struct check_row *rows, size_t cnt, bool has_color, struct strbuf *buf)
{
	int width = 0;

	for (size_t i = 0; i < cnt; i++) {
		int len = (int)strlen(rows[i].name);

		width = len > width ? len : width;
	}
	for (size_t i = 0; i < cnt; i++) {
		const char *color = has_color ? statuses[rows[i].status].color : "";

		strbuf_printf(buf, "%s%-4s%s  %-*s  %s\n", color, statuses[rows[i].status].word,
			      has_color ? "\033[0m" : "", width, rows[i].name, rows[i].state);
		if (rows[i].remedy)
			strbuf_printf(buf, "      %-*s  remedy: %s\n", width, "", rows[i].remedy);
	}
}

int command_check(const struct config *config)
{
	_cleanup_(strbuf_fini) struct strbuf why = { 0 };
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	struct check_row rows[CHECK_ROWS_MAX + 1];
	size_t cnt = check_machine("", config->sample_hz, rows);
	unsigned int failed_cnt = 0, warned_cnt = 0;

	check_sampling(config, &why, &rows[cnt++]);
	for (size_t i = 0; i < cnt; i++) {
		failed_cnt += rows[i].status == CHECK_FAIL;
		warned_cnt += rows[i].status == CHECK_WARN;
	}
	append_rows(rows, cnt, isatty(STDOUT_FILENO), &text);
	if (failed_cnt)
		strbuf_printf(&text, "\npprofd cannot run here: %u of the above failed\n", failed_cnt);
	else
		strbuf_printf(&text, "\npprofd can run here%s\n", warned_cnt ? ", with less than it could" : "");
	if (strbuf_error(&text))
		return strbuf_error(&text);
	if (fputs(strbuf_text(&text), stdout) < 0 || fflush(stdout) < 0) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return -EIO;
	}
	return failed_cnt ? -EOPNOTSUPP : 0;
}
