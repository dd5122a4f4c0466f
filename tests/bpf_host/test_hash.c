/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmlinux.h"

#include "hash.bpf.h"
#include "random.h"

/* File offsets of a program's frames: the executable's number above, little difference below. */
static uint64_t make_frame(uint64_t *seed)
{
	return (16 + random_below(seed, 40)) << 40 | random_below(seed, 1 << 22);
}

static uint64_t hash_stack(const uint64_t *frames, size_t cnt)
{
	uint64_t hash = HASH_SEED;

	for (size_t i = 0; i < cnt; i++)
		hash = hash_add(hash, frames[i]);
	return hash_finish(hash);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void hash_finish__is_never_zero(void **state)
{
	uint64_t seed = 1;

	(void)state;
	/* Each step of it can be undone but for 0, which stays 0. */
	assert_int_equal(hash_finish(0), 1);
	for (int i = 0; i < 100000; i++)
		assert_int_not_equal(hash_finish(random_next(&seed)), 0);
}

static void hash_add__tells_the_order_of_frames(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t frames[3] = { make_frame(&seed), make_frame(&seed), make_frame(&seed) };
		const uint64_t swapped[3] = { frames[0], frames[2], frames[1] };
		const uint64_t turned[3] = { frames[2], frames[0], frames[1] };

		assert_int_not_equal(hash_stack(frames, 3), hash_stack(swapped, 3));
		assert_int_not_equal(hash_stack(frames, 3), hash_stack(turned, 3));
		assert_int_not_equal(hash_stack(frames, 3), hash_stack(frames, 2));
	}
}

/* A frame more is another stack, though the frame is 0. */
static void hash_add__tells_how_many_frames_there_are(void **state)
{
	const uint64_t zeros[8] = { 0 };
	uint64_t hashes[8];

	(void)state;
	for (size_t cnt = 0; cnt < 8; cnt++)
		hashes[cnt] = hash_stack(zeros, cnt);
	for (size_t i = 0; i < 8; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(hashes[i], hashes[j]);
	}
}

/* Of every bit of every frame, each bit of the hash changes about every other time. */
static void hash_stack__spreads_each_bit_over_the_whole_hash(void **state)
{
	enum { FRAMES = 4, ROUNDS = 400 };
	uint64_t seed = 3;

	(void)state;
	for (int bit = 0; bit < FRAMES * 64; bit++) {
		int changed[64] = { 0 };

		for (int round = 0; round < ROUNDS; round++) {
			uint64_t frames[FRAMES], before;

			for (int i = 0; i < FRAMES; i++)
				frames[i] = make_frame(&seed);
			before = hash_stack(frames, FRAMES);
			frames[bit / 64] ^= 1ULL << bit % 64;
			before ^= hash_stack(frames, FRAMES);
			for (int i = 0; i < 64; i++)
				changed[i] += before >> i & 1;
		}
		/* Five standard deviations from the half. */
		for (int i = 0; i < 64; i++)
			assert_in_range(changed[i], ROUNDS * 3 / 8, ROUNDS * 5 / 8);
	}
}

static void check_distinct(uint64_t *hashes, size_t cnt)
{
	qsort(hashes, cnt, sizeof(*hashes), compare_u64);
	for (size_t i = 1; i < cnt; i++)
		assert_int_not_equal(hashes[i - 1], hashes[i]);
}

/* Of 64 bits, none lost on the way: of 32, some ten of these would collide. */
static void hash_stack__collides_for_no_two_of_many_stacks(void **state)
{
	enum { STACKS = 300000, DEPTH = 12 };
	uint64_t *hashes = malloc(STACKS * sizeof(*hashes));
	uint64_t frames[DEPTH];
	uint64_t seed = 4;

	(void)state;
	assert_non_null(hashes);
	for (int i = 0; i < DEPTH; i++)
		frames[i] = make_frame(&seed);
	/* Leaves of their own. */
	for (uint64_t i = 0; i < STACKS; i++) {
		frames[0] = random_next(&seed);
		hashes[i] = hash_stack(frames, DEPTH);
	}
	check_distinct(hashes, STACKS);
	/* A tree: leaves next to each other, callers too. */
	for (uint64_t i = 0; i < STACKS; i++) {
		frames[0] = 20ULL << 40 | (4096 + i % 1000);
		frames[5] = 21ULL << 40 | (8192 + i / 1000);
		hashes[i] = hash_stack(frames, DEPTH);
	}
	check_distinct(hashes, STACKS);
	free(hashes);
}

/* Places in maps are the hash's low bits: throwing n balls into n places leaves 37 % of them free. */
static void hash_stack__fills_places_evenly(void **state)
{
	enum { PLACES = 4096 };
	bool used[PLACES] = { false };
	uint64_t frames[3] = { 0, 17ULL << 40 | 4242, 18ULL << 40 | 777 };
	int cnt = 0;

	(void)state;
	for (uint64_t i = 0; i < PLACES; i++) {
		size_t place;

		frames[0] = 16ULL << 40 | i * 16;
		place = hash_stack(frames, 3) & (PLACES - 1);
		cnt += !used[place];
		used[place] = true;
	}
	assert_in_range(cnt, PLACES * 60 / 100, PLACES * 66 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_finish__is_never_zero),
		cmocka_unit_test(hash_add__tells_the_order_of_frames),
		cmocka_unit_test(hash_add__tells_how_many_frames_there_are),
		cmocka_unit_test(hash_stack__spreads_each_bit_over_the_whole_hash),
		cmocka_unit_test(hash_stack__collides_for_no_two_of_many_stacks),
		cmocka_unit_test(hash_stack__fills_places_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
