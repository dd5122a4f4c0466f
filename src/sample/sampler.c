/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sampler.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "sample/cpus.h"
#include "sample/perf_event.h"

#include "pprofd.skel.h"

/* Different stacks a CPU can meet in a window before tags collide often; and processes, of the machine. */
#define SAMPLER_STACKS_PER_CPU 4096u
#define SAMPLER_PROCESSES 8192u
/* Processes whose mappings a CPU remembers. */
#define SAMPLER_MAPPING_SETS 64u
#define SAMPLER_TARGETS_MAX 32768u
#define SAMPLER_BUCKETS_MIN 64u
#define SAMPLER_BUCKETS_MAX (1u << 14)
/* Of counts: there are buckets for every possible CPU, which on virtual machines may be many times those online. */
#define SAMPLER_COUNTS_BYTES (8u << 20)
#define SAMPLER_COUNTS_BYTES_PER_CPU (256u << 10)
/* A second of new stacks of 60 frames at 99 Hz is 50 KB a CPU. */
#define SAMPLER_RING_PER_CPU (256u << 10)
#define SAMPLER_RING_HZ 99u
#define SAMPLER_RING_SCALE_MAX 8u
#define SAMPLER_RING_MIN (512u << 10)
#define SAMPLER_RING_MAX (64u << 20)

struct sampler {
	struct pprofd_bpf *skel;
	struct maps maps;
	char *event;
	uint32_t sample_hz;
	struct perf_event *events; /* of each possible CPU */
	char *online;              /* the list of CPUs that events are open for */
	struct bpf_link *fork_link, *free_link;
	int hotplug_fd;
	bool running;
	size_t counters_len, buckets_len; /* as they are mapped */
	uint64_t throttled;
	bool only_targets;
};

