/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel as the programs of bpf/ see it, played on the host: one current task, memory that is
 * recorded or made up, maps, and a ring buffer that can be full.
 *
 * 1. Memory is only what was given: whoever reads beyond it gets -EFAULT, as from the kernel.
 * 2. host_reset() forgets everything; tests call it first.
 */
#ifndef PPROFD_HOST_HOST_H
#define PPROFD_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "vmlinux.h"

#define HOST_SEGMENTS_MAX 4096
#define HOST_MAPS_MAX 16
#define HOST_ABSENT_MAX 8

struct host_segment {
	__u64 start;
	__u64 len;
	const void *bytes; /* borrowed */
};

/* An address space. */
struct host_memory {
	struct host_segment segments[HOST_SEGMENTS_MAX]; /* ascending once they are used */
	size_t segment_cnt;
	bool is_sorted;
	__u64 read_cnt;
};

struct host_map {
	const void *map; /* the object in bpf/maps.bpf.h */
	size_t key_size, value_size, max;
	bool is_array;
	unsigned char *keys, *values; /* of `max` elements */
	bool *used;
};

struct host {
	struct host_memory user, kernel;
	struct host_map maps[HOST_MAPS_MAX];
	size_t map_cnt;

	__u32 cpu;
	__u64 pid_tgid;
	__u64 cgroup_id;
	__u64 mono_ns;
	struct task_struct *task;
	void *task_regs;

	const __u64 *kernel_stack;
	size_t kernel_stack_cnt;

	/* The ring buffer: each record goes to on_record; when it returns false, there was no room. */
	bool (*on_record)(const void *record, __u64 len, void *arg);
	void *on_record_arg;
	__u64 ring_fill;

	/* What this kernel does not have, as bpf/ writes it. */
	const char *absent[HOST_ABSENT_MAX];
};

extern struct host host;

void host_reset(void);
void host_add_memory(struct host_memory *memory, __u64 start, const void *bytes, __u64 len);
/* An object of the test itself, at its own address, as kernel memory. */
void host_add_object(const void *object, size_t len);
void host_add_array(const void *map, size_t value_size, size_t max);
void host_add_hash(const void *map, size_t key_size, size_t value_size, size_t max);
/* Elements in use. */
size_t host_map_cnt(const void *map);
/* Sets a constant of bpf/config.bpf.h, as user space does before loading. */
void host_set(const volatile void *knob, const void *value, size_t len);
/* This kernel lacks the field or helper. */
void host_forget(const char *name);

/* ---- what the stand-in headers call ---- */

long host_read(struct host_memory *memory, void *to, __u64 len, __u64 from);
long host_read_str(void *to, __u64 len, const void *from);
void *host_map_lookup(const void *map, const void *key);
long host_map_update(const void *map, const void *key, const void *value, __u64 flags);
long host_map_delete(const void *map, const void *key);
long host_ring_output(const void *record, __u64 len, __u64 flags);
__u64 host_ring_query(__u64 what);
long host_get_stack(const void *ctx, void *to, __u64 len);
void *host_task_regs(const struct task_struct *task);
/* The offset of `field` in the struct that has it here; `offset` unless another is known. */
__u64 host_relocate(const char *field, __u64 offset);
__u64 host_field_offset(const char *field);
bool host_exists(const char *name);
void *bpf_rdonly_cast(const void *pointer, __u32 btf_id);

#endif
