/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An opened ELF file, or an ELF image in memory (the vDSO).
 *
 * 1. Nothing is trusted: sizes and offsets are checked against the file before use.
 * 2. File offsets and ELF addresses are converted here and nowhere else (object_*_to_*), by the
 *    executable PT_LOAD segments.
 * 3. The object owns its descriptor and its Elf handle; both live until object_close() or object_free().
 * 4. What is closed still knows its path, segments, build id and identity; nothing more can be read of it.
 *
 * One thread at a time per object.
 */
#ifndef PPROFD_TARGET_OBJECT_H
#define PPROFD_TARGET_OBJECT_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Go's has 83 bytes. */
#define OBJECT_BUILD_ID_MAX 96
#define OBJECT_SEGMENTS_MAX 64
/* Bytes of a section at the most, decompressed; the largest .eh_frame seen has 20 MiB. */
#define OBJECT_SECTION_MAX (256u << 20)

/* An executable PT_LOAD: elfva <= va < elfva + size is off <= o < off + size in the file. */
struct object_segment {
	uint64_t elfva;
	uint64_t off;
	uint64_t size; /* bytes in the file */
};

/* What tells a file from others, as it was when it was opened. */
struct object_identity {
	uint64_t size;                              /* bytes */
	uint64_t dev, inode, mtime_sec, mtime_nsec; /* 0 for an image in memory */
};

struct object {
	char *path; /* as the target sees it: for people and for mappings, not for opening */
	int fd;     /* -1 for an image in memory, and when it is closed */
	Elf *elf;   /* NULL when it is closed */
	GElf_Ehdr header;
	struct object_identity identity;
	struct object_segment *segments; /* ascending by elfva */
	size_t segment_cnt;
	unsigned char build_id[OBJECT_BUILD_ID_MAX]; /* GNU build id; Go's when there is no other */
	size_t build_id_len;                         /* 0: it has none */
};

/*
 * Takes `fd` over (closed also on failure). `path` is copied.
 * On success *ret is the caller's; object_free().
 * Returns 0, -EBADMSG when it is not a usable ELF file of this machine's class, -ENOMEM, or the errno of reading.
 */
_must_check_ int object_new_fd(int fd, const char *path, struct object **ret);

/* As object_new_fd, of a copy-free image that outlives the object (the vDSO in our own memory). */
_must_check_ int object_new_memory(void *image, size_t len, const char *path, struct object **ret);

/* Opens `path` itself. Returns as object_new_fd, or the errno of open(). */
_must_check_ int object_new_path(const char *path, struct object **ret);

/* Lets go of the file, so that it keeps neither its place on the disk nor its file system busy. */
void object_close(struct object *object);
bool object_is_open(const struct object *object);

void object_free(struct object *object);
DEFINE_CLEANUP(struct object, object_free);

/* -ENODATA when no executable segment holds it. */
_must_check_ int object_off_to_elfva(const struct object *object, uint64_t off, uint64_t *ret);
_must_check_ int object_elfva_to_off(const struct object *object, uint64_t elfva, uint64_t *ret);

/*
 * The section called `name` of type PROGBITS or NOTE etc., decompressed when SHF_COMPRESSED.
 * A missing ".debug_x" is looked for as ".zdebug_x", GNU's older way to compress.
 * *ret is borrowed from the Elf handle. Returns 0, -ENODATA when there is none, it is empty or NOBITS,
 * -EBADMSG when its bytes are not in the file or more than OBJECT_SECTION_MAX.
 */
_must_check_ int object_get_section(const struct object *object, const char *name, GElf_Shdr *ret_header,
				    Elf_Data **ret);

/* The build id as lower-case hexadecimal; "" without one. `text` holds 2 * OBJECT_BUILD_ID_MAX + 1. */
void object_format_build_id(const struct object *object, char *text);

#endif
