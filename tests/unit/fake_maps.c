/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_maps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "base/vec.h"

#define CHUNK_BYTES (PPROFD_CHUNK_WORDS * sizeof(uint32_t))

static struct fake_maps *fake_of(const struct maps *maps)
{
	return (struct fake_maps *)(uintptr_t)maps;
}

void fake_maps_init(struct fake_maps *fake)
{
	*fake = (struct fake_maps){ .epoch = 1, .rows_generation = 1 };
	fake->executables = calloc(FAKE_EXECUTABLES_MAX, sizeof(*fake->executables));
	assert_non_null(fake->executables);
	fake->maps.cpu_cnt = FAKE_CPU_CNT;
	fake->maps.bucket_cnt = FAKE_BUCKET_CNT;
	fake->maps.epoch = &fake->epoch;
	fake->maps.rows_generation = &fake->rows_generation;
	fake->maps.counters = fake->counters;
	fake->maps.buckets = fake->buckets;
	fake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(fake->fd >= 0);
}

void fake_maps_fini(struct fake_maps *fake)
{
	for (size_t i = 0; i < fake->record_cnt; i++)
		free(fake->records[i].data);
	for (size_t i = 0; i < fake->maps.chunk_cnt; i++)
		free(fake->chunks[i]);
	free(fake->records);
	free(fake->rows);
	free(fake->executables);
	hashmap_fini(&fake->executable_index);
	close(fake->fd);
}

/* ---- epochs and counts ---- */

uint32_t maps_get_epoch(const struct maps *maps)
{
	return *maps->epoch;
}

int maps_wait(struct maps *maps)
{
	struct fake_maps *fake = fake_of(maps);
	void (*on_wait)(struct fake_maps *) = take_ptr(fake->on_wait);

	fake->wait_cnt++;
	if (on_wait)
		on_wait(fake);
	return fake->wait_error;
}

int maps_end_epoch(struct maps *maps, uint32_t *ret_ended)
{
	uint32_t ended = *maps->epoch;
	int err;

	*maps->epoch = ended + 1;
	err = maps_wait(maps);
	if (err < 0)
		return err;
	*ret_ended = ended;
	return 0;
}

struct pprofd_bucket *maps_get_buckets(const struct maps *maps, uint32_t epoch, uint32_t cpu)
{
	return maps->buckets + ((size_t)(epoch & 1) * maps->cpu_cnt + cpu) * maps->bucket_cnt;
}

uint64_t maps_read_counter(const struct maps *maps, enum pprofd_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < maps->cpu_cnt; cpu++)
		sum += maps->counters[cpu].value[counter];
	return sum;
}

void fake_maps_count(struct fake_maps *fake, uint32_t epoch, uint32_t cpu, uint32_t slot, struct pprofd_slot count)
{
	struct pprofd_bucket *buckets = maps_get_buckets(&fake->maps, epoch, cpu);

	buckets[slot / PPROFD_BUCKET_SLOTS].slots[slot % PPROFD_BUCKET_SLOTS] = count;
}

/* ---- records ---- */

void fake_maps_send(struct fake_maps *fake, const void *record, size_t len)
{
	struct fake_record *copy;

	assert_int_equal(vec_reserve(&fake->records, &fake->record_cap, fake->record_cnt + 1), 0);
	copy = &fake->records[fake->record_cnt++];
	/* To the byte, so that reading beyond it is seen. */
	copy->data = malloc(len ? len : 1);
	assert_non_null(copy->data);
	memcpy(copy->data, record, len);
	copy->len = len;
	assert_int_equal(eventfd_write(fake->fd, 1), 0);
}

