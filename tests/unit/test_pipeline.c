/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_maps.h"
#include "requests.h"
#include "sample/sampler.h"

#define WINDOW_NS 15000000000ULL
#define MS_NS 1000000ULL

/* ---- a sampler without a kernel: takes the place of sampler.c ---- */

struct sampler {
	bool is_running;
};

static struct fake_maps fake;
static struct sampler fake_sampler;
static struct sampler_options given; /* to sampler_new() */
static int sampler_error;            /* of new and start */
static int cpu_error;                /* of following CPUs */
/* What programs do while it warms up. */
static void (*on_start)(void);

int sampler_new(const struct sampler_options *options, struct sampler **ret)
{
	given = *options;
	if (sampler_error < 0)
		return sampler_error;
	*ret = &fake_sampler;
	return 0;
}

void sampler_free(struct sampler *sampler)
{
	(void)sampler;
}

struct maps *sampler_get_maps(struct sampler *sampler)
{
	(void)sampler;
	return &fake.maps;
}

int sampler_start(struct sampler *sampler)
{
	void (*start)(void) = take_ptr(on_start);

	sampler->is_running = true;
	if (start)
		start();
	return sampler_error;
}

void sampler_stop(struct sampler *sampler)
{
	sampler->is_running = false;
}

void sampler_pause(struct sampler *sampler)
{
	sampler->is_running = false;
}

int sampler_follow_cpus(struct sampler *sampler)
{
	(void)sampler;
	return cpu_error;
}

int sampler_dispatch(struct sampler *sampler)
{
	(void)sampler;
	return cpu_error;
}

int sampler_get_hotplug_fd(const struct sampler *sampler)
{
	(void)sampler;
	return -1;
}

uint64_t sampler_read_throttled(struct sampler *sampler)
{
	(void)sampler;
	return 3;
}

void sampler_read_cost(const struct sampler *sampler, uint64_t *ret_ns, uint64_t *ret_runs)
{
	(void)sampler;
	*ret_ns = 500;
	*ret_runs = 5;
}

/* ---- */

static bool are_requests_endless;

bool __real_requests_answer_next(struct requests *requests);
bool __wrap_requests_answer_next(struct requests *requests);

bool __wrap_requests_answer_next(struct requests *requests)
{
	return are_requests_endless || __real_requests_answer_next(requests);
}

static struct pipeline *pipeline;

static void init(bool per_service, const char *event)
{
	char name[32];
	struct pipeline_options options = {
		.event = name,
		.sample_hz = 99,
		.window_ns = WINDOW_NS,
		.per_service = per_service,
		.row_memory_max = 4 << 20,
	};

	snprintf(name, sizeof(name), "%s", event);
	sampler_error = cpu_error = 0;
	are_requests_endless = false;
	fake_sampler.is_running = false;
	fake_maps_init(&fake);
	assert_int_equal(pipeline_new(&options, &pipeline), 0);
	/* Options were copied. */
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(pipeline_start(pipeline), 0);
}

static int teardown(void **state)
{
	(void)state;
	pipeline_free(take_ptr(pipeline));
	assert_int_equal(fake.torn_cnt, 0);
	assert_int_equal(fake_maps_open_cnt(&fake), 0);
	fake_maps_fini(&fake);
	return 0;
}

/* A sample of process `tgid` in JIT code, `count` times in the running epoch. */
static void sample(uint32_t tgid, uint32_t executable, uint32_t count)
{
	const uint64_t frame = (uint64_t)PPROFD_EXECUTABLE_ANON << PPROFD_OFF_BITS | tgid;
	struct pprofd_process_record process = {
		.head = { PPROFD_RECORD_PROCESS, fake.epoch },
		.process = tgid,
		.tgid = tgid,
		.executable = executable,
	};
	const struct pprofd_slot slot = { .stack = tgid, .process = tgid, .count = count, .value = count * 1000ULL };

	snprintf(process.comm, sizeof(process.comm), "comm%u", tgid % 10000);
	fake_maps_send(&fake, &process, sizeof(process));
	fake_maps_send_stack(&fake, fake.epoch, tgid, frame);
	fake_maps_count(&fake, fake.epoch, tgid % FAKE_CPU_CNT, tgid % PPROFD_BUCKET_SLOTS, slot);
	fake.counters[0].value[PPROFD_COUNTER_EVENTS] += count;
	fake.counters[0].value[PPROFD_COUNTER_RECORDED] += count;
}

static uint64_t sum(const struct profile *profile, size_t value)
{
	uint64_t total = 0;

	for (size_t i = 0; i < profile->sample_cnt; i++)
		total += (uint64_t)profile->samples[i].values[value];
	return total;
}

static uint64_t sum_all(const struct profile_set *set)
{
	uint64_t total = 0;

	for (size_t i = 0; i < set->cnt; i++)
		total += sum(set->profiles[i], 0);
	return total;
}

