/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Row memory: from a file offset to the rule that covers it (layout: abi.h).
 * Pure: works on words handed in, and is tested on the host.
 *
 * A look-up touches one line of the page table, one of the bucket index, one or two of rows and
 * one of rules: at 99 Hz each of them is cold, which is what a sample costs.
 */
#ifndef PPROFD_ROWS_BPF_H
#define PPROFD_ROWS_BPF_H

/* One element of row memory. */
struct row_chunk {
	__u32 words[PPROFD_CHUNK_WORDS];
};

#define ROW_CHUNK_MASK (PPROFD_CHUNK_WORDS - 1)

static __always_inline __u32 row_word(const struct row_chunk *chunk, __u32 word)
{
	return chunk->words[word & ROW_CHUNK_MASK];
}

/* Bucket index entry `bucket` of the page at word `page`. */
static __always_inline __u32 row_index(const struct row_chunk *chunk, __u32 page, __u32 bucket)
{
	return row_word(chunk, page + (bucket >> 1)) >> ((bucket & 1) * 16) & 0xffff;
}

/*
 * The rule number of the last row at or below `pc16`, in the page at word `page`.
 * The bounds come from memory, so that the verifier does not follow every path of the search.
 */
static __always_inline __u32 row_find(const struct row_chunk *chunk, __u32 page, __u32 pc16)
{
	__u32 low = row_index(chunk, page, pc16 >> PPROFD_BUCKET_BITS);
	__u32 high = row_index(chunk, page, (pc16 >> PPROFD_BUCKET_BITS) + 1);
	__u32 rows = page + PPROFD_BUCKET_WORDS;

	for (int i = 0; i < PPROFD_BUCKET_SEARCH_STEPS; i++) {
		__u32 middle = (low + high + 1) >> 1;

		if (low >= high)
			break;
		if (row_word(chunk, rows + middle) >> 16 <= pc16)
			low = middle;
		else
			high = middle - 1;
	}
	return row_word(chunk, rows + low) & 0xffff;
}

/* Rule `number` of the rules at word `rules`, copied out. */
static __always_inline void row_rule(const struct row_chunk *chunk, __u32 rules, __u32 number, struct pprofd_rule *ret)
{
	__u32 word = rules + number * (sizeof(*ret) / sizeof(__u32));
	union {
		struct pprofd_rule rule;
		__u32 words[4];
	} copy;

	copy.words[0] = row_word(chunk, word);
	copy.words[1] = row_word(chunk, word + 1);
	copy.words[2] = row_word(chunk, word + 2);
	copy.words[3] = row_word(chunk, word + 3);
	*ret = copy.rule;
}

#endif
