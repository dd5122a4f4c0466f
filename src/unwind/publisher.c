/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/publisher.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "unwind/row_memory.h"
#include "unwind/row_page.h"

/* The rows of one executable in row memory. */
struct published {
	struct pprofd_executable_key key;
	uint32_t number;
	uint64_t row_cnt;
	size_t word_cnt; /* of its extents */
	struct row_extent *extents;
	size_t extent_cnt, extent_cap;
	uint32_t last_hit_epoch; /* as publisher_list_stale() found it */
};

/* Row memory that is kept free for executables to come, in words: most need no more. */
#define PUBLISHER_SPARE_WORDS (PPROFD_CHUNK_WORDS / 2)
/* When room must be made, this part of all row memory at once: each time programs have to be waited for. */
#define PUBLISHER_ROOM_PART 8

struct publisher {
	struct maps *maps;
	struct row_memory memory;
	struct hashmap published; /* number -> struct published * */
	uint64_t row_cnt;
	uint64_t removed_cnt; /* executables taken from the kernel side's map */
};

static void published_free(struct published *published)
{
	free(published->extents);
	free(published);
}

int publisher_new(struct maps *maps, size_t row_bytes_max, struct publisher **ret)
{
	_cleanup_(publisher_freep) struct publisher *publisher = calloc(1, sizeof(*publisher));
	int err;

	if (!publisher)
		return -ENOMEM;
	publisher->maps = maps;
	row_memory_init(&publisher->memory, maps, row_bytes_max);
	err = row_memory_reserve(&publisher->memory, 3 * PUBLISHER_SPARE_WORDS);
	if (err < 0)
		return err;
	*ret = take_ptr(publisher);
	return 0;
}

void publisher_free(struct publisher *publisher)
{
	const struct hashmap_entry *entry;
	size_t pos = 0;

	if (!publisher)
		return;
	while ((entry = hashmap_next(&publisher->published, &pos)))
		published_free((struct published *)(uintptr_t)entry->value);
	hashmap_fini(&publisher->published);
	row_memory_fini(&publisher->memory);
	free(publisher);
}

/* Gives the memory of `published` back and forgets it. The kernel side must not know it any more. */
static void publisher_forget(struct publisher *publisher, struct published *published)
{
	for (size_t i = 0; i < published->extent_cnt; i++)
		row_memory_release(&publisher->memory, published->extents[i]);
	publisher->row_cnt -= published->row_cnt;
	hashmap_remove(&publisher->published, published->number);
	published_free(published);
}

static struct published *publisher_find(const struct publisher *publisher, uint32_t number)
{
	const uint64_t *value = hashmap_find(&publisher->published, number);

	return value ? (struct published *)(uintptr_t)*value : NULL;
}

/* Takes the rows of one executable from the kernel side; programs under way may still read them. */
static int publisher_hide(const struct publisher *publisher, const struct published *published)
{
	struct pprofd_executable executable;
	int err = maps_get_executable(publisher->maps, &published->key, &executable);

	if (err == 0) {
		executable = (struct pprofd_executable){
			.number = executable.number,
			.state = PPROFD_EXECUTABLE_PENDING,
			.last_hit_epoch = executable.last_hit_epoch,
		};
		err = maps_put_executable(publisher->maps, &published->key, &executable);
	}
	return err == -ENOENT ? 0 : err;
}

/*
 * Takes the rows of `list` back, all with one wait for programs under way. Should that fail, they
 * are hidden and still published: to be withdrawn another time.
 */
static int publisher_withdraw(struct publisher *publisher, struct published *const *list, size_t cnt)
{
	size_t hidden_cnt = 0;
	int err = 0, wait_err;

	while (hidden_cnt < cnt && err == 0) {
		err = publisher_hide(publisher, list[hidden_cnt]);
		if (err == 0)
			hidden_cnt++;
	}
	if (hidden_cnt == 0)
		return err;
	wait_err = maps_forget_rows(publisher->maps);
	if (wait_err < 0)
		return wait_err;
	for (size_t i = 0; i < hidden_cnt; i++)
		publisher_forget(publisher, list[i]);
	return err;
}

static int published_compare(const void *a, const void *b)
{
	const struct published *left = *(struct published *const *)a, *right = *(struct published *const *)b;

	return (left->last_hit_epoch > right->last_hit_epoch) - (left->last_hit_epoch < right->last_hit_epoch);
}