void fake_maps_send_stack(struct fake_maps *fake, uint32_t epoch, uint64_t stack, uint64_t frame)
{
	const size_t len = sizeof(struct pprofd_stack_record) + sizeof(frame);
	_cleanup_(freep) struct pprofd_stack_record *sent = calloc(1, len);

	assert_non_null(sent);
	sent->head = (struct pprofd_record){ PPROFD_RECORD_STACK, epoch };
	sent->stack = stack;
	sent->user_cnt = 1;
	sent->stop = PPROFD_STOP_COMPLETE;
	sent->frames[0] = frame;
	fake_maps_send(fake, sent, len);
}

void fake_maps_send_process(struct fake_maps *fake, uint32_t epoch, uint64_t process)
{
	const struct pprofd_process_record record = {
		.head = { PPROFD_RECORD_PROCESS, epoch },
		.process = process,
		.tgid = (uint32_t)process,
		.comm = "fake",
	};

	fake_maps_send(fake, &record, sizeof(record));
}

void maps_set_on_record(struct maps *maps, int (*on_record)(void *arg, const void *record, size_t len), void *arg)
{
	maps->on_record = on_record;
	maps->on_record_arg = arg;
}

int maps_consume(struct maps *maps)
{
	struct fake_maps *fake = fake_of(maps);
	int err = fake->consume_error;
	eventfd_t woken;
	size_t done = 0;

	while (err == 0 && done < fake->record_cnt) {
		struct fake_record *record = &fake->records[done++];

		if (maps->on_record)
			err = maps->on_record(maps->on_record_arg, record->data, record->len);
		free(record->data);
	}
	if (done)
		memmove(fake->records, fake->records + done, (fake->record_cnt - done) * sizeof(*fake->records));
	fake->record_cnt -= done;
	if (fake->record_cnt == 0)
		(void)eventfd_read(fake->fd, &woken);
	return err;
}

int maps_get_fd(const struct maps *maps)
{
	return fake_of(maps)->fd;
}

/* ---- row memory ---- */

static const uint32_t *fake_words(const struct fake_maps *fake, uint32_t ref)
{
	assert_true(ref >> PPROFD_CHUNK_BITS < fake->maps.chunk_cnt);
	return fake->chunks[ref >> PPROFD_CHUNK_BITS] + (ref & (PPROFD_CHUNK_WORDS - 1));
}

static uint32_t fake_index(const uint32_t *page, uint32_t bucket)
{
	return page[bucket / 2] >> (bucket % 2 * 16) & 0xffff;
}

/* Everything that an entry leads to, but for the rules that no row names. */
static uint64_t fake_checksum(const struct fake_maps *fake, const struct pprofd_executable *executable)
{
	const uint32_t *table = fake_words(fake, executable->page_table);
	uint64_t sum = hashmap_hash_bytes(table, executable->page_cnt * sizeof(*table));

	for (uint32_t i = 0; i < executable->page_cnt; i++) {
		const uint32_t *page = table[i] ? fake_words(fake, table[i]) : NULL;
		uint32_t last = page ? fake_index(page, PPROFD_BUCKETS_PER_PAGE) : 0;

		if (page)
			sum ^= hashmap_hash_bytes(page, (PPROFD_BUCKET_WORDS + last + 1) * sizeof(*page)) * (i + 3);
	}
	return sum ^ hashmap_hash_bytes(fake_words(fake, executable->rules), sizeof(struct pprofd_rule));
}

static void fake_check_rows(struct fake_maps *fake)
{
	for (size_t i = 0; i < fake->rows_cnt; i++)
		fake->torn_cnt += fake_checksum(fake, &fake->rows[i].executable) != fake->rows[i].checksum;
}

static bool fake_is_published(const struct fake_maps *fake, const struct pprofd_executable *executable)
{
	for (size_t i = 0; i < FAKE_EXECUTABLES_MAX; i++) {
		const struct fake_executable *entry = &fake->executables[i];

		if (entry->is_used && entry->value.number == executable->number)
			return (entry->value.state & PPROFD_EXECUTABLE_STATE_MASK) == PPROFD_EXECUTABLE_READY &&
			       entry->value.page_table == executable->page_table;
	}
	return false;
}

