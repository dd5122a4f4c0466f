/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One step down a maple tree (lib/maple_tree.c), from the words of a node: parent, pivots, slots.
 * Pure, and tested on the host with recorded trees.
 *
 * An entry that is a node has its type in bits 3..6 and the address above bit 7. Pivots ascend;
 * slot i holds pivot[i - 1] < index <= pivot[i]; pivots that are not in use are 0.
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

static __always_inline __u32 maple_type(__u64 entry)
{
	return entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK;
}

/* Is the root a node, rather than empty or a lone VMA that spans everything (xa_is_node)? */
static __always_inline int maple_root_is_node(__u64 root)
{
	return (root & 3) == 2 && root > 4096;
}

/*
 * The word of the node that is the slot for `index`, 0 < index < 2^63, by its 15 words from `pivots` on.
 *
 * Counts the pivots below the index without a branch, as a branch each would give the verifier 2^15
 * paths. A pivot of 0 comes out above every index, and so do the kernel pointers that stand where an arange
 * node has no more pivots: with the top bit gone they are above every user address.
 */
static __always_inline __u32 maple_slot_word(const unsigned long *pivots, __u32 type, __u64 index)
{
	__u32 slot = 1 + (type == MAPLE_TYPE_ARANGE ? MAPLE_ARANGE_PIVOTS : MAPLE_RANGE_PIVOTS);

#pragma unroll
	for (int i = 0; i < MAPLE_RANGE_PIVOTS; i++)
		slot += (((pivots[i] - 1) & (~0ULL >> 1)) - (index - 1)) >> 63;
	return slot;
}

#endif
