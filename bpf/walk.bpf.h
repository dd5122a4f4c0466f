/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of one walk up a user stack, and one step of it by a rule.
 * Pure but for walk_read_user(), which whoever includes this has defined: bpf_probe_read_user() in
 * the kernel, a stored stack on the host.
 *
 * 1. A callee-saved register that a frame has pushed is kept as the address it was pushed to, and
 *    read only if a later rule builds on it: most never are.
 * 2. Stack memory comes in windows of WALK_WINDOW bytes, one read for several frames.
 */
#ifndef PPROFD_WALK_BPF_H
#define PPROFD_WALK_BPF_H

#define WALK_WINDOW 512
/* Saved registers lie below the return address: a window that starts elsewhere leaves room for them. */
#define WALK_WINDOW_BELOW 64
#define WALK_PAGE 4096
/* In regs_at: the register's value cannot be had. No user stack has this address. */
#define WALK_LOST 1

struct walk {
	__u64 regs[ARCH_REG_CNT];    /* by DWARF number */
	__u64 regs_at[ARCH_REG_CNT]; /* 0: the value is in regs; else it is in memory there */
	__u64 pc;
	__u64 hash;
	__u64 window_start;
	__u32 window_len;
	__u32 frame_cnt;  /* user frames so far */
	__u32 is_return;  /* pc is a return address: the call lies before it */
	__u32 is_partial; /* only callee-saved registers are known: not the leaf */
	__u8 window[WALK_WINDOW];
};

static __always_inline int walk_fill(struct walk *walk, __u64 address)
{
	__u64 sp = walk->regs[ARCH_REG_SP];
	__u64 start = address - WALK_WINDOW_BELOW;
	__u64 page = address & ~(__u64)(WALK_PAGE - 1);
	__u64 len;

	/* From the frame's own low end when that is near: everything above it is wanted soon. */
	if (address - sp <= WALK_WINDOW - 8)
		start = sp & ~7ULL;
	/* Within one page, which is there when the address is. */
	if (start < page)
		start = page;
	len = page + WALK_PAGE - start;
	if (len > WALK_WINDOW)
		len = WALK_WINDOW;
	/* A read that fails leaves zeros behind. */
	walk->window_len = 0;
	/* verifier: "R2 min value is negative" before Linux 6.3, when clang keeps the unbounded number in memory. */
	barrier_var(len);
	len &= 2 * WALK_WINDOW - 1;
	if (walk_read_user(walk->window, len, start))
		return -1;
	walk->window_start = start;
	walk->window_len = len;
	return 0;
}

/* Reads the word at `address`. */
static __always_inline int walk_read(struct walk *walk, __u64 address, __u64 *ret)
{
	__u64 off = address - walk->window_start;

	if (address & 7)
		return walk_read_user(ret, sizeof(*ret), address);
	if (off >= walk->window_len) {
		if (walk_fill(walk, address))
			return -1;
		off = address - walk->window_start;
	}
	*ret = *(__u64 *)(walk->window + (off & (WALK_WINDOW - 8)));
	return 0;
}

/* The value of a register in the present frame; WALK_LOST registers fail as unreadable. */
static __always_inline int walk_reg(struct walk *walk, __u32 reg, __u64 *ret)
{
	__u64 at;

	reg &= ARCH_REG_CNT - 1;
	if (walk->is_partial && !(ARCH_CALLEE_SAVED >> reg & 1))
		return -1;
	at = walk->regs_at[reg];
	if (at == WALK_LOST)
		return -1;
	if (at)
		return walk_read(walk, at, ret);
	*ret = walk->regs[reg];
	return 0;
}

/* The canonical frame address by `rule`. */
static __always_inline int walk_cfa(struct walk *walk, const struct pprofd_rule *rule, __u64 *ret)
{
	__u64 base, index, cfa;

	if (walk_reg(walk, rule->base, &base))
		return PPROFD_STOP_NO_RULE;
	cfa = base + (__s64)rule->off;
	switch (rule->cfa) {
	case PPROFD_CFA_REG:
		break;
	case PPROFD_CFA_PLT:
		if ((walk->pc & 15) >= (__u64)rule->add)
			cfa += 8;
		break;
	case PPROFD_CFA_DEREF_INDEX:
		if (walk_reg(walk, rule->index, &index))
			return PPROFD_STOP_NO_RULE;
		cfa += index * 8;
		/* fallthrough */
	case PPROFD_CFA_DEREF:
		if (walk_read(walk, cfa, &cfa))
			return PPROFD_STOP_READ_FAULT;
		cfa += (__s64)rule->add;
		break;
	default:
		return PPROFD_STOP_NO_RULE;
	}
	*ret = cfa;
	return PPROFD_STOP_NONE;
}

