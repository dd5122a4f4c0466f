/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For files that include those of bpf/: pragmas meant for clang, functions that only the verifier calls
 * global, and parameters that one architecture needs and the other does not.
 */
#ifndef PPROFD_HOST_BPF_WARNINGS_H
#define PPROFD_HOST_BPF_WARNINGS_H

#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-parameter"

#endif
