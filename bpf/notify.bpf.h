/* SPDX-License-Identifier: GPL-2.0-only */
/* What user space is told through the ring buffer, and when it is woken. */
#ifndef PPROFD_NOTIFY_BPF_H
#define PPROFD_NOTIFY_BPF_H

/* A record that can wait until the window ends wakes nobody, unless the ring buffer fills up. */
static __always_inline int notify_lazily(void *record, __u64 len)
{
	__u64 flags =
		bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_wake_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;

	return bpf_ringbuf_output(&ring, record, len, flags);
}

/* A record that is wanted now. */
static __always_inline int notify_now(void *record, __u64 len)
{
	return bpf_ringbuf_output(&ring, record, len, BPF_RB_FORCE_WAKEUP);
}

#endif
