/* SPDX-License-Identifier: GPL-2.0-only */
/* The search for the VMA of an address, in trees recorded from kernels and in nodes made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "bpf_side.h"
#include "random.h"
#include "vma_recording.h"

#define ADDRESS_END (1ULL << 47)

static struct vma_recording *recording;
static struct mm_struct mm;
static struct scratch scratch;

static void setup(const char *path)
{
	host_reset();
	recording = vma_recording_new(path);
	host_add_object(&mm, sizeof(mm));
	mm.mm_mt.ma_root = (void *)(uintptr_t)recording->root;
}

static void teardown(void)
{
	host_reset();
	free(recording);
}

/* What /proc/self/maps says of `address`; map_cnt for a gap. */
static size_t map_of(uint64_t address)
{
	for (size_t i = 0; i < recording->map_cnt; i++) {
		if (recording->maps[i].start <= address && address < recording->maps[i].end)
			return i;
	}
	return recording->map_cnt;
}

static uint64_t find(uint64_t address)
{
	return recording->is_maple ? vma_find_maple(&scratch, &mm, address) : vma_find_rb(&mm, address);
}

/* As mapping_load() does: what is found is believed only when it covers the address. */
static bool find_covering(uint64_t address, struct vma *ret)
{
	uint64_t found = find(address);

	if (!found)
		return false;
	vma_load(found, ret);
	return ret->start <= address && address < ret->end;
}

static void check_address(uint64_t address)
{
	size_t map = map_of(address);
	struct vma vma;

	if (map == recording->map_cnt) {
		assert_false(find_covering(address, &vma));
		return;
	}
	assert_true(find_covering(address, &vma));
	assert_int_equal(vma.start, recording->maps[map].start);
	assert_int_equal(vma.end, recording->maps[map].end);
}

static const char *const recordings[] = {
	"tests/fixtures/vma_trees/linux-5.10.txt",
	"tests/fixtures/vma_trees/linux-6.1.txt",
	"tests/fixtures/vma_trees/linux-7.2.txt",
};

static void vma_find__finds_what_proc_maps_says_of_every_border(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
		setup(recordings[i]);
		assert_true(recording->map_cnt > 300);
		assert_int_equal(recording->map_cnt, recording->vma_cnt);
		for (size_t map = 0; map < recording->map_cnt; map++) {
			uint64_t start = recording->maps[map].start, end = recording->maps[map].end;

			check_address(start - 1);
			check_address(start);
			check_address((start + end) / 2);
			check_address(end - 1);
			check_address(end);
		}
		teardown();
	}
}

static void vma_find__finds_what_proc_maps_says_of_any_address(void **state)
{
	static const uint64_t edges[] = { 0, 1, 4095, 4096, ADDRESS_END - 1, ADDRESS_END, 1ULL << 56, INT64_MAX };
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
		setup(recordings[i]);
		for (size_t j = 0; j < ARRAY_LEN(edges); j++)
			check_address(edges[j]);
		for (int j = 0; j < 5000; j++) {
			size_t map = random_below(&seed, recording->map_cnt);

			check_address(random_below(&seed, ADDRESS_END));
			/* In a mapping, or in what lies behind it. */
			check_address(recording->maps[map].start + random_below(&seed, 16 * 4096));
		}
		teardown();
	}
}

/* A tree is read while others change it: what is torn must end, and end as not found. */
static void vma_find__survives_trees_that_are_torn(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
		setup(recordings[i]);
		for (int j = 0; j < 20000; j++) {
			size_t node =
				random_below(&seed, recording->is_maple ? recording->node_cnt : recording->vma_cnt);
			uint64_t *word = recording->is_maple ?
						 (uint64_t *)&recording->nodes[node].words[random_below(&seed, 32)] :
						 (uint64_t *)&recording->vmas[node].vm_rb.rb_left;
			uint64_t address = random_below(&seed, ADDRESS_END), was = *word;
			struct vma vma;

			*word = random_below(&seed, 2) ? random_next(&seed) : recording->root;
			if (find_covering(address, &vma))
				assert_true(map_of(address) < recording->map_cnt);
			*word = was;
		}
		teardown();
	}
}

static void vma_find__finds_nothing_in_an_empty_tree(void **state)
{
	/* Nothing; a lone entry that is no node; an internal entry. */
	static const uint64_t roots[] = { 0, 0xffff888100000000, 2, 258 };

	(void)state;
	host_reset();
	host_add_object(&mm, sizeof(mm));
	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		mm.mm_mt.ma_root = (void *)(uintptr_t)roots[i];
		assert_int_equal(vma_find_maple(&scratch, &mm, 4096), 0);
	}
	mm.mm_rb.rb_node = NULL;
	assert_int_equal(vma_find_rb(&mm, 4096), 0);
}

/* ---- nodes made up ---- */

#define NODE_WORDS 32

struct node_kind {
	uint32_t type;
	size_t pivot_cnt;
};

