/* SPDX-License-Identifier: Apache-2.0 */
#include "command/summary.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_SHOWN_MAX 3

struct reason {
	const char *metric;
	const char *help;
	uint64_t cnt;
};

static const struct reason reasons[PPROFD_COUNTER_CNT] = {
#define COUNTER(name, metric, help) [PPROFD_COUNTER_##name] = { metric, help, 0 },
#include <pprofd/counters.def>
#undef COUNTER
};

static bool is_lost(const struct reason *reason)
{
	return strncmp(reason->metric, "lost_", strlen("lost_")) == 0;
}

/* The user stacks that were begun but do not end where the thread began. */
static bool is_cut(const struct reason *reason)
{
	return strncmp(reason->metric, "user_", strlen("user_")) == 0 && strcmp(reason->metric, "user_none") != 0 &&
	       strcmp(reason->metric, "user_complete") != 0;
}

static int reason_compare(const void *a, const void *b)
{
	uint64_t a_cnt = ((const struct reason *)a)->cnt;
	uint64_t b_cnt = ((const struct reason *)b)->cnt;

	return (a_cnt < b_cnt) - (a_cnt > b_cnt);
}

/* Fills `ret` (PPROFD_COUNTER_CNT) with the counters that are not 0 and that `is_wanted`, the largest first. */
static size_t reasons_collect(const struct pipeline_stats *stats, bool (*is_wanted)(const struct reason *reason),
			      struct reason *ret)
{
	size_t cnt = 0;

	for (size_t i = 0; i < PPROFD_COUNTER_CNT; i++) {
		if (stats->counters[i] == 0 || !is_wanted(&reasons[i]))
			continue;
		ret[cnt] = reasons[i];
		ret[cnt++].cnt = stats->counters[i];
	}
	qsort(ret, cnt, sizeof(*ret), reason_compare);
	return cnt;
}

/* Help texts read "samples lost: the reason". */
static const char *reason_text(const struct reason *reason)
{
	const char *colon = strstr(reason->help, ": ");

	return colon ? colon + 2 : reason->help;
}

uint64_t summary_lost(const struct pipeline_stats *stats)
{
	uint64_t lost = stats->lost_user;

	for (size_t i = 0; i < PPROFD_COUNTER_CNT; i++) {
		if (is_lost(&reasons[i]))
			lost += stats->counters[i];
	}
	return lost;
}

static uint64_t summary_user_stacks(const struct pipeline_stats *stats)
{
	uint64_t stacks = stats->counters[PPROFD_COUNTER_USER_COMPLETE];

	for (size_t i = 0; i < PPROFD_COUNTER_CNT; i++) {
		if (is_cut(&reasons[i]))
			stacks += stats->counters[i];
	}
	return stacks;
}

unsigned int summary_complete_permille(const struct pipeline_stats *stats)
{
	uint64_t stacks = summary_user_stacks(stats);

	if (stacks == 0)
		return 1000;
	return (unsigned int)((unsigned __int128)stats->counters[PPROFD_COUNTER_USER_COMPLETE] * 1000 / stacks);
}

void summary_append_number(struct strbuf *buf, uint64_t number)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

	for (int i = 0; i < len; i++)
		strbuf_printf(buf, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

void summary_append(struct strbuf *buf, const struct pipeline_stats *stats)
{
	unsigned int permille = summary_complete_permille(stats);
	uint64_t recorded = stats->counters[PPROFD_COUNTER_RECORDED];

	/* What user space could not place was recorded by the kernel side, and lost all the same. */
	summary_append_number(buf, recorded - (stats->lost_user < recorded ? stats->lost_user : recorded));
	strbuf_puts(buf, " samples, ");
	summary_append_number(buf, summary_lost(stats));
	strbuf_printf(buf, " lost, %u.%u %% complete user stacks", permille / 10, permille % 10);
}

void summary_append_lost(struct strbuf *buf, const struct pipeline_stats *stats)
{
	struct reason lost[PPROFD_COUNTER_CNT];
	size_t cnt = reasons_collect(stats, is_lost, lost);
	const char *separator = "";

	for (size_t i = 0; i < cnt; i++) {
		strbuf_printf(buf, "%s%s (", separator, reason_text(&lost[i]));
		summary_append_number(buf, lost[i].cnt);
		strbuf_puts(buf, ")");
		separator = "; ";
	}
	if (stats->lost_user) {
		strbuf_printf(buf, "%suser space could not place them (", separator);
		summary_append_number(buf, stats->lost_user);
		strbuf_puts(buf, ")");
	}
}

void summary_append_cut(struct strbuf *buf, const struct pipeline_stats *stats)
{
	struct reason cut[PPROFD_COUNTER_CNT];
	size_t cnt = reasons_collect(stats, is_cut, cut);
	uint64_t stacks = summary_user_stacks(stats);

	for (size_t i = 0; i < cnt && i < REASONS_SHOWN_MAX; i++)
		strbuf_printf(buf, "%s%s (%.1f %%)", i ? "; " : "", reason_text(&cut[i]),
			      100.0 * (double)cut[i].cnt / (double)stacks);
}

struct pipeline_stats summary_since(const struct pipeline_stats *now, const struct pipeline_stats *before)
{
	struct pipeline_stats since = *now;

	for (size_t i = 0; i < PPROFD_COUNTER_CNT; i++)
		since.counters[i] -= before->counters[i];
	since.lost_user -= before->lost_user;
	since.throttled -= before->throttled;
	since.bpf_ns -= before->bpf_ns;
	since.bpf_runs -= before->bpf_runs;
	return since;
}

void summary_append_json(struct strbuf *buf, const struct pipeline_stats *stats)
{
	const struct {
		const char *name;
		uint64_t value;
	} others[] = {
		{ "lost_user", stats->lost_user },
		{ "throttled", stats->throttled },
		{ "executables", stats->executables },
		{ "executables_failed", stats->executables_failed },
		{ "rows", stats->rows },
		{ "row_memory", stats->row_memory },
		{ "map_memory", stats->map_memory },
		{ "bpf_ns", stats->bpf_ns },
		{ "bpf_runs", stats->bpf_runs },
	};

	strbuf_puts(buf, "{\n");
	for (size_t i = 0; i < PPROFD_COUNTER_CNT; i++)
		strbuf_printf(buf, "\t\"%s\": %" PRIu64 ",\n", reasons[i].metric, stats->counters[i]);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		strbuf_printf(buf, "\t\"%s\": %" PRIu64 "%s\n", others[i].name, others[i].value,
			      i + 1 < ARRAY_LEN(others) ? "," : "");
	strbuf_puts(buf, "}\n");
}
