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
	struct row_extent *extents; /* its pages, then rules, then page table */
	size_t extent_cnt, extent_cap;
};

/* Row memory that is kept free for executables to come, in words: most need no more. */
#define PUBLISHER_SPARE_WORDS (PPROFD_CHUNK_WORDS / 2)

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

/* Takes the rows of one executable from the kernel side. */
static int publisher_withdraw(struct publisher *publisher, struct published *published)
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
	if (err < 0 && err != -ENOENT)
		return err;
	err = maps_forget_rows(publisher->maps);
	if (err < 0)
		return err;
	publisher_forget(publisher, published);
	return 0;
}

/* The executable that was hit longest ago, but not in this window or the one before; NULL: there is none. */
static struct published *publisher_find_stale(const struct publisher *publisher)
{
	uint32_t oldest = maps_get_epoch(publisher->maps) - 1;
	const struct hashmap_entry *entry;
	struct published *stale = NULL;
	size_t pos = 0;

	while ((entry = hashmap_next(&publisher->published, &pos))) {
		struct published *published = (struct published *)(uintptr_t)entry->value;
		struct pprofd_executable executable;

		if (maps_get_executable(publisher->maps, &published->key, &executable) < 0)
			return published;
		if (executable.last_hit_epoch < oldest) {
			oldest = executable.last_hit_epoch;
			stale = published;
		}
	}
	return stale;
}

/* A block of row memory for `published`, at the expense of others when need be: its reference and its words. */
static int publisher_alloc(struct publisher *publisher, struct published *published, size_t word_cnt, uint32_t *ret_ref,
			   uint32_t **ret_words)
{
	struct row_extent extent;
	int err = vec_reserve(&published->extents, &published->extent_cap, published->extent_cnt + 1);

	if (err < 0)
		return err;
	for (;;) {
		struct published *stale;

		err = row_memory_alloc(&publisher->memory, word_cnt, &extent);
		if (err != -ENOSPC)
			break;
		stale = publisher_find_stale(publisher);
		if (!stale)
			return -ENOSPC;
		err = publisher_withdraw(publisher, stale);
		if (err < 0)
			return err;
	}
	if (err < 0)
		return err;
	published->extents[published->extent_cnt++] = extent;
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
	err = row_memory_reserve(&publisher->memory, table_word_cnt(table, executable));
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

/* What the kernel side has written to the entry stays. */
static int publisher_put(struct publisher *publisher, const struct pprofd_executable_key *key,
			 struct pprofd_executable *executable)
{
	struct pprofd_executable known;

	if (maps_get_executable(publisher->maps, key, &known) == 0) {
		executable->last_hit_epoch = known.last_hit_epoch;
		executable->last_request_tick = known.last_request_tick;
	}
	return maps_put_executable(publisher->maps, key, executable);
}

int publisher_publish(struct publisher *publisher, const struct pprofd_executable_key *key, uint32_t number,
		      const struct unwind_table *table)
{
	struct pprofd_executable executable = { .number = number, .state = PPROFD_EXECUTABLE_READY };
	uint64_t *old = hashmap_find(&publisher->published, number);
	struct published *published;
	int err;

	if (old) {
		err = publisher_withdraw(publisher, (struct published *)(uintptr_t)*old);
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

static int publisher_remove(struct publisher *publisher, const struct trim_entry *entry)
{
	uint64_t *published = hashmap_find(&publisher->published, entry->number);

	if (published) {
		int err = publisher_withdraw(publisher, (struct published *)(uintptr_t)*published);

		if (err < 0)
			return err;
	}
	publisher->removed_cnt++;
	return maps_remove_executable(publisher->maps, &entry->key);
}

int publisher_trim(struct publisher *publisher, void (*on_removed)(void *arg, uint32_t number), void *arg)
{
	_cleanup_(freep) struct trim_entry *entries = NULL;
	uint32_t now = maps_get_epoch(publisher->maps);
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
	for (size_t i = 0; i < cnt / 2; i++) {
		/* Stacks of this window and the last may still name it; the vDSO is everybody's. */
		if (entries[i].last_hit_epoch + 1 >= now || entries[i].number == PPROFD_EXECUTABLE_VDSO)
			continue;
		err = publisher_remove(publisher, &entries[i]);
		if (err < 0 && err != -ENOENT)
			return err;
		on_removed(arg, entries[i].number);
	}
	return 0;
}

void publisher_get_stats(const struct publisher *publisher, uint64_t *ret_rows, uint64_t *ret_bytes)
{
	*ret_rows = publisher->row_cnt;
	*ret_bytes = publisher->maps->chunk_cnt * PPROFD_CHUNK_WORDS * sizeof(uint32_t);
}
