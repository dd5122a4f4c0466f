/* SPDX-License-Identifier: Apache-2.0 */
/* Whether and when an attempt is made again. Any thread; no clock of its own. */
#ifndef PPROFD_DELIVER_RETRY_H
#define PPROFD_DELIVER_RETRY_H

#include <stdint.h>

enum retry_verdict {
	RETRY_DELIVERED,
	RETRY_LATER,
	RETRY_NEVER, /* the server will not take it however often it is asked */
};

/* `status` is HTTP's; 0 for no answer. */
enum retry_verdict retry_judge(long status);

struct retry_policy {
	uint64_t min_ns;
	uint64_t max_ns;
};

/*
 * How long to wait after `failure_cnt` >= 1 failures in a row: min_ns doubled with each, at most
 * max_ns, of which the half is by chance (`random`, all 32 bits of it), so that a fleet that failed
 * together does not come back together. Not below `asked_ns`, the server's Retry-After or 0; but a
 * server is not believed beyond an hour, after which it would refuse what waits as too old.
 */
uint64_t retry_wait_ns(const struct retry_policy *policy, uint32_t failure_cnt, uint32_t random, uint64_t asked_ns);

#endif
