/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Every bound that both sides of the kernel border rely on, with the reason why it suffices.
 */
#ifndef PPROFD_LIMITS_H
#define PPROFD_LIMITS_H

/* The kernel's own default bound on a kernel call chain (kernel.perf_event_max_stack). */
#define PPROFD_KERNEL_FRAMES_MAX 127

/* User frames of one sample; what is deeper is cut at the root end and marked truncated. */
#define PPROFD_USER_FRAMES_MAX 255

/* A power of two above KERNEL + USER, so that an index can be bounded by a mask. */
#define PPROFD_FRAMES_CAP 512

/*
 * Row memory comes in chunks of 1 MiB: one array element each, created when needed. A reference
 * to row memory is (chunk << PPROFD_CHUNK_BITS) | word, so 64 chunks need 24 of 32 bits.
 */
#define PPROFD_CHUNK_BITS 18
#define PPROFD_CHUNK_WORDS (1u << PPROFD_CHUNK_BITS)
#define PPROFD_CHUNKS_MAX 256

/* One page of rows covers this many bits of file offset: 64 KiB, so that a row's pc fits 16 bits. */
#define PPROFD_PAGE_BITS 16
/* Within a page an index by 256-byte bucket leaves a handful of rows to search. */
#define PPROFD_BUCKET_BITS 8
#define PPROFD_BUCKETS_PER_PAGE (1u << (PPROFD_PAGE_BITS - PPROFD_BUCKET_BITS))
/* Words taken by the bucket index of a page: 257 16-bit entries, padded to a whole cache line. */
#define PPROFD_BUCKET_WORDS 144
/* Rows of one page; real code has below 8,000. What has more is refused as malformed. */
#define PPROFD_PAGE_ROWS_MAX 32767
/* Rules of one executable; libLLVM, with 1.2 million rows, has about 2,000. */
#define PPROFD_RULES_MAX 16384
/* Pages of one executable: 4 GiB of file offsets. */
#define PPROFD_PAGES_MAX 65536
/* log2 of the rows that one bucket can hold (one per byte), plus one for the row that leads in. */
#define PPROFD_BUCKET_SEARCH_STEPS 9

/* Executables that the kernel side knows at a time. */
#define PPROFD_EXECUTABLES_MAX 16384

/* Depth of a maple tree: 10 slots at the least per node, 2^47 / 4 KiB pages: 4 in practice, 8 to be safe. */
#define PPROFD_MAPLE_DEPTH_MAX 8
/* Depth of a red-black tree with max_map_count (65,530) nodes: 2 log2(n + 1) = 33. */
#define PPROFD_RB_DEPTH_MAX 34

/* VMAs of one sample that are kept at hand; a stack seldom crosses more files at a time. */
#define PPROFD_MAPPING_CACHE 4

/* Slots looked at for one (stack, process) before the oldest is sent on. One bucket is 2 cache lines. */
#define PPROFD_BUCKET_SLOTS 4

/* Bytes of a file's own name that travel with a new executable. */
#define PPROFD_NAME_MAX 64
#define PPROFD_COMM_MAX 16

#endif
