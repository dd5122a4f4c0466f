/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/perf_event.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint32_t type;
	uint64_t config;
} perf_event_names[] = {
	{ "cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
	{ "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	{ "cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	{ "branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS },
	{ "branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
	{ "bus-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES },
	{ "ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES },
	{ "stalled-cycles-frontend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND },
	{ "stalled-cycles-backend", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND },
};

int perf_event_parse(const char *name, uint32_t *ret_type, uint64_t *ret_config)
{
	for (size_t i = 0; i < ARRAY_LEN(perf_event_names); i++) {
		if (strcmp(name, perf_event_names[i].name) == 0) {
			*ret_type = perf_event_names[i].type;
			*ret_config = perf_event_names[i].config;
			return 0;
		}
	}
	return -EINVAL;
}

static size_t perf_event_ring_size(void)
{
	return 2 * (size_t)sysconf(_SC_PAGESIZE);
}

int perf_event_init(struct perf_event *event, const char *name, uint32_t sample_hz, int cpu,
		    const struct bpf_program *program)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = sample_hz,
		.exclude_idle = 1,
		.exclude_guest = 1,
		.disabled = 1,
		.wakeup_events = UINT32_MAX,
	};
	uint64_t config;
	void *ring;
	int err = perf_event_parse(name, &attr.type, &config);

	*event = (struct perf_event){ .cpu = cpu, .fd = -1 };
	if (err < 0)
		return err;
	attr.config = config;
	event->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (event->fd < 0)
		return -errno;
	ring = mmap(NULL, perf_event_ring_size(), PROT_READ | PROT_WRITE, MAP_SHARED, event->fd, 0);
	event->ring = ring == MAP_FAILED ? NULL : ring;
	event->link = bpf_program__attach_perf_event(program, event->fd);
	if (!event->link) {
		err = -errno;
		perf_event_fini(event);
		return err;
	}
	return 0;
}

void perf_event_fini(struct perf_event *event)
{
	/* The link closes the descriptor. */
	if (event->link)
		bpf_link__destroy(event->link);
	else if (event->fd >= 0)
		close(event->fd);
	if (event->ring)
		munmap(event->ring, perf_event_ring_size());
	*event = (struct perf_event){ .cpu = event->cpu, .fd = -1 };
}

/* The type of the record at `at`; records are 8-byte aligned, so a header never wraps. */
static const struct perf_event_header *perf_event_record(const struct perf_event *event, uint64_t at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (const void *)((const char *)event->ring + page + (at & (page - 1)));
}

uint64_t perf_event_take_throttled(struct perf_event *event)
{
	struct perf_event_mmap_page *control = event->ring;
	uint64_t cnt = 0;
	uint64_t head;

	if (!control)
		return 0;
	head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
	while (event->tail < head) {
		const struct perf_event_header *record = perf_event_record(event, event->tail);

		if (record->size == 0)
			break;
		if (record->type == PERF_RECORD_THROTTLE)
			cnt++;
		event->tail += record->size;
	}
	event->tail = head;
	__atomic_store_n(&control->data_tail, head, __ATOMIC_RELEASE);
	return cnt;
}
