/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 64-bit hash of a stack, fed frame by frame while the stack is walked. MurmurHash64A's
 * round: two multiplications a frame, and every bit of every frame reaches the result.
 */
#ifndef PPROFD_HASH_BPF_H
#define PPROFD_HASH_BPF_H

#define HASH_SEED 0x9ae16a3b2f90404fULL
#define HASH_MUL 0xc6a4a7935bd1e995ULL

static __always_inline __u64 hash_add(__u64 hash, __u64 word)
{
	word *= HASH_MUL;
	word ^= word >> 47;
	word *= HASH_MUL;
	hash ^= word;
	return hash * HASH_MUL;
}

/* Never 0: a slot whose stack is 0 is free. */
static __always_inline __u64 hash_finish(__u64 hash)
{
	hash ^= hash >> 47;
	hash *= HASH_MUL;
	hash ^= hash >> 47;
	return hash ? hash : 1;
}

#endif
