/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets a test drive a pusher: commands on standard input, one line of answer each.
 *
 *   push_driver URL TIMEOUT_MS BACKOFF_MIN_MS BACKOFF_MAX_MS RETRIES QUEUE_BYTES
 *
 *   push SERVICE SAMPLES   a made-up profile of now          -> push 0 BODY_BYTES
 *   flush MS                                                 -> flush 0 | flush -110
 *   event MS               waits for the event descriptor    -> event 0 | event 1
 *   stats                                                    -> stats {...} (JSON)
 *   pprof PATH SAMPLES     the profile as a file             -> wrote 0
 *   folded PATH SAMPLES                                      -> wrote 0
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "deliver/pusher.h"
#include "encode/folded.h"
#include "encode/pprof.h"
#include "encode/push.h"

#define NSEC_PER_MSEC 1000000ULL
#define DRIVER_PERIOD_NS 10101010

static int driver_add_location(struct profile *profile, uint32_t mapping, uint64_t address, const char *name,
			       uint32_t *ret)
{
	struct profile_line line = { .line = (int64_t)(address % 100) + 1 };
	int err = profile_add_function(profile, name, name, "/src/made.c", 1, &line.function);

	if (err < 0)
		return err;
	return profile_add_location(profile, mapping, address, &line, 1, ret);
}

/* Stacks leaf_<i> <- middle_<i % 7> <- main, each with one sample more than the one before, up to 9. */
static int driver_fill(struct profile *profile, uint32_t sample_cnt)
{
	uint32_t mapping, stack[3];
	char name[32];
	int err;

	err = profile_add_mapping(profile, 0x400000, 0x40000000, 0, "/usr/bin/made", "0123456789abcdef", &mapping);
	if (err < 0)
		return err;
	profile->mappings[mapping].has_functions = true;
	err = driver_add_location(profile, mapping, 0x400010, "main", &stack[2]);
	for (uint32_t i = 0; i < sample_cnt && err == 0; i++) {
		const int64_t count = i % 9 + 1;
		const int64_t values[] = { count, count * DRIVER_PERIOD_NS };

		snprintf(name, sizeof(name), "middle_%u", i % 7);
		err = driver_add_location(profile, mapping, 0x400020 + i % 7, name, &stack[1]);
		if (err < 0)
			return err;
		snprintf(name, sizeof(name), "leaf_%u", i);
		err = driver_add_location(profile, mapping, 0x400100 + i, name, &stack[0]);
		if (err < 0)
			return err;
		err = profile_add_sample(profile, stack, ARRAY_LEN(stack), values);
	}
	return err;
}

static int driver_make_profile(const char *service, uint32_t sample_cnt, struct profile **ret)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	int err = profile_new("process_cpu", &profile);

	if (err < 0)
		return err;
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_types[1] = (struct profile_value_type){ "cpu", "nanoseconds" };
	profile->value_type_cnt = 2;
	profile->period_type = profile->value_types[1];
	profile->period = DRIVER_PERIOD_NS;
	profile->time_wall_ns = clock_wall_ns();
	profile->duration_ns = 15 * NSEC_PER_SEC;
	err = profile_add_label(profile, "service_name", service);
	if (err < 0)
		return err;
	err = driver_fill(profile, sample_cnt);
	if (err < 0)
		return err;
	*ret = take_ptr(profile);
	return 0;
}

static int driver_push(struct pusher *pusher, const char *service, uint32_t sample_cnt)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(blob_fini) struct blob blob = { 0 };
	const struct profile *profiles[1];
	size_t len;
	int err = driver_make_profile(service, sample_cnt, &profile);

	if (err < 0)
		return err;
	profiles[0] = profile;
	err = push_encode(profiles, ARRAY_LEN(profiles), &blob);
	if (err < 0)
		return err;
	len = blob.len;
	err = pusher_push(pusher, &blob);
	printf("push %d %zu\n", err, len);
	return 0;
}

static int driver_write(const char *path, uint32_t sample_cnt,
			int (*encode)(const struct profile *profile, struct blob *ret))
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(blob_fini) struct blob blob = { 0 };
	int err = driver_make_profile("made", sample_cnt, &profile);

	if (err < 0)
		return err;
	err = encode(profile, &blob);
	if (err < 0)
		return err;
	return file_write_atomic(path, blob.data, blob.len);
}

static void driver_print_stats(struct pusher *pusher)
{
	struct pusher_stats stats;

	pusher_get_stats(pusher, &stats);
	printf("stats {\"delivered\": %" PRIu64 ", \"retried\": %" PRIu64 ", \"rejected\": %" PRIu64
	       ", \"exhausted\": %" PRIu64 ", \"overflowed\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"queued\": %" PRIu64
	       ", \"error\": \"",
	       stats.delivered, stats.retried, stats.dropped_rejected, stats.dropped_exhausted, stats.dropped_queue,
	       stats.queued_bytes, stats.queued_blobs);
	for (const char *c = stats.last_error; *c; c++)
		printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	printf("\"}\n");
}

static int driver_poll(struct pusher *pusher, int timeout_ms)
{
	struct pollfd event = { .fd = pusher_get_event_fd(pusher), .events = POLLIN };

	return poll(&event, 1, timeout_ms);
}

static int driver_run(struct pusher *pusher, const char *line)
{
	char text[512];
	unsigned int number;
	int err = -EINVAL;

	if (sscanf(line, "push %511s %u", text, &number) == 2)
		return driver_push(pusher, text, number);
	if (sscanf(line, "flush %u", &number) == 1) {
		printf("flush %d\n", pusher_flush(pusher, number * NSEC_PER_MSEC));
		return 0;
	}
	if (sscanf(line, "event %u", &number) == 1) {
		printf("event %d\n", driver_poll(pusher, (int)number));
		return 0;
	}
	if (strcmp(line, "stats\n") == 0) {
		driver_print_stats(pusher);
		return 0;
	}
	if (sscanf(line, "pprof %511s %u", text, &number) == 2)
		err = driver_write(text, number, pprof_encode);
	else if (sscanf(line, "folded %511s %u", text, &number) == 2)
		err = driver_write(text, number, folded_encode);
	printf("wrote %d\n", err);
	return err;
}

int main(int argc, char **argv)
{
	_cleanup_(pusher_freep) struct pusher *pusher = NULL;
	struct pusher_options options = { 0 };
	char line[1024];
	int err;

	if (argc != 7) {
		fprintf(stderr,
			"usage: push_driver URL TIMEOUT_MS BACKOFF_MIN_MS BACKOFF_MAX_MS RETRIES QUEUE_BYTES\n");
		return 2;
	}
	options.url = argv[1];
	options.timeout_ns = strtoull(argv[2], NULL, 10) * NSEC_PER_MSEC;
	options.backoff_min_ns = strtoull(argv[3], NULL, 10) * NSEC_PER_MSEC;
	options.backoff_max_ns = strtoull(argv[4], NULL, 10) * NSEC_PER_MSEC;
	options.retries_max = (uint32_t)strtoul(argv[5], NULL, 10);
	options.queue_max = strtoull(argv[6], NULL, 10);
	err = pusher_new(&options, &pusher);
	printf("new %d\n", err);
	fflush(stdout);
	while (err == 0 && fgets(line, sizeof(line), stdin)) {
		err = driver_run(pusher, line);
		fflush(stdout);
	}
	return err < 0;
}
