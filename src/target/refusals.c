/* SPDX-License-Identifier: Apache-2.0 */
#include "target/refusals.h"

#include <errno.h>

void refusals_fini(struct refusals *refusals)
{
	hashmap_fini(&refusals->by_number);
}

/* The epoch from which on it may be tried again, after the `failure_cnt`th failure. */
static uint32_t refusals_epoch(uint32_t failure_cnt, uint32_t epoch, int err)
{
	uint32_t wait = 1;

	switch (err) {
	case -ESRCH:
	case -ESTALE:
		return failure_cnt % REFUSALS_TRIES_MAX ? epoch : epoch + 1;
	case -ENOSPC:
		for (uint32_t i = 1; i < failure_cnt && wait < REFUSALS_WAIT_MAX; i++)
			wait *= 2;
		return epoch + wait;
	default:
		return epoch + 1;
	}
}

int refusals_add(struct refusals *refusals, uint32_t number, uint32_t epoch, int err)
{
	const uint64_t *known = hashmap_find(&refusals->by_number, number);
	uint64_t failure_cnt = known ? (*known >> 32) + 1 : 1;

	if (failure_cnt > UINT32_MAX)
		failure_cnt = UINT32_MAX;
	return hashmap_put(&refusals->by_number, number,
			   failure_cnt << 32 | refusals_epoch((uint32_t)failure_cnt, epoch, err));
}

bool refusals_hold(const struct refusals *refusals, uint32_t number, uint32_t epoch)
{
	const uint64_t *known = hashmap_find(&refusals->by_number, number);

	return known && epoch < (uint32_t)*known;
}

void refusals_remove(struct refusals *refusals, uint32_t number)
{
	hashmap_remove(&refusals->by_number, number);
}
