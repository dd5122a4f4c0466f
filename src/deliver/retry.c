/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/retry.h"

#include "base/clock.h"

#define RETRY_ASKED_MAX_NS (3600 * NSEC_PER_SEC)

enum retry_verdict retry_judge(long status)
{
	if (status >= 200 && status <= 299)
		return RETRY_DELIVERED;
	if (status == 0 || status == 408 || status == 429 || (status >= 500 && status <= 599))
		return RETRY_LATER;
	return RETRY_NEVER;
}

uint64_t retry_wait_ns(const struct retry_policy *policy, uint32_t failure_cnt, uint32_t random, uint64_t asked_ns)
{
	uint64_t wait_ns = policy->min_ns, chance_ns;

	for (uint32_t i = 1; i < failure_cnt && wait_ns < policy->max_ns; i++) {
		if (__builtin_mul_overflow(wait_ns, 2, &wait_ns))
			wait_ns = policy->max_ns;
	}
	if (wait_ns > policy->max_ns)
		wait_ns = policy->max_ns;
	chance_ns = wait_ns - wait_ns / 2;
	wait_ns = wait_ns / 2 + (uint64_t)((double)chance_ns * (random / (double)UINT32_MAX));

	if (asked_ns > RETRY_ASKED_MAX_NS)
		asked_ns = RETRY_ASKED_MAX_NS;
	return wait_ns > asked_ns ? wait_ns : asked_ns;
}