/* libbpf's warnings, the verifier's words among them, at debug. */
_printf_(2, 0) static int sampler_log(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_(freep) char *text = NULL;

	if (log_get_level() < LOG_LEVEL_DEBUG || level == LIBBPF_DEBUG || vasprintf(&text, format, args) < 0)
		return 0;
	log_debug("%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

static uint32_t round_up_pow2(uint64_t number, uint32_t min, uint32_t max)
{
	uint32_t result = min;

	while (result < number && result < max)
		result *= 2;
	return result;
}

static uint32_t online_cpu_cnt(uint32_t cpu_cnt)
{
	long online_cnt = sysconf(_SC_NPROCESSORS_ONLN);

	return online_cnt < 1 || online_cnt > (long)cpu_cnt ? cpu_cnt : (uint32_t)online_cnt;
}

/*
 * Buckets enough that a window's samples, all different, fill them by half, or fewer where that would
 * be too much memory: a full bucket sends on what it has.
 */
static uint32_t sampler_bucket_cnt(const struct sampler_options *options, uint32_t cpu_cnt)
{
	uint64_t samples = options->sample_hz * (options->window_ns / 1000000) / 1000;
	uint64_t bytes_max = SAMPLER_COUNTS_BYTES + (uint64_t)online_cpu_cnt(cpu_cnt) * SAMPLER_COUNTS_BYTES_PER_CPU;
	uint32_t bucket_cnt;

	if (options->buckets_per_cpu)
		return round_up_pow2(options->buckets_per_cpu, 1, SAMPLER_BUCKETS_MAX);
	bucket_cnt = round_up_pow2(samples / (PPROFD_BUCKET_SLOTS / 2), SAMPLER_BUCKETS_MIN, SAMPLER_BUCKETS_MAX);
	while (bucket_cnt > SAMPLER_BUCKETS_MIN &&
	       2 * (uint64_t)cpu_cnt * bucket_cnt * sizeof(struct pprofd_bucket) > bytes_max)
		bucket_cnt /= 2;
	return bucket_cnt;
}

static uint32_t sampler_ring_bytes(const struct sampler_options *options, uint32_t cpu_cnt)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint32_t scale = options->sample_hz / SAMPLER_RING_HZ;

	if (options->ring_bytes)
		return round_up_pow2(options->ring_bytes, page, SAMPLER_RING_MAX);
	if (scale < 1)
		scale = 1;
	if (scale > SAMPLER_RING_SCALE_MAX)
		scale = SAMPLER_RING_SCALE_MAX;
	return round_up_pow2((uint64_t)online_cpu_cnt(cpu_cnt) * scale * SAMPLER_RING_PER_CPU, SAMPLER_RING_MIN,
			     SAMPLER_RING_MAX);
}

/* Does the kernel have bpf_rdonly_cast()? Without BTF to tell, helpers do. */
static bool sampler_can_cast(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool can_cast = btf && btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return can_cast;
}

static int sampler_size_maps(struct sampler *sampler, const struct sampler_options *options)
{
	struct pprofd_bpf *skel = sampler->skel;
	struct maps *maps = &sampler->maps;
	uint32_t ring_bytes = sampler_ring_bytes(options, maps->cpu_cnt);
	uint32_t stack_cnt = round_up_pow2((uint64_t)maps->cpu_cnt * SAMPLER_STACKS_PER_CPU, 1, 1u << 20);
	const struct {
		struct bpf_map *map;
		uint32_t max_entries;
	} sizes[] = {
		{ skel->maps.scratches, maps->cpu_cnt },
		{ skel->maps.mapping_sets, maps->cpu_cnt * SAMPLER_MAPPING_SETS },
		{ skel->maps.counters, maps->cpu_cnt },
		{ skel->maps.counts, 2 * maps->cpu_cnt * maps->bucket_cnt },
		{ skel->maps.stacks_sent, stack_cnt },
		{ skel->maps.processes_sent, SAMPLER_PROCESSES },
		{ skel->maps.targets, options->only_targets ? SAMPLER_TARGETS_MAX : 1 },
		{ skel->maps.ring, ring_bytes },
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int err = bpf_map__set_max_entries(sizes[i].map, sizes[i].max_entries);

		if (err < 0)
			return err;
	}
	skel->rodata->cpu_cnt = maps->cpu_cnt;
	skel->rodata->buckets_per_cpu_mask = maps->bucket_cnt - 1;
	skel->rodata->stacks_sent_mask = stack_cnt - 1;
	skel->rodata->processes_sent_mask = SAMPLER_PROCESSES - 1;
	skel->rodata->ring_wake_bytes = ring_bytes / 2;
	skel->rodata->mapping_sets_mask = SAMPLER_MAPPING_SETS - 1;
	skel->rodata->only_targets = options->only_targets;
	skel->rodata->can_cast = sampler_can_cast();
	return 0;
}

static int sampler_on_record(void *arg, void *record, size_t len)
{
	struct maps *maps = arg;

	return maps->on_record ? maps->on_record(maps->on_record_arg, record, len) : 0;
}

/* Memory that an array map takes, as the kernel rounds it. */
static size_t map_bytes(const struct bpf_map *map)
{
	size_t value = (bpf_map__value_size(map) + 7) & ~7u;
	size_t key = bpf_map__type(map) == BPF_MAP_TYPE_HASH ? bpf_map__key_size(map) + 48 + 16 : 0;

	if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
		return bpf_map__max_entries(map);
	return bpf_map__max_entries(map) * (key + value);
}

static int map_memory(const struct bpf_map *map, int prot, size_t *ret_len, void **ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (map_bytes(map) + page - 1) & ~(page - 1);
	void *memory = mmap(NULL, len, prot, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_len = len;
	*ret = memory;
	return 0;
}

/* The two maps behind maps_wait() where membarrier() is refused. */
static int sampler_make_fence(struct maps *maps)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);

	maps->fence_inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fence_inner", 4, 4, 1, NULL);
	if (maps->fence_inner_fd < 0)
		return -errno;
	options.inner_map_fd = (uint32_t)maps->fence_inner_fd;
	maps->fence_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "fence", 4, 4, 1, &options);
	return maps->fence_fd < 0 ? -errno : 0;
}