static const struct profile *find_service(const struct profile_set *set, const char *service)
{
	for (size_t i = 0; i < set->cnt; i++) {
		const char *label = profile_find_label(set->profiles[i], "service_name");

		if (label && strcmp(label, service) == 0)
			return set->profiles[i];
	}
	return NULL;
}

static struct pipeline_stats stats(void)
{
	struct pipeline_stats result;

	pipeline_get_stats(pipeline, &result);
	return result;
}

/* ---- windows ---- */

static void pipeline_collect__puts_every_sample_into_the_one_profile(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	sample(101, PPROFD_EXECUTABLE_KERNEL, 3);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	sample(102, PPROFD_EXECUTABLE_NONE, 4);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(set.cnt, 1);
	assert_int_equal(sum(set.profiles[0], 0), 9);
	assert_int_equal(sum(set.profiles[0], 1), 9000);
	assert_int_equal(set.profiles[0]->period, 1000000000 / 99);
	assert_string_equal(set.profiles[0]->value_types[1].type, "cpu");
	assert_null(profile_find_label(set.profiles[0], "service_name"));
	assert_int_equal(stats().lost_user, 0);
}

static void pipeline_collect__makes_the_one_profile_even_when_nothing_ran(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(set.cnt, 1);
	assert_int_equal(set.profiles[0]->sample_cnt, 0);
}

static void pipeline_collect__makes_a_profile_for_each_service(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(true, "cpu-clock");
	assert_int_equal(given.window_ns, WINDOW_NS);
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	sample(10100, PPROFD_EXECUTABLE_NONE, 5); /* by its name the same program */
	sample(101, PPROFD_EXECUTABLE_KERNEL, 3);
	sample(102, PPROFD_EXECUTABLE_VDSO, 7);
	sample(103, 4711, 11); /* an executable that nobody has told of */
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(sum(find_service(&set, "comm100"), 0), 7);
	assert_int_equal(sum(find_service(&set, "kernel"), 0), 3);
	assert_int_equal(sum(find_service(&set, "[vdso]"), 0), 7);
	assert_int_equal(sum(find_service(&set, "comm103"), 0), 11);
	assert_int_equal(set.cnt, 4);
}

static void pipeline_collect__measures_what_the_event_counts(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cycles");
	assert_string_equal(given.event, "cycles");
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_string_equal(set.profiles[0]->value_types[1].type, "cycles");
	assert_string_equal(set.profiles[0]->value_types[1].unit, "count");
	assert_int_equal(set.profiles[0]->period, 1);
	assert_int_equal(sum(set.profiles[0], 1), 2000);
}

static void pipeline_collect__accounts_for_what_misses_its_record(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	sample(101, PPROFD_EXECUTABLE_NONE, 3);
	/* The records of the second. */
	free(fake.records[--fake.record_cnt].data);
	free(fake.records[--fake.record_cnt].data);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(sum_all(&set), 2);
	assert_int_equal(stats().lost_user, 3);
	assert_int_equal(stats().counters[PPROFD_COUNTER_RECORDED], sum_all(&set) + stats().lost_user);
}

static void pipeline_collect__keeps_the_window_whatever_fails_after_it(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	/* No CPU can be opened, and the full map of executables cannot be read. */
	cpu_error = -EMFILE;
	fake.counters[0].value[PPROFD_COUNTER_EXECUTABLES_SEEN] = PPROFD_EXECUTABLES_MAX;
	fake.next_error = -EPERM;
	for (uint64_t i = 1; i <= 3; i++) {
		sample(100, PPROFD_EXECUTABLE_NONE, 2);
		assert_int_equal(pipeline_dispatch(pipeline), 0);
		assert_int_equal(pipeline_collect(pipeline, &set), 0);
		assert_int_equal(sum_all(&set), 2 * i);
	}
	assert_int_equal(stats().lost_user, 0);
}

static void pipeline_collect__loses_nothing_when_programs_cannot_be_waited_for(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	fake.wait_error = -EINTR;
	assert_int_equal(pipeline_collect(pipeline, &set), -EINTR);
	assert_int_equal(set.cnt, 0);
	fake.wait_error = 0;
	sample(101, PPROFD_EXECUTABLE_NONE, 3);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(sum_all(&set), 5);
	assert_int_equal(stats().lost_user, 0);
}

/* ---- requests ---- */

