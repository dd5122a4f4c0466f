/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for libbpf's header on the host: macros without effect, and helpers that host.c answers. */
#ifndef PPROFD_HOST_BPF_HELPERS_H
#define PPROFD_HOST_BPF_HELPERS_H

#include "host.h"

#define SEC(name)
#define __ksym
#define __weak __attribute__((weak))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]
#define barrier_var(value) asm volatile("" : "+r"(value))

#define bpf_map_lookup_elem host_map_lookup
#define bpf_map_update_elem host_map_update
#define bpf_map_delete_elem host_map_delete
#define bpf_ringbuf_output(ring, record, len, flags) host_ring_output(record, len, flags)
#define bpf_ringbuf_query(ring, what) host_ring_query(what)
#define bpf_probe_read_user(to, len, from) host_read(&host.user, to, len, (__u64)(from))
#define bpf_probe_read_kernel(to, len, from) host_read(&host.kernel, to, len, (__u64)(from))
#define bpf_probe_read_kernel_str(to, len, from) host_read_str(to, len, from)
#define bpf_get_smp_processor_id() host.cpu
#define bpf_get_current_pid_tgid() host.pid_tgid
#define bpf_get_current_cgroup_id() host.cgroup_id
#define bpf_get_current_task() ((__u64)host.task)
#define bpf_get_current_task_btf() host.task
#define bpf_task_pt_regs(task) host_task_regs(task)
#define bpf_ktime_get_ns() host.mono_ns
#define bpf_get_stack(ctx, to, len, flags) host_get_stack(ctx, to, len)

#endif