static int sampler_open_maps(struct sampler *sampler)
{
	struct pprofd_bpf *skel = sampler->skel;
	struct maps *maps = &sampler->maps;
	struct bpf_map *map;
	void *memory = NULL;
	int err = map_memory(skel->maps.counters, PROT_READ, &sampler->counters_len, &memory);

	if (err < 0)
		return err;
	maps->counters = memory;
	err = map_memory(skel->maps.counts, PROT_READ | PROT_WRITE, &sampler->buckets_len, &memory);
	if (err < 0)
		return err;
	maps->buckets = memory;
	maps->epoch = &skel->data->epoch;
	maps->rows_generation = &skel->data->rows_generation;
	maps->executables_sequence = &skel->data->executables_sequence;
	maps->executables_fd = bpf_map__fd(skel->maps.executables);
	maps->row_chunks_fd = bpf_map__fd(skel->maps.row_chunks);
	maps->targets_fd = bpf_map__fd(skel->maps.targets);
	maps->ring = ring_buffer__new(bpf_map__fd(skel->maps.ring), sampler_on_record, maps, NULL);
	if (!maps->ring)
		return -errno;
	bpf_object__for_each_map(map, skel->obj) maps->fixed_bytes += map_bytes(map);
	return sampler_make_fence(maps);
}

static int sampler_load(struct sampler *sampler, const struct sampler_options *options)
{
	int cpu_cnt = libbpf_num_possible_cpus();
	int err;

	if (cpu_cnt < 0)
		return cpu_cnt;
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return -EOPNOTSUPP;
	sampler->maps.cpu_cnt = (uint32_t)cpu_cnt;
	sampler->maps.bucket_cnt = sampler_bucket_cnt(options, (uint32_t)cpu_cnt);
	sampler->events = calloc((size_t)cpu_cnt, sizeof(*sampler->events));
	if (!sampler->events)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpu_cnt; cpu++)
		sampler->events[cpu] = (struct perf_event){ .cpu = cpu, .fd = -1 };
	sampler->skel = pprofd_bpf__open();
	if (!sampler->skel)
		return -errno;
	err = sampler_size_maps(sampler, options);
	if (err < 0)
		return err;
	err = pprofd_bpf__load(sampler->skel);
	if (err < 0)
		return err;
	return sampler_open_maps(sampler);
}

int sampler_get_hotplug_fd(const struct sampler *sampler)
{
	return sampler->hotplug_fd;
}

int sampler_new(const struct sampler_options *options, struct sampler **ret)
{
	_cleanup_(sampler_freep) struct sampler *sampler = calloc(1, sizeof(*sampler));
	uint32_t type;
	uint64_t config;
	int err;

	if (!sampler)
		return -ENOMEM;
	sampler->maps.fence_fd = sampler->maps.fence_inner_fd = -1;
	sampler->hotplug_fd = cpus_open_messages();
	sampler->sample_hz = options->sample_hz;
	sampler->only_targets = options->only_targets;
	sampler->event = strdup(options->event);
	if (!sampler->event)
		return -ENOMEM;
	err = perf_event_parse(options->event, &type, &config);
	if (err < 0)
		return err;
	libbpf_set_print(sampler_log);
	err = sampler_load(sampler, options);
	if (err < 0)
		return err;
	*ret = take_ptr(sampler);
	return 0;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	sampler_stop(sampler);
	ring_buffer__free(sampler->maps.ring);
	closep(&sampler->hotplug_fd);
	closep(&sampler->maps.fence_fd);
	closep(&sampler->maps.fence_inner_fd);
	maps_close_chunks(&sampler->maps);
	if (sampler->maps.counters)
		munmap((void *)(uintptr_t)sampler->maps.counters, sampler->counters_len);
	if (sampler->maps.buckets)
		munmap(sampler->maps.buckets, sampler->buckets_len);
	for (size_t i = 0; i < sampler->maps.chunk_cnt; i++)
		close(sampler->maps.chunk_fds[i]);
	pprofd_bpf__destroy(sampler->skel);
	free(sampler->events);
	free(sampler->online);
	free(sampler->event);
	free(sampler);
}

struct maps *sampler_get_maps(struct sampler *sampler)
{
	return &sampler->maps;
}

static void sampler_close_event(struct sampler *sampler, struct perf_event *event)
{
	sampler->throttled += perf_event_take_throttled(event);
	perf_event_fini(event);
}

