/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions by hand with unwind information by hand, in ways that compilers seldom choose: the
 * canonical frame address kept in %rbx, pushes one by one, state remembered and restored, and a part of
 * a function that lies in another section.
 */
	.text

/* Spins in the middle of a sequence of pushes: the row changes within the loop. */
	.globl	hot
	.type	hot, @function
hot:
	.cfi_startproc
	movq	%rdi, %rax
	movl	$60000, %ecx
	movabsq	$6364136223846793005, %rdx
1:
	imulq	%rdx, %rax
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	imulq	%rdx, %rax
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	imulq	%rdx, %rax
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	imulq	%rdx, %rax
	leaq	8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	decl	%ecx
	jnz	1b
	ret
	.cfi_endproc
	.size	hot, . - hot

	.globl	asm_pushes
	.type	asm_pushes, @function
asm_pushes:
	.cfi_startproc
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	subq	$72, %rsp
	.cfi_adjust_cfa_offset 72
	xorl	%ebp, %ebp
	xorl	%r12d, %r12d
	call	hot
	testq	%rax, %rax
	js	1f
	.cfi_remember_state
	addq	$72, %rsp
	.cfi_adjust_cfa_offset -72
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	ret
1:
	.cfi_restore_state
	call	hot
	movq	72(%rsp), %rbp
	addq	$80, %rsp
	.cfi_def_cfa_offset 16
	.cfi_restore %rbp
	popq	%r12
	.cfi_def_cfa_offset 8
	.cfi_restore %r12
	ret
	.cfi_endproc
	.size	asm_pushes, . - asm_pushes

/* Its frame hangs on %rbx, below which the stack pointer goes where it likes. */
	.globl	asm_in_rbx
	.type	asm_in_rbx, @function
asm_in_rbx:
	.cfi_startproc
	pushq	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset %rbx, -16
	movq	%rsp, %rbx
	.cfi_def_cfa_register %rbx
	movl	%edi, %eax
	andl	$0xff0, %eax
	subq	%rax, %rsp
	orq	$1, %rdi
	jmp	asm_in_rbx_cold
asm_in_rbx_back:
	movq	%rbx, %rsp
	.cfi_def_cfa_register %rsp
	popq	%rbx
	.cfi_def_cfa_offset 8
	.cfi_restore %rbx
	ret
	.cfi_endproc
	.size	asm_in_rbx, . - asm_in_rbx

	.globl	asm_outer
	.type	asm_outer, @function
asm_outer:
	.cfi_startproc
	subq	$24, %rsp
	.cfi_def_cfa_offset 32
	call	asm_in_rbx
	addq	$24, %rsp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size	asm_outer, . - asm_outer

/* The rest of asm_in_rbx, far away and with an entry of its own, written as an expression. */
	.section .text.unlikely, "ax", @progbits
	.type	asm_in_rbx_cold, @function
asm_in_rbx_cold:
	.cfi_startproc
	/* DW_CFA_def_cfa_expression: DW_OP_breg3 (rbx) 16 */
	.cfi_escape 0x0f, 2, 0x73, 16
	.cfi_offset %rbx, -16
	call	asm_pushes
	jmp	asm_in_rbx_back
	.cfi_endproc
	.size	asm_in_rbx_cold, . - asm_in_rbx_cold

	.section .note.GNU-stack, "", @progbits
