/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space sets before loading (const: the verifier removes what is off) and the few words
 * it changes afterwards.
 */
#ifndef PPROFD_CONFIG_BPF_H
#define PPROFD_CONFIG_BPF_H

const volatile __u32 cpu_cnt = 1;              /* possible CPUs */
const volatile __u32 buckets_per_cpu_mask = 0; /* buckets of one CPU and epoch, minus one */
const volatile __u32 stacks_sent_mask = 0;     /* elements of stacks_sent, minus one */
const volatile __u32 processes_sent_mask = 0;  /* elements of processes_sent, minus one */
const volatile __u32 ring_wake_bytes = 0;      /* fill of the ring buffer that wakes user space */
const volatile __u8 only_targets = 0;          /* record only what is in `targets` */

const volatile __u8 can_cast = 0;           /* the kernel has bpf_rdonly_cast() */
const volatile __u32 mapping_sets_mask = 0; /* mapping sets of one CPU, minus one */

/* Grows whenever rows are withdrawn: what programs remember of row memory no longer holds. */
volatile __u32 rows_generation = 1;

/* Grows before user space replaces or removes an entry of `executables`. */
volatile __u32 executables_sequence = 1;

/* Number of the window, from 1. User space adds one, waits for programs under way, and drains. */
volatile __u32 epoch = 1;

#endif