static int sampler_update_cpu(struct sampler *sampler, struct perf_event *event, bool online)
{
	int err;

	if (online == (event->fd >= 0))
		return 0;
	if (!online) {
		sampler_close_event(sampler, event);
		return 0;
	}
	err = perf_event_init(event, sampler->event, sampler->sample_hz, event->cpu, sampler->skel->progs.on_tick);
	/* It went offline again since the list was read: the next look will tell. */
	return err == -ENODEV ? 0 : err;
}

int sampler_follow_cpus(struct sampler *sampler)
{
	_cleanup_(freep) char *online = NULL;
	_cleanup_(freep) bool *is_online = calloc(sampler->maps.cpu_cnt, sizeof(*is_online));
	int err;

	if (!is_online)
		return -ENOMEM;
	if (!sampler->running)
		return 0;
	err = file_read("/sys/devices/system/cpu/online", 65536, &online, NULL);
	if (err < 0)
		return err;
	if (sampler->online && strcmp(online, sampler->online) == 0)
		return 0;
	err = cpus_parse_list(online, is_online, sampler->maps.cpu_cnt);
	if (err < 0)
		return err;
	for (uint32_t cpu = 0; cpu < sampler->maps.cpu_cnt; cpu++) {
		int cpu_err = sampler_update_cpu(sampler, &sampler->events[cpu], is_online[cpu]);

		if (err == 0)
			err = cpu_err;
	}
	if (err < 0)
		return err;
	free(sampler->online);
	sampler->online = take_ptr(online);
	return 0;
}

/*
 * The event of a CPU that went is dead, and stays so when the CPU comes back before anybody looks
 * (kernel/events/core.c, perf_event_exit_cpu()). Returns true when it is time to look.
 */
static bool sampler_take_message(struct sampler *sampler, const char *message, size_t len)
{
	bool is_offline;
	uint32_t cpu;

	if (!cpus_parse_message(message, len, &cpu, &is_offline))
		return false;
	if (is_offline && cpu < sampler->maps.cpu_cnt)
		sampler_close_event(sampler, &sampler->events[cpu]);
	free(take_ptr(sampler->online));
	return true;
}

int sampler_dispatch(struct sampler *sampler)
{
	bool is_time = false;
	char message[4096];
	ssize_t len;

	if (sampler->hotplug_fd < 0)
		return 0;
	while ((len = recv(sampler->hotplug_fd, message, sizeof(message), 0)) > 0)
		is_time = sampler_take_message(sampler, message, (size_t)len) || is_time;
	/* ENOBUFS: some were too many for the socket. */
	if (len < 0 && errno == ENOBUFS)
		is_time = true;
	return is_time ? sampler_follow_cpus(sampler) : 0;
}

static int sampler_follow_forks(struct sampler *sampler)
{
	if (!sampler->only_targets || sampler->free_link)
		return 0;
	sampler->fork_link = bpf_program__attach(sampler->skel->progs.on_fork);
	if (!sampler->fork_link)
		return -errno;
	sampler->free_link = bpf_program__attach(sampler->skel->progs.on_process_free);
	return sampler->free_link ? 0 : -errno;
}

int sampler_start(struct sampler *sampler)
{
	int err = sampler_follow_forks(sampler);

	if (err < 0)
		return err;
	sampler->running = true;
	return sampler_follow_cpus(sampler);
}

void sampler_pause(struct sampler *sampler)
{
	if (!sampler->events)
		return;
	sampler->running = false;
	sampler_read_throttled(sampler);
	for (uint32_t cpu = 0; cpu < sampler->maps.cpu_cnt; cpu++)
		perf_event_fini(&sampler->events[cpu]);
	free(take_ptr(sampler->online));
}

void sampler_stop(struct sampler *sampler)
{
	sampler_pause(sampler);
	bpf_link__destroy(take_ptr(sampler->fork_link));
	bpf_link__destroy(take_ptr(sampler->free_link));
}

uint64_t sampler_read_throttled(struct sampler *sampler)
{
	for (uint32_t cpu = 0; cpu < sampler->maps.cpu_cnt; cpu++)
		sampler->throttled += perf_event_take_throttled(&sampler->events[cpu]);
	return sampler->throttled;
}

void sampler_read_cost(const struct sampler *sampler, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	*ret_ns = *ret_runs = 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(sampler->skel->progs.on_tick), &info, &len) < 0)
		return;
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
}
