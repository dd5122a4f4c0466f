/* SPDX-License-Identifier: GPL-2.0-only */
/* Every program, in the order in which a sample meets them. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include <pprofd/abi.h>

#if defined(__TARGET_ARCH_x86)
#include "arch_x86.bpf.h"
#elif defined(__TARGET_ARCH_arm64)
#include "arch_arm64.bpf.h"
#endif

#define walk_read_user(to, len, from) bpf_probe_read_user(to, len, (const void *)(from))

#include "config.bpf.h"
#include "compat.bpf.h"
#include "hash.bpf.h"
#include "maple.bpf.h"
#include "rows.bpf.h"
#include "types.bpf.h"
#include "walk.bpf.h"
#include "maps.bpf.h"
#include "notify.bpf.h"
#include "mapping.bpf.h"
#include "unwind.bpf.h"
#include "count.bpf.h"
#include "sample.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A tick of a CPU's clock or of a hardware counter. */
SEC("perf_event")
int on_tick(struct arch_perf_context *ctx)
{
	struct scratch *scratch = scratch_of(bpf_get_smp_processor_id());

	if (!sample_is_wanted())
		return 0;
	count(PPROFD_COUNTER_EVENTS);
	if (!scratch) {
		count(PPROFD_COUNTER_LOST_MAP);
		return 0;
	}
	if (scratch->busy) {
		count(PPROFD_COUNTER_LOST_NESTED);
		return 0;
	}
	scratch->busy = 1;
	sample_take(scratch, ctx);
	scratch->busy = 0;
	return 0;
}

/* A recorded process has forked: its child is recorded too, from its first instruction. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0];
	struct task_struct *child = (void *)ctx->args[1];
	__u32 parent_tgid = BPF_CORE_READ(parent, tgid);
	__u32 child_tgid = BPF_CORE_READ(child, tgid);
	__u8 one = 1;

	if (!only_targets || parent_tgid == child_tgid || !bpf_map_lookup_elem(&targets, &parent_tgid))
		return 0;
	if (bpf_map_update_elem(&targets, &child_tgid, &one, BPF_ANY))
		count(PPROFD_COUNTER_TARGETS_FULL);
	return 0;
}

/* A process has been reaped: its number may come again for another. */
SEC("raw_tp/sched_process_free")
int on_process_free(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if (only_targets && (__u32)BPF_CORE_READ(task, pid) == tgid)
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}
