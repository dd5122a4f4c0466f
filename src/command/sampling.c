/* SPDX-License-Identifier: Apache-2.0 */
#include "command/sampling.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* options.def has the words of --demangle in this order. */
_Static_assert(DEMANGLE_FULL == 0 && DEMANGLE_SIMPLIFIED == 1 && DEMANGLE_OFF == 2, "order of --demangle");

struct pipeline_options sampling_options(const struct config *config, const struct sampling_mode *mode)
{
	return (struct pipeline_options){
		.event = config->event,
		.sample_hz = (uint32_t)config->sample_hz,
		.window_ns = mode->window_ns,
		.only_targets = mode->only_targets,
		.per_service = mode->per_service,
		.demangle = (enum demangle_mode)config->demangle,
		.row_memory_max = config->row_memory,
		.ring_bytes = (uint32_t)config->ring_bytes,
		.buckets_per_cpu = (uint32_t)config->buckets_per_cpu,
	};
}

int sampling_new(const struct config *config, const struct sampling_mode *mode, struct pipeline **ret)
{
	_cleanup_(strbuf_fini) struct strbuf why = { 0 };
	const struct pipeline_options options = sampling_options(config, mode);
	int err = pipeline_new(&options, ret);

	if (err < 0) {
		sampling_explain(&why, err, config->event);
		log_error("cannot sample: %s", strbuf_text(&why));
	}
	return err;
}

/* struct sched_attr (linux/sched/types.h), which glibc of Debian 12 does not have. */
#define SLICE_RESET_ON_FORK 1
struct slice_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t util_min, util_max;
};

/*
 * Asks for short turns, which come sooner: a process that lives for a millisecond must be looked at at
 * once, or its files cannot be opened. Linux 857b158dc5e8 ("sched/eevdf: Use sched_attr::sched_runtime to set
 * request/slice suggestion") (v6.12); older kernels take no notice.
 */
static void sampling_ask_for_short_turns(void)
{
	struct slice_attr attr = {
		.size = sizeof(attr),
		.flags = SLICE_RESET_ON_FORK,
		.nice = getpriority(PRIO_PROCESS, 0),
		.runtime_ns = 100000,
	};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		log_debug("cannot ask for short turns: %s", strerror(errno));
}

int sampling_start(const struct config *config, struct pipeline *pipeline, uint64_t warm_up_ns)
{
	_cleanup_(strbuf_fini) struct strbuf why = { 0 };
	int err;

	sampling_ask_for_short_turns();
	err = warm_up_ns ? pipeline_warm_up(pipeline, warm_up_ns) : 0;

	if (err == 0)
		err = pipeline_start(pipeline);
	if (err < 0) {
		sampling_explain(&why, err, config->event);
		log_error("cannot start to sample: %s", strbuf_text(&why));
	}
	return err;
}

void sampling_explain(struct strbuf *buf, int err, const char *event)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		strbuf_puts(buf, "not permitted: it needs CAP_BPF and CAP_PERFMON (run as root, or give them to the "
				 "program with setcap); \"pprofd check\" says more");
		return;
	case -ENOENT:
	case -ENODEV:
	case -EINVAL:
		strbuf_printf(buf, "this machine has no event \"%.100s\"; cpu-clock is there always", event);
		return;
	case -EOPNOTSUPP:
	case -ENOSYS:
		strbuf_puts(buf, "this kernel lacks what it needs; \"pprofd check\" says what");
		return;
	default:
		strbuf_printf(buf, "%s; \"pprofd check\" may say more", strerror(-err));
	}
}