/* Fills `list` with what was hit neither in this window nor in the one before, the longest ago first. */
static size_t publisher_list_stale(const struct publisher *publisher, struct published **list)
{
	uint32_t now = maps_get_epoch(publisher->maps);
	const struct hashmap_entry *entry;
	size_t pos = 0, cnt = 0;

	while ((entry = hashmap_next(&publisher->published, &pos))) {
		struct published *published = (struct published *)(uintptr_t)entry->value;
		struct pprofd_executable executable;

		published->last_hit_epoch = 0;
		if (maps_get_executable(publisher->maps, &published->key, &executable) == 0)
			published->last_hit_epoch = executable.last_hit_epoch;
		if ((uint64_t)published->last_hit_epoch + 1 < now)
			list[cnt++] = published;
	}
	qsort(list, cnt, sizeof(struct published *), published_compare);
	return cnt;
}

/*
 * Gives back at least `word_cnt` words of row memory at the expense of what is not hit. -ENOSPC, and
 * nothing withdrawn, when that would not do.
 */
static int publisher_make_room(struct publisher *publisher, size_t word_cnt)
{
	_cleanup_(freep) struct published **list = calloc(publisher->published.cnt + 1, sizeof(struct published *));
	size_t wanted = publisher->memory.chunk_max * PPROFD_CHUNK_WORDS / PUBLISHER_ROOM_PART;
	size_t found = 0, cnt = 0, stale_cnt;

	if (!list)
		return -ENOMEM;
	if (wanted < word_cnt)
		wanted = word_cnt;
	stale_cnt = publisher_list_stale(publisher, list);
	while (cnt < stale_cnt && found < wanted)
		found += list[cnt++]->word_cnt;
	if (cnt == 0 || found < word_cnt)
		return -ENOSPC;
	return publisher_withdraw(publisher, list, cnt);
}

/* Sees that `word_cnt` words are free: by more row memory, and once that is at its bound by making room. */
static int publisher_reserve(struct publisher *publisher, size_t word_cnt)
{
	size_t free_cnt;
	int err;

	if (word_cnt > publisher->memory.chunk_max * PPROFD_CHUNK_WORDS)
		return -ENOSPC;
	err = row_memory_reserve(&publisher->memory, word_cnt);
	if (err < 0)
		return err;
	free_cnt = row_memory_count_free(&publisher->memory);
	return free_cnt < word_cnt ? publisher_make_room(publisher, word_cnt - free_cnt) : 0;
}

/* A block of row memory for `published`, at the expense of others when need be: its reference and its words. */
static int publisher_alloc(struct publisher *publisher, struct published *published, size_t word_cnt, uint32_t *ret_ref,
			   uint32_t **ret_words)
{
	struct row_extent extent;
	int err = vec_reserve(&published->extents, &published->extent_cap, published->extent_cnt + 1);

	if (err < 0)
		return err;
	/* Enough may be free, but in pieces. */
	while ((err = row_memory_alloc(&publisher->memory, word_cnt, &extent)) == -ENOSPC) {
		err = publisher_make_room(publisher, word_cnt);
		if (err < 0)
			return err;
	}
	if (err < 0)
		return err;
	published->extents[published->extent_cnt++] = extent;
	published->word_cnt += extent.word_cnt;
	*ret_ref = extent.ref;
	return row_memory_open(&publisher->memory, extent, ret_words);
}

static int publisher_write_pages(struct publisher *publisher, const struct unwind_table *table,
				 struct published *published, struct pprofd_executable *executable, uint32_t *pages)
{
	for (uint32_t i = 0; i < executable->page_cnt; i++) {
		size_t word_cnt = row_page_word_cnt(table, executable->first_page + i);
		uint32_t *words;
		int err;

		pages[i] = 0;
		if (word_cnt == 0)
			continue;
		err = publisher_alloc(publisher, published, word_cnt, &pages[i], &words);
		if (err < 0)
			return err;
		row_page_pack(table, executable->first_page + i, words);
	}
	return 0;
}

/* Words that the whole table takes, but for what blocks leave free between them. */
static size_t table_word_cnt(const struct unwind_table *table, const struct pprofd_executable *executable)
{
	size_t word_cnt = table->rule_cnt * sizeof(*table->rules) / sizeof(uint32_t) + executable->page_cnt;

	for (uint32_t i = 0; i < executable->page_cnt; i++)
		word_cnt += row_page_word_cnt(table, executable->first_page + i);
	return word_cnt;
}

