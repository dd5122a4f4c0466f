/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

uint32_t maps_get_epoch(const struct maps *maps)
{
	return *maps->epoch;
}

/*
 * Programs run under rcu_read_lock(), so a grace period outlasts all that have begun.
 * MEMBARRIER_CMD_GLOBAL is one, by its documentation; with nohz_full CPUs it is refused, and then
 * replacing an element of a map of maps waits for one too: Linux 1ae80cf31938 ("bpf: wait for running BPF
 * programs when updating map-in-map") (v4.18).
 */
int maps_wait(struct maps *maps)
{
	uint32_t zero = 0;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0)
		return 0;
	return bpf_map_update_elem(maps->fence_fd, &zero, &maps->fence_inner_fd, BPF_ANY) < 0 ? -errno : 0;
}

int maps_end_epoch(struct maps *maps, uint32_t *ret_ended)
{
	uint32_t ended = *maps->epoch;
	int err;

	/* After the zeroes that the last but one epoch's counts were overwritten with. */
	__atomic_store_n(maps->epoch, ended + 1, __ATOMIC_RELEASE);
	err = maps_wait(maps);
	if (err < 0)
		return err;
	*ret_ended = ended;
	return 0;
}

int maps_forget_rows(struct maps *maps)
{
	__atomic_store_n(maps->rows_generation, *maps->rows_generation + 1, __ATOMIC_RELEASE);
	return maps_wait(maps);
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

void maps_set_on_record(struct maps *maps, int (*on_record)(void *arg, const void *record, size_t len), void *arg)
{
	maps->on_record = on_record;
	maps->on_record_arg = arg;
}

int maps_consume(struct maps *maps)
{
	int cnt = ring_buffer__consume(maps->ring);

	return cnt < 0 ? cnt : 0;
}

int maps_get_fd(const struct maps *maps)
{
	return ring_buffer__epoll_fd(maps->ring);
}

int maps_get_executable(const struct maps *maps, const struct pprofd_executable_key *key, struct pprofd_executable *ret)
{
	return bpf_map_lookup_elem(maps->executables_fd, key, ret) < 0 ? -errno : 0;
}

/* Elements are about to change hands: see executable_use() in bpf/. */
static void maps_disturb_executables(const struct maps *maps)
{
	__atomic_store_n(maps->executables_sequence, *maps->executables_sequence + 1, __ATOMIC_RELEASE);
}

int maps_put_executable(const struct maps *maps, const struct pprofd_executable_key *key,
			const struct pprofd_executable *executable)
{
	maps_disturb_executables(maps);
	return bpf_map_update_elem(maps->executables_fd, key, executable, BPF_ANY) < 0 ? -errno : 0;
}

int maps_remove_executable(const struct maps *maps, const struct pprofd_executable_key *key)
{
	maps_disturb_executables(maps);
	return bpf_map_delete_elem(maps->executables_fd, key) < 0 ? -errno : 0;
}

int maps_next_executable(const struct maps *maps, const struct pprofd_executable_key *previous,
			 struct pprofd_executable_key *ret)
{
	return bpf_map_get_next_key(maps->executables_fd, previous, ret) < 0 ? -errno : 0;
}

#define CHUNK_BYTES (PPROFD_CHUNK_WORDS * sizeof(uint32_t))

static int chunk_create(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "row_chunk", sizeof(uint32_t), CHUNK_BYTES, 1, &options);

	return fd < 0 ? -errno : fd;
}

/* Makes chunks first .. first + cnt - 1 known to the kernel side, at once where it can be. */
static int chunks_publish(struct maps *maps, uint32_t first, uint32_t cnt)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	uint32_t numbers[PPROFD_CHUNKS_MAX] = { 0 };
	uint32_t done = cnt;

	for (uint32_t i = 0; i < cnt; i++)
		numbers[i] = first + i;
	/* Kernels that refuse a batch for a map of maps take one after the other. */
	if (bpf_map_update_batch(maps->row_chunks_fd, numbers, &maps->chunk_fds[first], &done, &options) == 0)
		return 0;
	for (uint32_t i = 0; i < cnt; i++) {
		if (bpf_map_update_elem(maps->row_chunks_fd, &numbers[i], &maps->chunk_fds[first + i], BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

int maps_add_chunks(struct maps *maps, uint32_t cnt)
{
	uint32_t first = (uint32_t)maps->chunk_cnt;
	uint32_t made;
	int err = 0;

	if (cnt > PPROFD_CHUNKS_MAX - first)
		return -ENOSPC;
	for (made = 0; made < cnt && err == 0; made++) {
		int fd = chunk_create();

		if (fd < 0)
			err = fd;
		maps->chunk_fds[first + made] = fd;
	}
	if (err == 0)
		err = chunks_publish(maps, first, cnt);
	if (err < 0) {
		while (made > 0)
			closep(&maps->chunk_fds[first + --made]);
		return err;
	}
	maps->chunk_cnt += cnt;
	return 0;
}

int maps_open_chunk(struct maps *maps, uint32_t number, uint32_t **ret)
{
	if (!maps->chunks[number]) {
		void *memory = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, maps->chunk_fds[number], 0);

		if (memory == MAP_FAILED)
			return -errno;
		maps->chunks[number] = memory;
	}
	*ret = maps->chunks[number];
	return 0;
}

void maps_close_chunks(struct maps *maps)
{
	for (size_t i = 0; i < maps->chunk_cnt; i++) {
		if (maps->chunks[i])
			munmap(maps->chunks[i], CHUNK_BYTES);
		maps->chunks[i] = NULL;
	}
}

int maps_add_target(const struct maps *maps, uint32_t tgid)
{
	uint8_t one = 1;

	return bpf_map_update_elem(maps->targets_fd, &tgid, &one, BPF_ANY) < 0 ? -errno : 0;
}
