/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"
#include "drain/drain.h"
#include "profile/batch.h"
#include "requests.h"
#include "sample/sampler.h"
#include "symbolize/name_batch.h"
#include "target/executable.h"
#include "unwind/publisher.h"

/* Service of threads that belong to no program. */
#define PIPELINE_KERNEL_SERVICE "kernel"
#define PIPELINE_SYMBOL_CACHE_MAX (8u << 20)
/* Of the time that passes, debug info may take this part of one CPU when it goes on for ever. */
#define PIPELINE_DEBUGINFO_PART 1000
/* For requests at a time: whoever maps one new file after the other must not keep windows from ending. */
#define PIPELINE_ANSWER_NS (NSEC_PER_SEC / 4)

static const char *const pipeline_debug_roots[] = { "/usr/lib/debug", NULL };

struct pipeline {
	struct pipeline_options options;
	char *event;
	struct sampler *sampler;
	struct maps *maps; /* the sampler's */
	struct drain *drain;
	struct publisher *publisher;
	struct executables executables;
	struct symbolizer *symbolizer;
	struct requests requests;
	int epoll_fd;
	int rest_fd;                                  /* readable while requests wait that there was no time for */
	uint64_t counters_before[PPROFD_COUNTER_CNT]; /* of the warm-up */
	uint64_t lost_before;
	uint64_t lost_cnt; /* samples of windows that could not be named */
	bool is_trim_failing, is_cpu_failing;
};

void profile_set_fini(struct profile_set *set)
{
	for (size_t i = 0; i < set->cnt; i++)
		profile_free(set->profiles[i]);
	free(set->profiles);
	hashmap_fini(&set->index);
	*set = (struct profile_set){ 0 };
}

/* ---- rows: what the kernel side asks for ---- */

static void pipeline_on_executable(void *arg, const struct pprofd_executable_record *record)
{
	struct pipeline *pipeline = arg;

	requests_add(&pipeline->requests, record);
}

/* What is asked for meanwhile is heard between two answers. */
static int pipeline_answer(struct pipeline *pipeline)
{
	uint64_t end_mono_ns = clock_mono_ns() + PIPELINE_ANSWER_NS;
	eventfd_t rest;
	int err = 0;

	(void)eventfd_read(pipeline->rest_fd, &rest);
	while (err == 0 && requests_answer_next(&pipeline->requests)) {
		err = drain_dispatch(pipeline->drain);
		if (clock_mono_ns() >= end_mono_ns)
			break;
	}
	if (pipeline->requests.cnt > 0)
		(void)eventfd_write(pipeline->rest_fd, 1);
	return err;
}

static int pipeline_publish_vdso(struct pipeline *pipeline)
{
	struct executable *vdso;
	int err = executables_add_vdso(&pipeline->executables, &vdso);

	if (err == -ENODATA)
		return 0;
	return err < 0 ? err : requests_publish(&pipeline->requests, vdso);
}

/* ---- life ---- */

static int pipeline_watch(struct pipeline *pipeline, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(pipeline->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int pipeline_new_stages(struct pipeline *pipeline)
{
	const struct pipeline_options *options = &pipeline->options;
	const struct sampler_options sampler_options = {
		.event = pipeline->event,
		.sample_hz = options->sample_hz,
		.window_ns = options->window_ns,
		.only_targets = options->only_targets,
		.ring_bytes = options->ring_bytes,
		.buckets_per_cpu = options->buckets_per_cpu,
	};
	const struct symbolizer_options symbolizer_options = {
		.demangle = options->demangle,
		.debug_roots = pipeline_debug_roots,
		.kallsyms_path = "/proc/kallsyms",
		.cache_max = PIPELINE_SYMBOL_CACHE_MAX,
		/* One profile of everything is a recording: it is waited for. */
		.debuginfo_window_ns = options->per_service ? options->window_ns / PIPELINE_DEBUGINFO_PART : 0,
	};
	int err = sampler_new(&sampler_options, &pipeline->sampler);

	if (err < 0)
		return err;
	pipeline->maps = sampler_get_maps(pipeline->sampler);
	err = drain_new(pipeline->maps, pipeline_on_executable, pipeline, &pipeline->drain);
	if (err < 0)
		return err;
	err = publisher_new(pipeline->maps, options->row_memory_max, &pipeline->publisher);
	if (err < 0)
		return err;
	pipeline->requests.maps = pipeline->maps;
	pipeline->requests.executables = &pipeline->executables;
	pipeline->requests.publisher = pipeline->publisher;
	err = symbolizer_new(&symbolizer_options, &pipeline->symbolizer);
	if (err < 0)
		return err;
	return pipeline_publish_vdso(pipeline);
}

/* A descriptor for each executable in use, two for each CPU: more than the usual soft limit of 1,024. */
static void pipeline_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("raising the limit on open files: %s", strerror(errno));
}

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret)
{
	_cleanup_(pipeline_freep) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	int err;

	if (!pipeline)
		return -ENOMEM;
	pipeline->options = *options;
	pipeline->event = strdup(options->event);
	pipeline->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pipeline->rest_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!pipeline->event)
		return -ENOMEM;
	if (pipeline->epoll_fd < 0 || pipeline->rest_fd < 0)
		return -errno;
	pipeline_raise_limit();
	err = pipeline_new_stages(pipeline);
	if (err < 0)
		return err;
	err = pipeline_watch(pipeline, maps_get_fd(pipeline->maps));
	if (err == 0)
		err = pipeline_watch(pipeline, pipeline->rest_fd);
	if (err < 0)
		return err;
	if (sampler_get_hotplug_fd(pipeline->sampler) >= 0) {
		err = pipeline_watch(pipeline, sampler_get_hotplug_fd(pipeline->sampler));
		if (err < 0)
			return err;
	}
	*ret = take_ptr(pipeline);
	return 0;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	drain_free(pipeline->drain);
	publisher_free(pipeline->publisher);
	symbolizer_free(pipeline->symbolizer);
	sampler_free(pipeline->sampler);
	executables_fini(&pipeline->executables);
	requests_fini(&pipeline->requests);
	closep(&pipeline->epoll_fd);
	closep(&pipeline->rest_fd);
	free(pipeline->event);
	free(pipeline);
}