int maps_forget_rows(struct maps *maps)
{
	struct fake_maps *fake = fake_of(maps);
	size_t kept = 0;
	int err;

	*maps->rows_generation += 1;
	fake->forget_cnt++;
	err = maps_wait(maps);
	if (err < 0)
		return err;
	fake_check_rows(fake);
	for (size_t i = 0; i < fake->rows_cnt; i++) {
		if (fake_is_published(fake, &fake->rows[i].executable))
			fake->rows[kept++] = fake->rows[i];
	}
	fake->rows_cnt = kept;
	return 0;
}

int maps_add_chunks(struct maps *maps, uint32_t cnt)
{
	struct fake_maps *fake = fake_of(maps);

	if (fake->add_chunks_error < 0)
		return fake->add_chunks_error;
	if (cnt > PPROFD_CHUNKS_MAX - maps->chunk_cnt)
		return -ENOSPC;
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t *chunk = malloc(CHUNK_BYTES);

		assert_non_null(chunk);
		memset(chunk, 0xa5, CHUNK_BYTES);
		fake->chunks[maps->chunk_cnt++] = chunk;
	}
	return 0;
}

int maps_open_chunk(struct maps *maps, uint32_t number, uint32_t **ret)
{
	struct fake_maps *fake = fake_of(maps);

	assert_true(number < maps->chunk_cnt);
	if (fake->open_chunk_error < 0 && fake->open_chunk_left-- == 0)
		return fake->open_chunk_error;
	maps->chunks[number] = fake->chunks[number];
	*ret = maps->chunks[number];
	return 0;
}

void maps_close_chunks(struct maps *maps)
{
	for (size_t i = 0; i < maps->chunk_cnt; i++)
		maps->chunks[i] = NULL;
	fake_check_rows(fake_of(maps));
}

size_t fake_maps_open_cnt(const struct fake_maps *fake)
{
	size_t cnt = 0;

	for (size_t i = 0; i < fake->maps.chunk_cnt; i++)
		cnt += fake->maps.chunks[i] != NULL;
	return cnt;
}

/* ---- executables ---- */

struct pprofd_executable_key fake_key(uint64_t inode)
{
	if (inode == 0)
		return (struct pprofd_executable_key){ .ctime_ns = PPROFD_EXECUTABLE_VDSO };
	return (struct pprofd_executable_key){ .inode = inode, .ctime_ns = 1, .dev = 8 << 20 };
}

static struct fake_executable *fake_find(const struct fake_maps *fake, const struct pprofd_executable_key *key)
{
	const uint64_t *index = hashmap_find(&fake->executable_index, hashmap_hash_bytes(key, sizeof(*key)));

	return index ? &fake->executables[*index] : NULL;
}

static int fake_add(struct fake_maps *fake, const struct pprofd_executable_key *key,
		    const struct pprofd_executable *value)
{
	for (size_t i = 0; i < FAKE_EXECUTABLES_MAX; i++) {
		if (fake->executables[i].is_used)
			continue;
		fake->executables[i] = (struct fake_executable){ *key, *value, true };
		return hashmap_put(&fake->executable_index, hashmap_hash_bytes(key, sizeof(*key)), i);
	}
	return -E2BIG;
}

void fake_maps_meet_key(struct fake_maps *fake, const struct pprofd_executable_key *key, uint32_t number)
{
	const struct pprofd_executable value = { .number = number, .last_hit_epoch = fake->epoch };

	assert_null(fake_find(fake, key));
	assert_int_equal(fake_add(fake, key, &value), 0);
	fake->counters[number % FAKE_CPU_CNT].value[PPROFD_COUNTER_EXECUTABLES_SEEN]++;
}

void fake_maps_meet(struct fake_maps *fake, uint64_t inode, uint32_t number)
{
	const struct pprofd_executable_key key = fake_key(inode);

	fake_maps_meet_key(fake, &key, number);
}

