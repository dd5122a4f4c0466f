/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for libbpf's header on the host: fields are read from host.kernel, at the offset of the
 * stand-in's struct of that field's name, as CO-RE does for a struct of which bpf/ knows a part only.
 */
#ifndef PPROFD_HOST_BPF_CORE_READ_H
#define PPROFD_HOST_BPF_CORE_READ_H

#include "host.h"

#define preserve_access_index __may_alias__

#define HOST_READ_1(from, a)                                                                                   \
	({                                                                                                     \
		__typeof__((from)->a) host_value;                                                              \
		__u64 host_at = (__u64)(from) + host_relocate(#a, __builtin_offsetof(__typeof__(*(from)), a)); \
                                                                                                               \
		host_read(&host.kernel, &host_value, sizeof(host_value), host_at);                             \
		host_value;                                                                                    \
	})
#define HOST_READ_2(from, a, b)                                         \
	({                                                              \
		__typeof__((from)->a) host_next = HOST_READ_1(from, a); \
                                                                        \
		HOST_READ_1(host_next, b);                              \
	})
#define HOST_READ_PICK(a, b, name, ...) name
#define BPF_CORE_READ(from, ...) HOST_READ_PICK(__VA_ARGS__, HOST_READ_2, HOST_READ_1, )(from, __VA_ARGS__)
#define BPF_CORE_READ_STR_INTO(to, from, a, b)                          \
	({                                                              \
		__typeof__((from)->a) host_next = HOST_READ_1(from, a); \
                                                                        \
		host_read_str(to, sizeof(*(to)), host_next->b);         \
	})

#define bpf_core_field_offset(field) host_field_offset(#field)
#define bpf_core_field_exists(field) host_exists(#field)
#define bpf_core_enum_value_exists(type, value) host_exists(#value)
#define bpf_core_type_size(type) sizeof(type)
#define bpf_core_type_id_kernel(type) 0

#endif
