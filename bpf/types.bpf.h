/* SPDX-License-Identifier: GPL-2.0-only */
/* What the stages of one sample hand to each other. */
#ifndef PPROFD_TYPES_BPF_H
#define PPROFD_TYPES_BPF_H

/* An executable mapping of a process. */
struct mapping {
	__u64 start;
	__u64 end;  /* 0 when the entry is free */
	__u64 bias; /* address - bias is the file offset */
	__u32 number;
	__u32 state; /* enum pprofd_executable_state */
	__u32 page_table;
	__u32 rules;
	__u32 first_page;
	__u32 page_cnt;
};

/*
 * The mappings that the last samples of one process have met. They hold as long as the tag does: same
 * process and program, same VMAs, same rows, same epoch.
 */
struct mapping_set {
	__u64 tag;
	__u32 next; /* the mapping to be replaced next */
	__u32 reserved;
	struct mapping mappings[PPROFD_MAPPING_CACHE];
} __attribute__((aligned(64)));

/* What a VMA says. */
struct vma {
	__u64 start;
	__u64 end;
	__u64 flags;
	__u64 pgoff;
	struct file *file;
};

#endif
