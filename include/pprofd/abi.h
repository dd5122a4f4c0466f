/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What crosses the border between bpf/ and src/.
 *
 * 1. Only fixed-width types; padding is named and zero, so keys compare byte for byte.
 * 2. A user frame is (executable number << 36) | file offset of the instruction. Frames that are
 *    not the leaf hold the return address minus one: an address inside the call.
 * 3. A kernel frame is the kernel address itself. The frames of a stack are its kernel frames,
 *    leaf first, followed by its user frames, leaf first.
 * 4. An executable's number is given by the kernel side when it first meets the file and is
 *    never used again for another.
 */
#ifndef PPROFD_ABI_H
#define PPROFD_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include <pprofd/limits.h>

/* 64 GiB of file, and 67 million executables: one that is new every second for two years. */
#define PPROFD_OFF_BITS 36
#define PPROFD_OFF_MASK ((1ULL << PPROFD_OFF_BITS) - 1)

/* Executable numbers with a meaning of their own. */
#define PPROFD_EXECUTABLE_NONE 0u   /* a process whose main binary is gone: it exits; never in a frame */
#define PPROFD_EXECUTABLE_KERNEL 2u /* a kernel thread's main binary; never in a frame */
#define PPROFD_EXECUTABLE_VDSO 1u   /* offset is from the start of the vDSO */
#define PPROFD_EXECUTABLE_FIRST 16u
/*
 * From here on frames hold an address: the number's low 20 bits are bits 36..55 of it, the offset
 * its low 36 bits. UNKNOWN: no executable could be found for it. ANON: memory without a file (JIT code).
 */
#define PPROFD_EXECUTABLE_UNKNOWN 0x4000000u
#define PPROFD_EXECUTABLE_ANON 0x8000000u
#define PPROFD_ADDRESS_BITS 56
#define PPROFD_ADDRESS_MASK ((1ULL << PPROFD_ADDRESS_BITS) - 1)

enum pprofd_counter {
#define COUNTER(name, metric, help) PPROFD_COUNTER_##name,
#include <pprofd/counters.def>
#undef COUNTER
	PPROFD_COUNTER_CNT
};

/* One CPU's counters; the CPU's own programs are the only writers. Padded to whole cache lines. */
struct pprofd_counters {
	__u64 value[32];
};
_Static_assert(PPROFD_COUNTER_CNT <= 32, "counters fit their line");
_Static_assert(sizeof(struct pprofd_counters) == 256, "size of pprofd_counters");

/* Where a sample comes from: which profile it belongs to. */
enum pprofd_source { PPROFD_SOURCE_CPU = 0, PPROFD_SOURCE_CNT };

/* How a user stack ended. */
enum pprofd_stop {
	PPROFD_STOP_NONE = 0,   /* there is no user stack */
	PPROFD_STOP_COMPLETE,   /* it ends where the thread began */
	PPROFD_STOP_PENDING,    /* rows not published yet */
	PPROFD_STOP_NO_MAPPING, /* the address is not in executable memory */
	PPROFD_STOP_READ_FAULT, /* stack memory could not be read */
	PPROFD_STOP_NO_RULE,    /* unwind information that no rule expresses */
	PPROFD_STOP_STUCK,      /* the walk would not advance */
	PPROFD_STOP_TRUNCATED,  /* deeper than PPROFD_USER_FRAMES_MAX */
	PPROFD_STOP_COMPAT,     /* 32-bit code */
	PPROFD_STOP_CNT
};

/* ---- executables and their rows ---- */

struct pprofd_executable_key {
	__u64 inode;
	__u64 ctime_ns;   /* of the inode's last change */
	__u32 dev;        /* as the kernel counts: major << 20 | minor */
	__u32 generation; /* of the inode number */
};
_Static_assert(sizeof(struct pprofd_executable_key) == 24, "size of pprofd_executable_key");

enum pprofd_executable_state {
	PPROFD_EXECUTABLE_PENDING = 0, /* asked for */
	PPROFD_EXECUTABLE_READY,       /* page_table and rules are valid */
	PPROFD_EXECUTABLE_NO_ROWS,     /* no unwind information: frame pointers everywhere */
};
/* Or-ed to a state: user space has closed the file, and asks to be told of the next hit. */
#define PPROFD_EXECUTABLE_CLOSED 4u
#define PPROFD_EXECUTABLE_STATE_MASK 3u

/*
 * Value of the map `executables`; the vDSO's key is all zero but for ctime_ns, PPROFD_EXECUTABLE_VDSO.
 * Rows cover file offsets
 * first_page << 16 <= off < (first_page + page_cnt) << 16.
 */
struct pprofd_executable {
	__u32 number;
	__u32 state;      /* enum pprofd_executable_state, PPROFD_EXECUTABLE_CLOSED */
	__u32 page_table; /* row memory reference: page_cnt references of pages, 0 for a page without rows */
	__u32 rules;      /* row memory reference: struct pprofd_rule[] */
	__u32 first_page;
	__u32 page_cnt;
	__u32 last_hit_epoch;    /* written by the kernel side */
	__u32 last_request_tick; /* written by the kernel side: ns since boot >> 25 */
};
_Static_assert(sizeof(struct pprofd_executable) == 32, "size of pprofd_executable");

/*
 * A page of rows in row memory is PPROFD_BUCKET_WORDS words of index and then its rows.
 *
 * Row i is (pc16 << 16) | rule: it covers pc16(i) <= off & 0xffff < pc16(i + 1). Row 0 has pc16 0.
 * Index entry b (16 bits, two to a word, the even one in the low half), 0 <= b <= 256, is the last
 * row whose pc16 <= b << 8; entry 256 is the last row of the page. Row memory word 0 of chunk 0
 * is never given out: a reference of 0 is "none".
 */