/* Writes all of `table` to row memory; `executable` says where it is. */
static int publisher_write(struct publisher *publisher, const struct unwind_table *table, struct published *published,
			   struct pprofd_executable *executable)
{
	_cleanup_(freep) uint32_t *pages = NULL;
	uint32_t *words;
	int err;

	unwind_table_page_range(table, &executable->first_page, &executable->page_cnt);
	if (executable->page_cnt > PPROFD_PAGES_MAX)
		return -E2BIG;
	pages = calloc(executable->page_cnt + 1, sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	err = publisher_reserve(publisher, table_word_cnt(table, executable));
	if (err < 0)
		return err;
	err = publisher_alloc(publisher, published, table->rule_cnt * sizeof(*table->rules) / sizeof(uint32_t),
			      &executable->rules, &words);
	if (err < 0)
		return err;
	memcpy(words, table->rules, table->rule_cnt * sizeof(*table->rules));
	err = publisher_write_pages(publisher, table, published, executable, pages);
	if (err < 0)
		return err;
	err = publisher_alloc(publisher, published, executable->page_cnt, &executable->page_table, &words);
	if (err < 0)
		return err;
	memcpy(words, pages, executable->page_cnt * sizeof(*pages));
	return 0;
}

/*
 * What the kernel side has written to the entry stays. One that it has no entry of, as it was removed
 * meanwhile, is not made anew: nothing would remove it again. Only the vDSO is there before it is met.
 */
static int publisher_put(struct publisher *publisher, const struct pprofd_executable_key *key,
			 struct pprofd_executable *executable)
{
	struct pprofd_executable known = { 0 };
	int err = maps_get_executable(publisher->maps, key, &known);

	if (err < 0 && (err != -ENOENT || executable->number != PPROFD_EXECUTABLE_VDSO))
		return err;
	executable->last_hit_epoch = known.last_hit_epoch;
	executable->last_request_tick = known.last_request_tick;
	return maps_put_executable(publisher->maps, key, executable);
}

int publisher_publish(struct publisher *publisher, const struct pprofd_executable_key *key, uint32_t number,
		      const struct unwind_table *table)
{
	struct pprofd_executable executable = { .number = number, .state = PPROFD_EXECUTABLE_READY };
	struct published *published = publisher_find(publisher, number);
	int err;

	if (published) {
		err = publisher_withdraw(publisher, &published, 1);
		if (err < 0)
			return err;
	}
	published = calloc(1, sizeof(*published));
	if (!published)
		return -ENOMEM;
	published->key = *key;
	published->number = number;
	err = publisher_write(publisher, table, published, &executable);
	maps_close_chunks(publisher->maps);
	if (err == 0)
		err = hashmap_put(&publisher->published, number, (uintptr_t)published);
	if (err == 0)
		err = publisher_put(publisher, key, &executable);
	if (err < 0) {
		publisher_forget(publisher, published);
		return err;
	}
	published->row_cnt = table->row_cnt;
	publisher->row_cnt += table->row_cnt;
	return 0;
}

int publisher_publish_none(struct publisher *publisher, const struct pprofd_executable_key *key, uint32_t number)
{
	struct pprofd_executable executable = { .number = number, .state = PPROFD_EXECUTABLE_NO_ROWS };

	return publisher_put(publisher, key, &executable);
}

enum publisher_wish publisher_get_wish(const struct publisher *publisher, const struct pprofd_executable_key *key)
{
	struct pprofd_executable executable;

