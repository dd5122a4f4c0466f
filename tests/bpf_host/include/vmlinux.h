/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for the kernel's types on the host: only what bpf/ touches, laid out by us. Offsets that
 * bpf/ asks for by bpf_core_field_offset() are given by host.c, as libbpf gives them when loading.
 */
#ifndef PPROFD_HOST_VMLINUX_H
#define PPROFD_HOST_VMLINUX_H

#include <linux/bpf.h>
#include <linux/types.h>

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct rb_node {
	unsigned long parent_color;
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	void *parent;
	unsigned long pivot[15];
	void *slot[16];
};

struct seqcount {
	unsigned int sequence;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__s64 i_ctime_sec;
	__u32 i_ctime_nsec;
	__u32 i_generation;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
};

struct mm_struct {
	/* First, as the stripped-down struct mm_struct___rb has it there. */
	union {
		struct maple_tree mm_mt;
		struct rb_root mm_rb;
	};
	unsigned long end_code;
	struct seqcount mm_lock_seq;
	struct file *exe_file;
	struct {
		void *vdso;
	} context;
};

struct vm_area_struct {
	/* First, as struct vm_area_struct___flags has it there. */
	unsigned long vm_flags;
	unsigned long vm_start;
	unsigned long vm_end;
	struct rb_node vm_rb;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

struct pt_regs {
	unsigned long words[21];
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct mm_struct *mm;
	void *stack;
	struct task_struct *group_leader;
	__u64 start_boottime;
	__u64 self_exec_id;
	char comm[16];
};

#endif