/* How the canonical frame address (CFA; DWARF 5, 6.4) is found. */
enum pprofd_cfa {
	PPROFD_CFA_END = 0,     /* no caller: the outermost frame */
	PPROFD_CFA_REG,         /* regs[base] + off */
	PPROFD_CFA_DEREF,       /* *(regs[base] + off) + add */
	PPROFD_CFA_DEREF_INDEX, /* *(regs[base] + regs[index] * 8 + off) + add */
	PPROFD_CFA_PLT,         /* regs[base] + off + ((pc & 15) >= add ? 8 : 0) */
	PPROFD_CFA_FP,          /* frame pointer chain, for code without unwind information */
	PPROFD_CFA_SIGNAL,      /* the kernel's signal frame */
	PPROFD_CFA_UNSUPPORTED, /* anything else */
	PPROFD_CFA_CNT
};

/*
 * The callee-saved registers that rules follow, because a CFA may be built on them.
 * x86-64: rbp rbx r12 r13 r14 r15. arm64: x29 x30 x19 x20 x21 x22 (x30 holds the return address).
 */
#define PPROFD_SAVED_CNT 6
/*
 * saved[i]: 0 unchanged, 1..254 saved at cfa - 8 * saved[i], 255 not to be had.
 * A function that realigns its stack has saved them below its frame pointer instead (rbp, x29): with
 * PPROFD_CFA_REG and PPROFD_CFA_DEREF, bit i of `index` says that saved[i] is at
 * frame pointer + 8 - 8 * saved[i], the frame pointer being that of the frame itself.
 */
#define PPROFD_SAVED_LOST 255

struct pprofd_rule {
	__u8 cfa;   /* enum pprofd_cfa */
	__u8 base;  /* DWARF register number */
	__u8 index; /* DEREF_INDEX: DWARF register number; REG, DEREF: which saved[] are below the frame pointer */
	__u8 ra; /* return address at cfa - 8 * ra; 0: arm64: in x30; x86-64, CFA_REG: in register add - 1, none for 0
		  */
	__s32 off;
	__s16 add;
	__u8 saved[PPROFD_SAVED_CNT];
};
_Static_assert(sizeof(struct pprofd_rule) == 16, "size of pprofd_rule");

/* ---- counts ---- */

/*
 * A process and the program it runs: tgid in the low half; above it what tells apart those that share a
 * tgid: its start in units of 2^24 ns since boot, and how often it has called execve() (task_struct.self_exec_id).
 */
#define PPROFD_PROCESS(tgid, start_ns, exec_id) \
	((__u64)(__u32)(tgid) | (__u64)(__u32)(((start_ns) >> 24) + (exec_id)*0x9e3779b1u) << 32)

struct pprofd_slot {
	__u64 stack;   /* hash; 0 when the slot is free */
	__u64 process; /* PPROFD_PROCESS() */
	__u64 value;   /* sum over its samples: the event's period (ns for clocks) */
	__u32 count;   /* samples */
	__u32 source;  /* enum pprofd_source */
};
_Static_assert(sizeof(struct pprofd_slot) == 32, "size of pprofd_slot");

/*
 * Element of the map `counts`, an array indexed by
 * ((epoch & 1) * cpu_cnt + cpu) * buckets_per_cpu + hash % buckets_per_cpu.
 */
struct pprofd_bucket {
	struct pprofd_slot slots[PPROFD_BUCKET_SLOTS];
};
_Static_assert(sizeof(struct pprofd_bucket) == 128, "size of pprofd_bucket");

/* ---- records of the ring buffer ---- */

enum pprofd_record_type {
	PPROFD_RECORD_STACK = 1,
	PPROFD_RECORD_COUNT,
	PPROFD_RECORD_PROCESS,
	PPROFD_RECORD_EXECUTABLE,
};

struct pprofd_record {
	__u32 type;
	__u32 epoch;
};

struct pprofd_stack_record {
	struct pprofd_record head;
	__u64 stack; /* hash */
	__u16 kernel_cnt;
	__u16 user_cnt;
	__u32 stop;     /* enum pprofd_stop */
	__u64 frames[]; /* kernel_cnt + user_cnt */
};
_Static_assert(sizeof(struct pprofd_stack_record) == 24, "size of pprofd_stack_record");

struct pprofd_count_record {
	struct pprofd_record head;
	struct pprofd_slot slot;
};
_Static_assert(sizeof(struct pprofd_count_record) == 40, "size of pprofd_count_record");

struct pprofd_process_record {
	struct pprofd_record head;
	__u64 process;
	__u64 start_ns;             /* since boot */
	__u64 cgroup_id;            /* of the v2 hierarchy; 0 without one */
	__u32 tgid;                 /* in the initial PID namespace */
	__u32 executable;           /* number of the main binary; 0 for kernel threads */
	char comm[PPROFD_COMM_MAX]; /* of the thread group's leader */
};
_Static_assert(sizeof(struct pprofd_process_record) == 56, "size of pprofd_process_record");

/* Rows are wanted for an executable, or its file. The range may be gone by the time this is read. */
struct pprofd_executable_record {
	struct pprofd_record head;
	struct pprofd_executable_key key;
	__u64 vma_start; /* 0, 0 when the executable is known as a process's main binary only */
	__u64 vma_end;
	__u32 number;
	__u32 tgid;
	char name[PPROFD_NAME_MAX]; /* last component of the file's path */
};
_Static_assert(sizeof(struct pprofd_executable_record) == 120, "size of pprofd_executable_record");

#endif
