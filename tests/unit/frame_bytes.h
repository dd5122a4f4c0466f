/* SPDX-License-Identifier: Apache-2.0 */
/* .eh_frame and .debug_frame written entry by entry, for tests of what reads them. */
#ifndef PPROFD_TESTS_UNIT_FRAME_BYTES_H
#define PPROFD_TESTS_UNIT_FRAME_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_BYTES_MAX (2 << 20)

struct frame_bytes {
	unsigned char data[FRAME_BYTES_MAX];
	size_t len;
	uint64_t elfva;
	bool is_eh;
};

/* A program of CFI: PROGRAM(0x0e, 16) is a pointer and a length. */
#define PROGRAM(...) (const unsigned char[]){ __VA_ARGS__ }, sizeof((const unsigned char[]){ __VA_ARGS__ })
#define NO_PROGRAM NULL, 0

void frame_append(struct frame_bytes *bytes, const void *data, size_t len);
void frame_append_u32(struct frame_bytes *bytes, uint32_t value);

/*
 * A CIE for x86-64: code alignment 1, data alignment -8, return address in column 16, `augmentation`
 * ("S" or "") besides what .eh_frame needs. Returns where it is.
 */
size_t frame_add_cie(struct frame_bytes *bytes, const char *augmentation, const unsigned char *program, size_t len);

/* As compilers begin: CFA = rsp + 8, return address at CFA - 8. */
size_t frame_add_usual_cie(struct frame_bytes *bytes);

/* Returns where it is. */
size_t frame_add_fde(struct frame_bytes *bytes, size_t cie, uint64_t start_elfva, uint64_t size,
		     const unsigned char *program, size_t len);

#endif