int pipeline_add_target(struct pipeline *pipeline, int tgid)
{
	return maps_add_target(pipeline->maps, (uint32_t)tgid);
}

int pipeline_start(struct pipeline *pipeline)
{
	return sampler_start(pipeline->sampler);
}

void pipeline_stop(struct pipeline *pipeline)
{
	sampler_stop(pipeline->sampler);
}

int pipeline_get_fd(const struct pipeline *pipeline)
{
	return pipeline->epoll_fd;
}

/* Says once, not each time, that something has begun to fail; samples go on. */
static void pipeline_note(bool *is_failing, int err, const char *what)
{
	if (err < 0 && !*is_failing)
		log_warning("%s: %s", what, strerror(-err));
	*is_failing = err < 0;
}

static void pipeline_note_cpus(struct pipeline *pipeline, int err)
{
	pipeline_note(&pipeline->is_cpu_failing, err, "cannot sample every CPU that is online");
}

int pipeline_dispatch(struct pipeline *pipeline)
{
	int err;

	pipeline_note_cpus(pipeline, sampler_dispatch(pipeline->sampler));
	err = drain_dispatch(pipeline->drain);
	return err < 0 ? err : pipeline_answer(pipeline);
}

/* Answers the kernel side until `end_mono_ns`. */
static int pipeline_dispatch_until(struct pipeline *pipeline, uint64_t end_mono_ns)
{
	struct pollfd poll_fd = { .fd = pipeline->epoll_fd, .events = POLLIN };
	uint64_t now_mono_ns;

	while ((now_mono_ns = clock_mono_ns()) < end_mono_ns) {
		int err;

		if (poll(&poll_fd, 1, (int)((end_mono_ns - now_mono_ns) / NSEC_PER_MSEC) + 1) < 0 && errno != EINTR)
			return -errno;
		err = pipeline_dispatch(pipeline);
		if (err < 0)
			return err;
	}
	return 0;
}

int pipeline_warm_up(struct pipeline *pipeline, uint64_t duration_ns)
{
	_cleanup_(batch_freep) struct batch *batch = NULL;
	int err = sampler_start(pipeline->sampler);

	if (err < 0)
		return err;
	err = pipeline_dispatch_until(pipeline, clock_mono_ns() + duration_ns);
	/* Nothing is sampled while the counters are read, so they and the samples agree. */
	sampler_pause(pipeline->sampler);
	if (err < 0)
		return err;
	err = drain_end_window(pipeline->drain, &batch);
	for (int i = 0; i < PPROFD_COUNTER_CNT; i++)
		pipeline->counters_before[i] = maps_read_counter(pipeline->maps, (enum pprofd_counter)i);
	pipeline->lost_before = drain_get_lost(pipeline->drain);
	return err;
}

/* ---- a window ---- */

/* Where a batch's samples go. */
struct pipeline_picker {
	struct pipeline *pipeline;
	struct profile_set *set;
	const struct batch *batch;
};