static const struct node_kind node_kinds[] = {
	{ MAPLE_TYPE_LEAF, MAPLE_RANGE_PIVOTS },
	{ MAPLE_TYPE_RANGE, MAPLE_RANGE_PIVOTS },
	{ MAPLE_TYPE_ARANGE, MAPLE_ARANGE_PIVOTS },
};

/* A node with `used` slots, pointers all of them; pivots some way apart. The rest is as kernels leave it. */
static void node_make(uint64_t *node, const struct node_kind *kind, size_t used, uint64_t *seed)
{
	uint64_t pivot = 1 + random_below(seed, 1 << 20);

	memset(node, 0, NODE_WORDS * sizeof(*node));
	for (size_t i = 0; i < kind->pivot_cnt && i + 1 < used; i++) {
		node[1 + i] = pivot;
		pivot += 1 + random_below(seed, 1ULL << random_below(seed, 40));
	}
	/* The last of the whole tree; others end with their parent's pivot. */
	if (used <= kind->pivot_cnt && random_below(seed, 2))
		node[used] = UINT64_MAX;
	for (size_t i = 0; i < used; i++)
		node[1 + kind->pivot_cnt + i] = 0xffff888100000000 + i * 256;
	/* enum maple_type's metadata: the number of the last slot, in the last word of the slots. */
	if (used <= kind->pivot_cnt)
		node[1 + 2 * kind->pivot_cnt] = used - 1;
}

/* lib/maple_tree.c: the first slot whose pivot is not below the index, else the last one. */
static uint64_t slot_by_definition(const uint64_t *node, const struct node_kind *kind, uint64_t index)
{
	size_t slot = 0;

	while (slot < kind->pivot_cnt && node[1 + slot] != 0 && node[1 + slot] < index)
		slot++;
	return node[1 + kind->pivot_cnt + slot];
}

static void check_slot(const uint64_t *node, const struct node_kind *kind, uint64_t index)
{
	uint32_t word;

	if (index == 0 || index >= 1ULL << 57)
		return;
	word = maple_slot_word(node + 1, kind->type, index);
	assert_in_range(word, 0, NODE_WORDS - 1);
	assert_int_equal(node[word], slot_by_definition(node, kind, index));
}

static void maple_slot_word__takes_the_first_pivot_that_is_not_below(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		const struct node_kind *kind = &node_kinds[round % ARRAY_LEN(node_kinds)];
		uint64_t node[NODE_WORDS];

		node_make(node, kind, 1 + random_below(&seed, kind->pivot_cnt + 1), &seed);
		for (size_t i = 0; i < kind->pivot_cnt; i++) {
			check_slot(node, kind, node[1 + i] - 1);
			check_slot(node, kind, node[1 + i]);
			check_slot(node, kind, node[1 + i] + 1);
		}
		for (int i = 0; i < 20; i++)
			check_slot(node, kind, random_next(&seed) >> (7 + random_below(&seed, 56)));
	}
}

/* Registers hold anything: a search for what is no address may find nothing, but stays in the node. */
static void maple_slot_word__stays_in_the_node_whatever_it_holds(void **state)
{
	uint64_t seed = 4;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		uint64_t pivots[MAPLE_RANGE_PIVOTS];

		for (size_t i = 0; i < ARRAY_LEN(pivots); i++)
			pivots[i] = random_next(&seed) >> random_below(&seed, 64);
		assert_in_range(maple_slot_word(pivots, (uint32_t)random_below(&seed, 16), random_next(&seed)), 0,
				NODE_WORDS - 1);
		assert_in_range(maple_slot_word(pivots, (uint32_t)random_below(&seed, 16), 0), 0, NODE_WORDS - 1);
	}
}

static void maple_type__reads_the_entry_of_a_node(void **state)
{
	static const struct {
		uint64_t entry;
		uint32_t type;
		int is_root;
	} cases[] = {
		/* As recorded: a root, which is marked, and children, which are not. */
		{ 0xffff88811b93911e, MAPLE_TYPE_ARANGE, 1 }, { 0xffff888120c4021c, MAPLE_TYPE_ARANGE, 0 },
		{ 0xffff88815a251c0c, MAPLE_TYPE_LEAF, 0 },   { 0xffff88815a251c0e, MAPLE_TYPE_LEAF, 1 },
		{ 0xffff88815a251c16, MAPLE_TYPE_RANGE, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(maple_type(cases[i].entry), cases[i].type);
		assert_int_equal(maple_root_is_node(cases[i].entry), cases[i].is_root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vma_find__finds_what_proc_maps_says_of_every_border),
		cmocka_unit_test(vma_find__finds_what_proc_maps_says_of_any_address),
		cmocka_unit_test(vma_find__survives_trees_that_are_torn),
		cmocka_unit_test(vma_find__finds_nothing_in_an_empty_tree),
		cmocka_unit_test(maple_slot_word__takes_the_first_pivot_that_is_not_below),
		cmocka_unit_test(maple_slot_word__stays_in_the_node_whatever_it_holds),
		cmocka_unit_test(maple_type__reads_the_entry_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
