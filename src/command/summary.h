/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was recorded, lost and cut, in words. Every reason comes from counters.def. Any thread.
 */
#ifndef PPROFD_COMMAND_SUMMARY_H
#define PPROFD_COMMAND_SUMMARY_H

#include <stdint.h>

#include "base/strbuf.h"
#include "pipeline.h"

/* Samples that are in no profile, by whatever reason. */
uint64_t summary_lost(const struct pipeline_stats *stats);

/*
 * Share of the user stacks that end where their thread began, in thousandths, rounded down so that
 * only all of them are 1000. 1000 when there are none.
 */
unsigned int summary_complete_permille(const struct pipeline_stats *stats);

/* "1,188 samples, 0 lost, 99.7 % complete user stacks" */
void summary_append(struct strbuf *buf, const struct pipeline_stats *stats);

/* "the ring buffer was full ... (12); ... (3)", the largest first; nothing when nothing was lost. */
void summary_append_lost(struct strbuf *buf, const struct pipeline_stats *stats);

/* "deeper than the limit (1.2 %); ..." of the user stacks, the largest three first; nothing when none was cut. */
void summary_append_cut(struct strbuf *buf, const struct pipeline_stats *stats);

/* 1234567 as "1,234,567". */
void summary_append_number(struct strbuf *buf, uint64_t number);

/* All of it as a JSON object of numbers, by the names of counters.def and of struct pipeline_stats. */
void summary_append_json(struct strbuf *buf, const struct pipeline_stats *stats);

/* What happened after `before`: every count that only grows, subtracted. */
struct pipeline_stats summary_since(const struct pipeline_stats *now, const struct pipeline_stats *before);

#endif