/* Goes to the caller whose frame ends at `cfa`. */
static __always_inline int walk_enter(struct walk *walk, __u64 cfa, __u64 pc)
{
	/* psABI, 3.4.1, and every libc: nothing called the code whose return address is 0. */
	if (pc == 0)
		return PPROFD_STOP_COMPLETE;
	/* Equal only where nothing was pushed: a leaf on arm64. */
	if (cfa < walk->regs[ARCH_REG_SP] || (cfa == walk->regs[ARCH_REG_SP] && walk->is_partial))
		return PPROFD_STOP_STUCK;
	walk->regs[ARCH_REG_SP] = cfa;
	walk->pc = arch_strip_pc(pc);
	walk->is_return = 1;
	walk->is_partial = 1;
	return PPROFD_STOP_NONE;
}

/* Notes where this frame keeps its caller's registers. */
static __always_inline int walk_restore(struct walk *walk, const struct pprofd_rule *rule, __u64 cfa)
{
	__u32 by_fp = rule->cfa == PPROFD_CFA_REG || rule->cfa == PPROFD_CFA_DEREF ? rule->index : 0;
	__u64 fp = 0;

	if (by_fp && walk_reg(walk, ARCH_REG_FP, &fp))
		return PPROFD_STOP_NO_RULE;
#pragma unroll
	for (int i = 0; i < PPROFD_SAVED_CNT; i++) {
		__u64 slot = rule->saved[i];
		__u64 top = by_fp >> i & 1 ? fp + 8 : cfa;

		if (slot)
			walk->regs_at[arch_saved_reg(i)] = slot == PPROFD_SAVED_LOST ? WALK_LOST : top - 8 * slot;
	}
	return PPROFD_STOP_NONE;
}

static __always_inline int walk_by_cfa(struct walk *walk, const struct pprofd_rule *rule)
{
	__u64 cfa, pc;
	int stop = walk_cfa(walk, rule, &cfa);

	if (stop)
		return stop;
	if (rule->ra) {
		if (walk_read(walk, cfa - 8 * (__u64)rule->ra, &pc))
			return PPROFD_STOP_READ_FAULT;
	} else if (!arch_has_ra_reg(rule) || walk_reg(walk, arch_ra_reg(rule), &pc)) {
		return PPROFD_STOP_NO_RULE;
	}
	stop = walk_restore(walk, rule, cfa);
	return stop ? stop : walk_enter(walk, cfa, pc);
}

/* By the frame pointer: it points at the caller's own, the return address lies above (psABI, 3.2.2). */
static __always_inline int walk_by_fp(struct walk *walk)
{
	__u64 fp, pc;

	if (walk_reg(walk, ARCH_REG_FP, &fp))
		return PPROFD_STOP_READ_FAULT;
	/* The outermost frame's is 0 (psABI, 3.4.1); in a leaf it may as well be any number. */
	if (fp == 0)
		return walk->is_return ? PPROFD_STOP_COMPLETE : PPROFD_STOP_NO_RULE;
	if (fp < walk->regs[ARCH_REG_SP])
		return PPROFD_STOP_STUCK;
	if (walk_read(walk, fp + 8, &pc))
		return PPROFD_STOP_READ_FAULT;
	walk->regs_at[ARCH_REG_FP] = fp;
	return walk_enter(walk, fp + 16, pc);
}

/* Out of a signal handler: the kernel has put every register of the interrupted code on the stack. */
static __always_inline int walk_by_signal(struct walk *walk)
{
	__u64 frame = walk->regs[ARCH_REG_SP];
	__u64 sp, pc;

	if (walk_read(walk, frame + arch_signal_off(ARCH_REG_SP), &sp))
		return PPROFD_STOP_READ_FAULT;
	if (walk_read(walk, frame + ARCH_SIGNAL_PC_OFF, &pc))
		return PPROFD_STOP_READ_FAULT;
	for (__u32 reg = 0; reg < ARCH_REG_CNT; reg++)
		walk->regs_at[reg] = frame + arch_signal_off(reg);
	walk->regs_at[ARCH_REG_SP] = 0;
	walk->regs[ARCH_REG_SP] = sp;
	walk->pc = pc;
	walk->is_return = 0;
	walk->is_partial = 0;
	return PPROFD_STOP_NONE;
}

/* One frame up. Returns PPROFD_STOP_NONE to go on, or why not. */
static __always_inline int walk_step(struct walk *walk, const struct pprofd_rule *rule)
{
	switch (rule->cfa) {
	case PPROFD_CFA_END:
		return PPROFD_STOP_COMPLETE;
	case PPROFD_CFA_FP:
		return walk_by_fp(walk);
	case PPROFD_CFA_SIGNAL:
		return walk_by_signal(walk);
	case PPROFD_CFA_UNSUPPORTED:
		return PPROFD_STOP_NO_RULE;
	default:
		return walk_by_cfa(walk, rule);
	}
}

#endif