static const char *pipeline_service(const struct pipeline *pipeline, const struct batch_process *process)
{
	const struct executable *executable;
	const char *path, *slash;

	if (!pipeline->options.per_service)
		return "";
	if (process->executable == PPROFD_EXECUTABLE_KERNEL)
		return PIPELINE_KERNEL_SERVICE;
	executable = executables_find(&pipeline->executables, process->executable);
	if (!executable)
		return process->comm;
	path = executable_path(executable);
	slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static int pipeline_new_profile(const struct pipeline_picker *picker, const char *service, struct profile **ret)
{
	const struct pipeline_options *options = &picker->pipeline->options;
	_cleanup_(profile_freep) struct profile *profile = NULL;
	bool is_clock = strcmp(picker->pipeline->event, "cpu-clock") == 0;
	struct profile_value_type measured = { "cpu", "nanoseconds" };
	int err = profile_new("process_cpu", &profile);

	if (err < 0)
		return err;
	if (!is_clock)
		measured = (struct profile_value_type){ picker->pipeline->event, "count" };
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_types[1] = measured;
	profile->value_type_cnt = 2;
	profile->period_type = measured;
	profile->period = is_clock ? (int64_t)(NSEC_PER_SEC / options->sample_hz) : 1;
	profile->time_wall_ns = picker->batch->start_wall_ns;
	if (options->per_service)
		err = profile_add_label(profile, "service_name", service);
	if (err < 0)
		return err;
	*ret = take_ptr(profile);
	return 0;
}

/* The profile of `service` in the set; made when it is not there. */
static int pipeline_find_profile(const struct pipeline_picker *picker, const char *service, struct profile **ret)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	struct profile_set *set = picker->set;
	uint64_t hash = hashmap_hash_bytes(service, strlen(service));
	const uint64_t *at = hashmap_find(&set->index, hash);
	int err;

	if (at) {
		*ret = set->profiles[*at];
		return 0;
	}
	err = vec_reserve(&set->profiles, &set->cap, set->cnt + 1);
	if (err < 0)
		return err;
	err = pipeline_new_profile(picker, service, &profile);
	if (err < 0)
		return err;
	err = hashmap_put(&set->index, hash, set->cnt);
	if (err < 0)
		return err;
	*ret = set->profiles[set->cnt++] = take_ptr(profile);
	return 0;
}

static int pipeline_pick(void *arg, const struct batch_process *process, struct profile **ret)
{
	const struct pipeline_picker *picker = arg;

	return pipeline_find_profile(picker, pipeline_service(picker->pipeline, process), ret);
}

static uint64_t batch_sample_sum(const struct batch *batch)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < batch->sample_cnt; i++)
		sum += batch->samples[i].count;
	return sum;
}

static int pipeline_name(struct pipeline *pipeline, const struct batch *batch, struct profile_set *set)
{
	struct pipeline_picker picker = { .pipeline = pipeline, .set = set, .batch = batch };
	const struct name_batch_picker pick = { .pick = pipeline_pick, .arg = &picker };
	struct profile *all;
	int err = 0;

	/* The one profile of everything is there even when nothing ran. */
	if (!pipeline->options.per_service)
		err = pipeline_find_profile(&picker, "", &all);
	if (err == 0)
		err = name_batch(pipeline->symbolizer, &pipeline->executables, batch, &pick);
	symbolizer_end_window(pipeline->symbolizer);
	for (size_t i = 0; i < set->cnt; i++)
		set->profiles[i]->duration_ns += batch->duration_ns;
	if (err < 0)
		pipeline->lost_cnt += batch_sample_sum(batch);
	return err;
}

static void pipeline_on_removed(void *arg, uint32_t number)
{
	struct pipeline *pipeline = arg;

	refusals_remove(&pipeline->requests.refusals, number);
	executables_remove(&pipeline->executables, number);
}

static int pipeline_may_close(void *arg, const struct executable *executable)
{
	const struct pipeline *pipeline = arg;

	return publisher_set_closed(pipeline->publisher, &executable->key, true);
}

int pipeline_collect(struct pipeline *pipeline, struct profile_set *set)
{
	_cleanup_(batch_freep) struct batch *batch = NULL;
	int err = drain_end_window(pipeline->drain, &batch);

	if (err < 0)
		return err;
	err = pipeline_answer(pipeline);
	if (err < 0)
		log_debug("reading the ring buffer: %s", strerror(-err));
	err = pipeline_name(pipeline, batch, set);
	if (err < 0)
		return err;
	/* What is wrong from here on must not cost the window that `set` has by now. */
	err = publisher_trim(pipeline->publisher, pipeline_on_removed, pipeline);
	pipeline_note(&pipeline->is_trim_failing, err, "cannot make room for unwind rows");
	executables_end_window(&pipeline->executables, pipeline_may_close, pipeline);
	pipeline_note_cpus(pipeline, sampler_follow_cpus(pipeline->sampler));
	return 0;
}

void pipeline_get_stats(const struct pipeline *pipeline, struct pipeline_stats *ret)
{
	*ret = (struct pipeline_stats){ 0 };
	/* A sample counts in EVENTS, the first, before anything else: read last, it is never the smaller number. */
	for (int i = PPROFD_COUNTER_CNT - 1; i >= 0; i--)
		ret->counters[i] =
			maps_read_counter(pipeline->maps, (enum pprofd_counter)i) - pipeline->counters_before[i];
	ret->lost_user = drain_get_lost(pipeline->drain) - pipeline->lost_before + pipeline->lost_cnt;
	ret->throttled = sampler_read_throttled(pipeline->sampler);
	ret->executables = pipeline->executables.by_number.cnt;
	ret->executables_failed = pipeline->requests.refusals.by_number.cnt;
	publisher_get_stats(pipeline->publisher, &ret->rows, &ret->row_memory);
	ret->map_memory = pipeline->maps->fixed_bytes + ret->row_memory;
	sampler_read_cost(pipeline->sampler, &ret->bpf_ns, &ret->bpf_runs);
}
