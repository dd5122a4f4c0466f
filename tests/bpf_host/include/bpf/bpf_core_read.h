/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for libbpf's header on the host: fields are read where they are, or as host.c says. */
#ifndef PPROFD_HOST_BPF_CORE_READ_H
#define PPROFD_HOST_BPF_CORE_READ_H

#include "host.h"

#define preserve_access_index __may_alias__

#define HOST_READ_1(from, a) ((from)->a)
#define HOST_READ_2(from, a, b) ((from)->a->b)
#define HOST_READ_3(from, a, b, c) ((from)->a->b->c)
#define HOST_READ_PICK(a, b, c, name, ...) name
#define BPF_CORE_READ(from, ...) HOST_READ_PICK(__VA_ARGS__, HOST_READ_3, HOST_READ_2, HOST_READ_1, )(from, __VA_ARGS__)

#define bpf_core_field_offset(field) host_field_offset(#field)
#define bpf_core_field_exists(field) host_exists(#field)
#define bpf_core_enum_value_exists(type, value) host_exists(#value)
#define bpf_core_type_size(type) sizeof(type)

#endif
