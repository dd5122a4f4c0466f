/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sample costs others: the kernel's own walk by frame pointers, and what is built on it. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define FRAMES_MAX 127

struct stack {
	__u64 frames[FRAMES_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack);
} stacks_of_cpu SEC(".maps");

/* Stack number -> frames, and key -> count, in the sizes of libbpf-tools' profile. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct stack);
} stack_traces SEC(".maps");

struct count_key {
	__u32 tgid;
	__s32 user_stack;
	__s32 kernel_stack;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct count_key);
	__type(value, __u64);
} stack_counts SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

SEC("perf_event")
int on_tick_empty(struct bpf_perf_event_data *ctx)
{
	return 0;
}

SEC("perf_event")
int on_tick_get_stack(struct bpf_perf_event_data *ctx)
{
	__u32 zero = 0;
	struct stack *stack = bpf_map_lookup_elem(&stacks_of_cpu, &zero);

	if (stack)
		bpf_get_stack(ctx, stack->frames, sizeof(stack->frames), BPF_F_USER_STACK);
	return 0;
}

SEC("perf_event")
int on_tick_count(struct bpf_perf_event_data *ctx)
{
	struct count_key key = { 0 };
	__u64 one = 1;
	__u64 *count;

	key.tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	key.kernel_stack = bpf_get_stackid(ctx, &stack_traces, 0);
	key.user_stack = bpf_get_stackid(ctx, &stack_traces, BPF_F_USER_STACK);
	count = bpf_map_lookup_elem(&stack_counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&stack_counts, &key, &one, BPF_NOEXIST);
	return 0;
}
