/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step down a maple tree (lib/maple_tree.c), from a copy of a node's 256 bytes.
 * Pure, and tested on the host with recorded trees.
 *
 * An entry that is a node has its type in bits 3..6 and the address above bit 7. Pivots ascend;
 * slot i holds pivot[i - 1] < index <= pivot[i]; a pivot of 0 ends the list early.
 */
#ifndef PPROFD_MAPLE_BPF_H
#define PPROFD_MAPLE_BPF_H

#define MAPLE_NODE_MASK 255ULL
#define MAPLE_TYPE_SHIFT 3
#define MAPLE_TYPE_MASK 15
#define MAPLE_TYPE_LEAF 1   /* maple_leaf_64: slots are VMAs */
#define MAPLE_TYPE_RANGE 2  /* maple_range_64 */
#define MAPLE_TYPE_ARANGE 3 /* maple_arange_64 */
#define MAPLE_RANGE_PIVOTS 15
#define MAPLE_ARANGE_PIVOTS 9

struct maple_copy {
	__u64 words[32]; /* parent, pivots, slots */
};

static __always_inline __u32 maple_type(__u64 entry)
{
	return entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK;
}

/* Is the root a node, rather than empty or a lone VMA that spans everything (xa_is_node)? */
static __always_inline int maple_root_is_node(__u64 root)
{
	return (root & 3) == 2 && root > 4096;
}

/* verifier: keeps the compiler from turning arithmetic on `value` back into a branch. */
#define maple_opaque(value) asm volatile("" : "+r"(value))

/*
 * The slot of `copy`, a node of `type`, that covers `index` (a user address: below 2^63).
 * Counts without branches: a branch per pivot would give the verifier 2^15 paths.
 */
static __always_inline __u64 maple_slot(const struct maple_copy *copy, __u32 type, __u64 index)
{
	__u64 pivots = type == MAPLE_TYPE_ARANGE ? MAPLE_ARANGE_PIVOTS : MAPLE_RANGE_PIVOTS;
	__u64 slot = 0;
	__u64 open = 1;

	for (int i = 0; i < MAPLE_RANGE_PIVOTS; i++) {
		__u64 pivot = copy->words[1 + i];
		/* Each is 1 or 0, by the sign bits of differences alone. */
		__u64 below = ((pivot - index) & ~pivot) >> 63;
		__u64 there = pivot | -pivot;
		__u64 within = (__u64)i - pivots;

		maple_opaque(there);
		maple_opaque(within);
		open &= below & there >> 63 & within >> 63;
		slot += open;
	}
	return copy->words[(1 + pivots + slot) & 31];
}

#endif
