/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything of bpf/ in a test, as it is built for x86-64; helpers come from host.h. For one file of a program.
 */
#ifndef PPROFD_HOST_BPF_SIDE_H
#define PPROFD_HOST_BPF_SIDE_H

#define __TARGET_ARCH_x86 1

#include "bpf_warnings.h"

#include "pprofd.bpf.c"

#endif
