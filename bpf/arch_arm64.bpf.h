/* SPDX-License-Identifier: GPL-2.0-only */
/* arm64: registers by DWARF number (AADWARF64), the signal frame, the task's saved registers. */
#ifndef PPROFD_ARCH_ARM64_BPF_H
#define PPROFD_ARCH_ARM64_BPF_H

#define ARCH_REG_CNT 32 /* a power of two: indices are masked */
#define ARCH_REG_SP 31
#define ARCH_REG_FP 29
#define ARCH_REG_LR 30

/* x19..x30 and sp (AAPCS64, 6.1.1). */
#define ARCH_CALLEE_SAVED 0xfff80000u

/* THREAD_SIZE with 4 KiB pages, without KASAN; only for kernels that lack bpf_task_pt_regs(). */
#define ARCH_THREAD_SIZE 16384

/* struct user_pt_regs (asm/ptrace.h): never changes. */
struct arch_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

/* struct bpf_perf_event_data (linux/bpf_perf_event.h). */
struct arch_perf_context {
	struct arch_pt_regs regs;
	__u64 sample_period;
	__u64 address;
};

/* DWARF number of saved slot i (abi.h): x29 x30 x19 x20 x21 x22. */
static __always_inline __u32 arch_saved_reg(int i)
{
	return i < 2 ? 29 + i : 17 + i;
}

/* PSR_MODE_EL0t is 0; bit 4 says AArch32. */
#define arch_regs_are_user(regs) (((regs)->pstate & 15) == 0)
#define arch_regs_are_compat(regs) (((regs)->pstate & 16) != 0)

/* Which system call it was is not among the registers that never change: such a stack counts as cut. */
static __always_inline int arch_regs_are_newborn(const struct arch_pt_regs *regs)
{
	return 0;
}

static __always_inline void arch_regs_load(const struct arch_pt_regs *from, __u64 *regs, __u64 *pc)
{
#pragma unroll
	for (int i = 0; i < 31; i++)
		regs[i] = from->regs[i];
	regs[31] = from->sp;
	*pc = from->pc;
}

/* The register that holds the return address of a rule whose ra is 0. */
static __always_inline int arch_has_ra_reg(const struct pprofd_rule *rule)
{
	return 1;
}

static __always_inline __u32 arch_ra_reg(const struct pprofd_rule *rule)
{
	return ARCH_REG_LR;
}

/* Pointer authentication signs return addresses in the bits above 48 (Arm ARM, D8.8). */
static __always_inline __u64 arch_strip_pc(__u64 pc)
{
	return pc & ((1ULL << 48) - 1);
}

/*
 * Where the kernel's rt_sigframe keeps register `reg`, from the stack pointer in the restorer:
 * siginfo (128 bytes), then struct ucontext with its sigcontext 176 bytes in, whose first word is
 * the fault address (asm/sigcontext.h, asm/ucontext.h).
 */
static __always_inline __u32 arch_signal_off(__u32 reg)
{
	return 312 + reg * 8;
}
#define ARCH_SIGNAL_PC_OFF 568

#endif
