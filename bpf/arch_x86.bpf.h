/* SPDX-License-Identifier: GPL-2.0-only */
/* x86-64: registers by DWARF number (x86-64 psABI, 3.6.2), the signal frame, the task's saved registers. */
#ifndef PPROFD_ARCH_X86_BPF_H
#define PPROFD_ARCH_X86_BPF_H

#define ARCH_REG_CNT 16 /* a power of two: indices are masked */
#define ARCH_REG_SP 7
#define ARCH_REG_FP 6

/* rbx, rsp, rbp and r12..r15 are the callee's to keep (psABI, 3.2.1). */
#define ARCH_CALLEE_SAVED 0xf0c8u

/* THREAD_SIZE without KASAN; only for kernels that lack bpf_task_pt_regs(). */
#define ARCH_THREAD_SIZE 16384

/* struct pt_regs as user space sees it (asm/ptrace.h): never changes. */
struct arch_pt_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	__u64 orig_ax, ip, cs, flags, sp, ss;
};

/* struct bpf_perf_event_data (linux/bpf_perf_event.h). */
struct arch_perf_context {
	struct arch_pt_regs regs;
	__u64 sample_period;
	__u64 address;
};

/* DWARF number of saved slot i (abi.h). */
static __always_inline __u32 arch_saved_reg(int i)
{
	return i == 0 ? 6 : i == 1 ? 3 : 10 + i;
}

#define arch_regs_are_user(regs) (((regs)->cs & 3) == 3)
/* The 64-bit user code segments: __USER_CS (asm/segment.h), under Xen FLAT_USER_CS64 (xen/interface/xen.h). */
#define arch_regs_are_compat(regs) (((regs)->cs & 0xffff) != 0x33 && ((regs)->cs & 0xffff) != 0xe033)

/*
 * Has the task just been cloned, onto a stack of its own that is still empty? Its system call was clone (56) or
 * clone3 (435) and gives 0, as it does in the child alone (asm/unistd_64.h).
 */
static __always_inline int arch_regs_are_newborn(const struct arch_pt_regs *regs)
{
	return regs->ax == 0 && (regs->orig_ax == 56 || regs->orig_ax == 435);
}

static __always_inline void arch_regs_load(const struct arch_pt_regs *from, __u64 *regs, __u64 *pc)
{
	regs[0] = from->ax;
	regs[1] = from->dx;
	regs[2] = from->cx;
	regs[3] = from->bx;
	regs[4] = from->si;
	regs[5] = from->di;
	regs[6] = from->bp;
	regs[7] = from->sp;
	regs[8] = from->r8;
	regs[9] = from->r9;
	regs[10] = from->r10;
	regs[11] = from->r11;
	regs[12] = from->r12;
	regs[13] = from->r13;
	regs[14] = from->r14;
	regs[15] = from->r15;
	*pc = from->ip;
}

/* The register that holds the return address of a rule whose ra is 0: abi.h. */
static __always_inline int arch_has_ra_reg(const struct pprofd_rule *rule)
{
	return rule->cfa == PPROFD_CFA_REG && rule->add > 0;
}

static __always_inline __u32 arch_ra_reg(const struct pprofd_rule *rule)
{
	return rule->add - 1;
}

/* Return addresses carry no extra bits. */
static __always_inline __u64 arch_strip_pc(__u64 pc)
{
	return pc;
}

/*
 * Where the kernel's rt_sigframe keeps register `reg`, from the stack pointer in the restorer:
 * struct ucontext begins there, its registers 40 bytes in (asm/sigcontext.h).
 */
static __always_inline __u32 arch_signal_off(__u32 reg)
{
	switch (reg) {
	case 0:
		return 144;
	case 1:
		return 136;
	case 2:
		return 152;
	case 3:
		return 128;
	case 4:
		return 112;
	case 5:
		return 104;
	case 6:
		return 120;
	case 7:
		return 160;
	default:
		return reg * 8 - 24; /* r8 at 40 */
	}
}
#define ARCH_SIGNAL_PC_OFF 168

#endif