	if (maps_get_executable(publisher->maps, key, &executable) < 0)
		return PUBLISHER_WISH_NONE;
	if (executable.state == PPROFD_EXECUTABLE_PENDING)
		return PUBLISHER_WISH_ROWS;
	return executable.state & PPROFD_EXECUTABLE_CLOSED ? PUBLISHER_WISH_FILE : PUBLISHER_WISH_NONE;
}

int publisher_set_closed(const struct publisher *publisher, const struct pprofd_executable_key *key, bool is_closed)
{
	struct pprofd_executable executable;
	int err = maps_get_executable(publisher->maps, key, &executable);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	/* What is pending asks by itself. */
	if (executable.state == PPROFD_EXECUTABLE_PENDING)
		return 0;
	executable.state &= ~PPROFD_EXECUTABLE_CLOSED;
	if (is_closed)
		executable.state |= PPROFD_EXECUTABLE_CLOSED;
	return maps_put_executable(publisher->maps, key, &executable);
}

/* One executable of the kernel side's map, for sorting by when it was hit. */
struct trim_entry {
	struct pprofd_executable_key key;
	uint32_t number;
	uint32_t last_hit_epoch;
};

static int trim_entry_compare(const void *a, const void *b)
{
	const struct trim_entry *left = a, *right = b;

	return (left->last_hit_epoch > right->last_hit_epoch) - (left->last_hit_epoch < right->last_hit_epoch);
}

static int publisher_list(const struct publisher *publisher, struct trim_entry *entries, size_t *ret_cnt)
{
	const struct pprofd_executable_key *previous = NULL;
	struct pprofd_executable_key key;
	size_t cnt = 0;

	while (cnt < PPROFD_EXECUTABLES_MAX) {
		struct pprofd_executable executable;
		int err = maps_next_executable(publisher->maps, previous, &key);

		if (err == -ENOENT)
			break;
		if (err < 0)
			return err;
		entries[cnt].key = key;
		previous = &entries[cnt].key;
		if (maps_get_executable(publisher->maps, &key, &executable) < 0)
			continue;
		entries[cnt].number = executable.number;
		entries[cnt].last_hit_epoch = executable.last_hit_epoch;
		cnt++;
	}
	*ret_cnt = cnt;
	return 0;
}

/* Keeps of the `cnt` sorted entries what may go: the half hit longest ago, unless it was hit lately. */
static size_t publisher_choose(const struct publisher *publisher, struct trim_entry *entries, size_t cnt)
{
	uint32_t now = maps_get_epoch(publisher->maps);
	size_t chosen_cnt = 0;

	for (size_t i = 0; i < cnt / 2; i++) {
		/* Stacks of this window and the last may still name it; the vDSO is everybody's. */
		if ((uint64_t)entries[i].last_hit_epoch + 1 < now && entries[i].number != PPROFD_EXECUTABLE_VDSO)
			entries[chosen_cnt++] = entries[i];
	}
	return chosen_cnt;
}

static int publisher_withdraw_entries(struct publisher *publisher, const struct trim_entry *entries, size_t cnt)
{
	_cleanup_(freep) struct published **list = calloc(cnt + 1, sizeof(struct published *));
	size_t published_cnt = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		list[published_cnt] = publisher_find(publisher, entries[i].number);
		if (list[published_cnt])
			published_cnt++;
	}
	return publisher_withdraw(publisher, list, published_cnt);
}

int publisher_trim(struct publisher *publisher, void (*on_removed)(void *arg, uint32_t number), void *arg)
{
	_cleanup_(freep) struct trim_entry *entries = NULL;
	size_t cnt;
	int err = row_memory_reserve(&publisher->memory, PUBLISHER_SPARE_WORDS);

	if (err < 0)
		return err;
	if (maps_read_counter(publisher->maps, PPROFD_COUNTER_EXECUTABLES_SEEN) - publisher->removed_cnt <
	    PPROFD_EXECUTABLES_MAX / 4 * 3)
		return 0;
	entries = calloc(PPROFD_EXECUTABLES_MAX, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	err = publisher_list(publisher, entries, &cnt);
	if (err < 0)
		return err;
	qsort(entries, cnt, sizeof(*entries), trim_entry_compare);
	cnt = publisher_choose(publisher, entries, cnt);
	err = publisher_withdraw_entries(publisher, entries, cnt);
	if (err < 0)
		return err;
	for (size_t i = 0; i < cnt; i++) {
		err = maps_remove_executable(publisher->maps, &entries[i].key);
		if (err < 0 && err != -ENOENT)
			return err;
		publisher->removed_cnt += err == 0;
		on_removed(arg, entries[i].number);
	}
	return 0;
}

void publisher_get_stats(const struct publisher *publisher, uint64_t *ret_rows, uint64_t *ret_bytes)
{
	*ret_rows = publisher->row_cnt;
	*ret_bytes = publisher->maps->chunk_cnt * PPROFD_CHUNK_WORDS * sizeof(uint32_t);
}
