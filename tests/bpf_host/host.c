/* SPDX-License-Identifier: GPL-2.0-only */
#include "host.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct host host;

void host_reset(void)
{
	for (size_t i = 0; i < host.map_cnt; i++) {
		free(host.maps[i].keys);
		free(host.maps[i].values);
		free(host.maps[i].used);
	}
	memset(&host, 0, sizeof(host));
}

/* ---- memory ---- */

void host_add_memory(struct host_memory *memory, __u64 start, const void *bytes, __u64 len)
{
	assert(memory->segment_cnt < HOST_SEGMENTS_MAX);
	memory->segments[memory->segment_cnt++] = (struct host_segment){ start, len, bytes };
	memory->is_sorted = false;
}

void host_add_object(const void *object, size_t len)
{
	host_add_memory(&host.kernel, (__u64)(uintptr_t)object, object, len);
}

static int segment_compare(const void *a, const void *b)
{
	const struct host_segment *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* The last segment that starts at or below `address`. */
static const struct host_segment *segment_find(struct host_memory *memory, __u64 address)
{
	size_t low = 0, high = memory->segment_cnt;

	if (!memory->is_sorted)
		qsort(memory->segments, memory->segment_cnt, sizeof(*memory->segments), segment_compare);
	memory->is_sorted = true;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memory->segments[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &memory->segments[low - 1] : NULL;
}

long host_read(struct host_memory *memory, void *to, __u64 len, __u64 from)
{
	const struct host_segment *segment = segment_find(memory, from);

	memory->read_cnt++;
	if (!segment || from - segment->start > segment->len || segment->len - (from - segment->start) < len) {
		/* As the kernel does. */
		memset(to, 0, len);
		return -EFAULT;
	}
	memcpy(to, (const char *)segment->bytes + (from - segment->start), len);
	return 0;
}

long host_read_str(void *to, __u64 len, const void *from)
{
	char *text = to;

	for (__u64 i = 0; i < len; i++) {
		if (host_read(&host.kernel, &text[i], 1, (__u64)(uintptr_t)from + i) < 0)
			return -EFAULT;
		if (text[i] == 0)
			return (long)i + 1;
	}
	if (len > 0)
		text[len - 1] = 0;
	return (long)len;
}

/* ---- maps ---- */

static struct host_map *map_add(const void *map, size_t value_size, size_t max)
{
	struct host_map *added = &host.maps[host.map_cnt++];

	assert(host.map_cnt <= HOST_MAPS_MAX);
	added->map = map;
	added->value_size = value_size;
	added->max = max;
	added->values = calloc(max, value_size);
	assert(added->values);
	return added;
}

void host_add_array(const void *map, size_t value_size, size_t max)
{
	map_add(map, value_size, max)->is_array = true;
}

void host_add_hash(const void *map, size_t key_size, size_t value_size, size_t max)
{
	struct host_map *added = map_add(map, value_size, max);

	added->key_size = key_size;
	added->keys = calloc(max, key_size);
	added->used = calloc(max, sizeof(*added->used));
	assert(added->keys && added->used);
}

static struct host_map *map_find(const void *map)
{
	for (size_t i = 0; i < host.map_cnt; i++) {
		if (host.maps[i].map == map)
			return &host.maps[i];
	}
	return NULL;
}

size_t host_map_cnt(const void *map)
{
	const struct host_map *found = map_find(map);
	size_t cnt = 0;

	for (size_t i = 0; i < found->max; i++)
		cnt += found->used[i];
	return cnt;
}

/* Index of the element, or of a free place; `max` when there is neither. */
static size_t map_place(const struct host_map *map, const void *key, bool is_new)
{
	for (size_t i = 0; i < map->max; i++) {
		if (is_new ? !map->used[i] :
			     map->used[i] && memcmp(map->keys + i * map->key_size, key, map->key_size) == 0)
			return i;
	}
	return map->max;
}

/* Is it an element of an array that holds maps? An element is then the only one of its inner map. */
static bool map_is_inner(const void *map)
{
	for (size_t i = 0; i < host.map_cnt; i++) {
		const unsigned char *values = host.maps[i].values;

		if ((const unsigned char *)map >= values &&
		    (const unsigned char *)map < values + host.maps[i].max * host.maps[i].value_size)
			return true;
	}
	return false;
}

void *host_map_lookup(const void *map, const void *key)
{
	struct host_map *found = map_find(map);
	size_t place;

	if (!found)
		return map_is_inner(map) ? (void *)(uintptr_t)map : NULL;
	place = found->is_array ? *(const __u32 *)key : map_place(found, key, false);
	return place < found->max ? found->values + place * found->value_size : NULL;
}

long host_map_update(const void *map, const void *key, const void *value, __u64 flags)
{
	struct host_map *found = map_find(map);
	size_t place = map_place(found, key, false);

	if (place < found->max && flags == BPF_NOEXIST)
		return -EEXIST;
	if (place == found->max)
		place = map_place(found, key, true);
	if (place == found->max)
		return -E2BIG;
	found->used[place] = true;
	memcpy(found->keys + place * found->key_size, key, found->key_size);
	memcpy(found->values + place * found->value_size, value, found->value_size);
	return 0;
}

long host_map_delete(const void *map, const void *key)
{
	struct host_map *found = map_find(map);
	size_t place = map_place(found, key, false);

	if (place == found->max)
		return -ENOENT;
	found->used[place] = false;
	return 0;
}

void host_set(const volatile void *knob, const void *value, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)knob & ~(page - 1);
	uintptr_t end = ((uintptr_t)knob + len + page - 1) & ~(page - 1);

	if (mprotect((void *)start, end - start, PROT_READ | PROT_WRITE) < 0)
		abort();
	memcpy((void *)(uintptr_t)knob, value, len);
}

/* ---- the rest of the kernel ---- */

long host_ring_output(const void *record, __u64 len, __u64 flags)
{
	(void)flags;
	if (!host.on_record)
		return 0;
	return host.on_record(record, len, host.on_record_arg) ? 0 : -EAGAIN;
}

__u64 host_ring_query(__u64 what)
{
	(void)what;
	return host.ring_fill;
}

long host_get_stack(const void *ctx, void *to, __u64 len)
{
	__u64 bytes = host.kernel_stack_cnt * sizeof(*host.kernel_stack);

	(void)ctx;
	if (bytes > len)
		bytes = len;
	if (bytes > 0)
		memcpy(to, host.kernel_stack, bytes);
	return (long)bytes;
}

void *host_task_regs(const struct task_struct *task)
{
	(void)task;
	return host.task_regs;
}

void host_forget(const char *name)
{
	for (size_t i = 0; i < HOST_ABSENT_MAX; i++) {
		if (!host.absent[i]) {
			host.absent[i] = name;
			return;
		}
	}
	abort();
}

bool host_exists(const char *name)
{
	for (size_t i = 0; i < HOST_ABSENT_MAX && host.absent[i]; i++) {
		if (strstr(name, host.absent[i]))
			return false;
	}
	return true;
}

__u64 host_relocate(const char *field, __u64 offset)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
		{ "vm_rb", offsetof(struct vm_area_struct, vm_rb) },
		{ "vm_rb.rb_left", offsetof(struct vm_area_struct, vm_rb.rb_left) },
		{ "vm_rb.rb_right", offsetof(struct vm_area_struct, vm_rb.rb_right) },
		{ "mm_rb.rb_node", offsetof(struct mm_struct, mm_rb.rb_node) },
		{ "mm_lock_seq", offsetof(struct mm_struct, mm_lock_seq) },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (strcmp(field, fields[i].name) == 0)
			return fields[i].offset;
	}
	return offset;
}

__u64 host_field_offset(const char *field)
{
	const char *arrow = strstr(field, "->");
	__u64 offset = arrow ? host_relocate(arrow + 2, UINT64_MAX) : UINT64_MAX;

	if (offset == UINT64_MAX)
		abort();
	return offset;
}

void *bpf_rdonly_cast(const void *pointer, __u32 btf_id)
{
	(void)btf_id;
	return (void *)(uintptr_t)pointer;
}