void fake_maps_hit(struct fake_maps *fake, uint64_t inode)
{
	const struct pprofd_executable_key key = fake_key(inode);
	struct fake_executable *found = fake_find(fake, &key);

	assert_non_null(found);
	found->value.last_hit_epoch = fake->epoch;
}

const struct pprofd_executable *fake_maps_find(const struct fake_maps *fake, uint64_t inode)
{
	const struct pprofd_executable_key key = fake_key(inode);
	const struct fake_executable *found = fake_find(fake, &key);

	return found ? &found->value : NULL;
}

const struct pprofd_rule *fake_maps_find_rule(const struct fake_maps *fake, uint64_t inode, uint64_t off)
{
	const struct pprofd_executable *executable = fake_maps_find(fake, inode);
	const struct pprofd_rule *rules;
	const uint32_t *page;
	uint32_t ref, row;

	if (!executable || executable->state != PPROFD_EXECUTABLE_READY)
		return NULL;
	if ((off >> PPROFD_PAGE_BITS) - executable->first_page >= executable->page_cnt)
		return NULL;
	ref = fake_words(fake, executable->page_table)[(off >> PPROFD_PAGE_BITS) - executable->first_page];
	if (ref == 0)
		return NULL;
	page = fake_words(fake, ref);
	row = fake_index(page, PPROFD_BUCKETS_PER_PAGE);
	while (row > 0 && page[PPROFD_BUCKET_WORDS + row] >> 16 > (off & 0xffff))
		row--;
	rules = (const void *)fake_words(fake, executable->rules);
	return &rules[page[PPROFD_BUCKET_WORDS + row] & 0xffff];
}

int maps_get_executable(const struct maps *maps, const struct pprofd_executable_key *key, struct pprofd_executable *ret)
{
	const struct fake_executable *found = fake_find(fake_of(maps), key);

	if (fake_of(maps)->get_error < 0)
		return fake_of(maps)->get_error;
	if (!found)
		return -ENOENT;
	*ret = found->value;
	return 0;
}

int maps_put_executable(const struct maps *maps, const struct pprofd_executable_key *key,
			const struct pprofd_executable *executable)
{
	struct fake_maps *fake = fake_of(maps);
	struct fake_executable *found = fake_find(fake, key);

	fake_check_rows(fake);
	if (fake->put_error < 0)
		return fake->put_error;
	if ((executable->state & PPROFD_EXECUTABLE_STATE_MASK) == PPROFD_EXECUTABLE_READY) {
		assert_int_equal(vec_reserve(&fake->rows, &fake->rows_cap, fake->rows_cnt + 1), 0);
		fake->rows[fake->rows_cnt++] = (struct fake_rows){ *executable, fake_checksum(fake, executable) };
	}
	if (!found)
		return fake_add(fake, key, executable);
	found->value = *executable;
	return 0;
}

int maps_remove_executable(const struct maps *maps, const struct pprofd_executable_key *key)
{
	struct fake_maps *fake = fake_of(maps);
	struct fake_executable *found = fake_find(fake, key);

	if (!found)
		return -ENOENT;
	found->is_used = false;
	hashmap_remove(&fake->executable_index, hashmap_hash_bytes(key, sizeof(*key)));
	return 0;
}

int maps_next_executable(const struct maps *maps, const struct pprofd_executable_key *previous,
			 struct pprofd_executable_key *ret)
{
	const struct fake_maps *fake = fake_of(maps);
	const struct fake_executable *found = previous ? fake_find(fake, previous) : NULL;

	if (fake->next_error < 0)
		return fake->next_error;
	for (size_t i = found ? (size_t)(found - fake->executables) + 1 : 0; i < FAKE_EXECUTABLES_MAX; i++) {
		if (fake->executables[i].is_used) {
			*ret = fake->executables[i].key;
			return 0;
		}
	}
	return -ENOENT;
}

int maps_add_target(const struct maps *maps, uint32_t tgid)
{
	(void)maps;
	(void)tgid;
	return 0;
}
