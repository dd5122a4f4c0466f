/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recorded tree of VMAs (tests/fixtures/vma_trees/README.md), put into the host's kernel memory: nodes
 * as they were, VMAs in the layout of include/vmlinux.h.
 */
#ifndef PPROFD_HOST_VMA_RECORDING_H
#define PPROFD_HOST_VMA_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "vmlinux.h"

#define VMA_RECORDING_MAX 1024

struct vma_recording {
	bool is_maple;
	__u64 root; /* what mm_struct holds */
	struct {
		__u64 words[32];
	} nodes[VMA_RECORDING_MAX];
	struct vm_area_struct vmas[VMA_RECORDING_MAX];
	struct {
		__u64 start, end;
	} maps[VMA_RECORDING_MAX]; /* ascending */
	size_t node_cnt, vma_cnt, map_cnt;
};

/* Adds what it reads to host.kernel, which then points into the recording. free() it after host_reset(). */
struct vma_recording *vma_recording_new(const char *path);

#endif
