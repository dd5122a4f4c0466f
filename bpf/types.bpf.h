/* SPDX-License-Identifier: GPL-2.0-only */
/* What the stages of one sample hand to each other. */
#ifndef PPROFD_TYPES_BPF_H
#define PPROFD_TYPES_BPF_H

/* A mapping that this sample has met. */
struct mapping {
	__u64 start;
	__u64 end; /* 0 when the entry is free */
	__u64 bias; /* address - bias is the file offset */
	__u32 number;
	__u32 state; /* enum pprofd_executable_state */
	__u32 page_table;
	__u32 rules;
	__u32 first_page;
	__u32 page_cnt;
};

/* The first bytes of a struct vm_area_struct: up to vm_file on every kernel since 5.10. */
struct vma_copy {
	__u64 words[24];
};

#endif