static void pipeline_dispatch__reads_what_makes_the_descriptor_readable(void **state)
{
	struct pollfd poll_fd = { .fd = 0, .events = POLLIN };

	(void)state;
	init(false, "cpu-clock");
	poll_fd.fd = pipeline_get_fd(pipeline);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_int_equal(pipeline_dispatch(pipeline), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
}

static void pipeline_dispatch__goes_on_after_a_request_that_cannot_be_answered(void **state)
{
	/* No process has this number: PID_MAX_LIMIT is 2^22. */
	struct pprofd_executable_record record = {
		.head = { PPROFD_RECORD_EXECUTABLE, 1 }, .number = 16, .tgid = 1u << 30, .name = "gone"
	};

	(void)state;
	init(false, "cpu-clock");
	record.key = fake_key(77);
	fake_maps_meet(&fake, 77, 16);
	for (int i = 0; i < 5; i++) {
		fake_maps_send(&fake, &record, sizeof(record));
		assert_int_equal(pipeline_dispatch(pipeline), 0);
	}
	assert_int_equal(stats().executables_failed, 1);
	assert_int_equal(fake_maps_find(&fake, 77)->state, PPROFD_EXECUTABLE_PENDING);
}

static void pipeline_dispatch__ends_though_requests_do_not(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	are_requests_endless = true;
	assert_int_equal(pipeline_dispatch(pipeline), 0);
	sample(100, PPROFD_EXECUTABLE_NONE, 2);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(sum_all(&set), 2);
}

/* ---- life ---- */

static void pipeline_new__fails_as_the_sampler_does(void **state)
{
	const struct pipeline_options options = { .event = "cpu-clock", .sample_hz = 99, .window_ns = WINDOW_NS };

	(void)state;
	init(false, "cpu-clock");
	pipeline_free(take_ptr(pipeline));
	sampler_error = -EPERM;
	assert_int_equal(pipeline_new(&options, &pipeline), -EPERM);
	assert_null(pipeline);
}

static void run_before(void)
{
	sample(100, PPROFD_EXECUTABLE_NONE, 50);
	fake_maps_count(&fake, fake.epoch, 0, 15, (struct pprofd_slot){ .stack = 1, .process = 1, .count = 7 });
	fake.counters[0].value[PPROFD_COUNTER_EVENTS] += 7;
	fake.counters[0].value[PPROFD_COUNTER_RECORDED] += 7;
}

static void pipeline_warm_up__leaves_no_trace_in_what_is_counted(void **state)
{
	_cleanup_(profile_set_fini) struct profile_set set = { 0 };

	(void)state;
	init(false, "cpu-clock");
	pipeline_stop(pipeline);
	on_start = run_before;
	assert_int_equal(pipeline_warm_up(pipeline, MS_NS), 0);
	assert_false(fake_sampler.is_running);
	assert_int_equal(stats().counters[PPROFD_COUNTER_EVENTS], 0);
	assert_int_equal(stats().lost_user, 0);
	assert_int_equal(pipeline_start(pipeline), 0);
	sample(101, PPROFD_EXECUTABLE_NONE, 2);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(pipeline_collect(pipeline, &set), 0);
	assert_int_equal(sum_all(&set), 2);
	assert_int_equal(stats().counters[PPROFD_COUNTER_EVENTS], 2);
	assert_int_equal(stats().counters[PPROFD_COUNTER_RECORDED], 2);
	assert_int_equal(stats().lost_user, 0);
}

static void pipeline_get_stats__sums_what_each_stage_says(void **state)
{
	(void)state;
	init(false, "cpu-clock");
	for (uint32_t cpu = 0; cpu < FAKE_CPU_CNT; cpu++)
		fake.counters[cpu].value[PPROFD_COUNTER_STACKS_SENT] = 10 + cpu;
	fake.maps.fixed_bytes = 1000;
	assert_int_equal(stats().counters[PPROFD_COUNTER_STACKS_SENT], 33);
	assert_int_equal(stats().throttled, 3);
	assert_int_equal(stats().bpf_ns, 500);
	assert_int_equal(stats().bpf_runs, 5);
	assert_true(stats().row_memory > 0);
	assert_int_equal(stats().map_memory, stats().row_memory + 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pipeline_collect__puts_every_sample_into_the_one_profile),
		TEST(pipeline_collect__makes_the_one_profile_even_when_nothing_ran),
		TEST(pipeline_collect__makes_a_profile_for_each_service),
		TEST(pipeline_collect__measures_what_the_event_counts),
		TEST(pipeline_collect__accounts_for_what_misses_its_record),
		TEST(pipeline_collect__keeps_the_window_whatever_fails_after_it),
		TEST(pipeline_collect__loses_nothing_when_programs_cannot_be_waited_for),
		TEST(pipeline_dispatch__reads_what_makes_the_descriptor_readable),
		TEST(pipeline_dispatch__goes_on_after_a_request_that_cannot_be_answered),
		TEST(pipeline_dispatch__ends_though_requests_do_not),
		TEST(pipeline_new__fails_as_the_sampler_does),
		TEST(pipeline_warm_up__leaves_no_trace_in_what_is_counted),
		TEST(pipeline_get_stats__sums_what_each_stage_says),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
