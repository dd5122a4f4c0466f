/* SPDX-License-Identifier: Apache-2.0 */
#include "target/object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

/* Bytes of notes that are looked at, per segment; real ones have a few hundred. */
#define OBJECT_NOTES_MAX (64u << 10)
/* Name and type of the note that Go's linker writes (cmd/internal/buildid). */
#define OBJECT_NOTE_GO "Go\0"
#define OBJECT_NOTE_GO_BUILD_ID 4

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OBJECT_BYTE_ORDER ELFDATA2LSB
#else
#define OBJECT_BYTE_ORDER ELFDATA2MSB
#endif

static int object_compare_segments(const void *left, const void *right)
{
	const struct object_segment *a = left, *b = right;

	if (a->elfva != b->elfva)
		return a->elfva < b->elfva ? -1 : 1;
	return (a->off > b->off) - (a->off < b->off);
}

/* Fills `segments` (OBJECT_SEGMENTS_MAX) with the executable ones as far as the file of `file_size` bytes holds them.
 */
static int object_read_segments(const struct object *object, uint64_t file_size, struct object_segment *segments,
				size_t *ret_cnt)
{
	size_t phdr_cnt, cnt = 0;

	if (elf_getphdrnum(object->elf, &phdr_cnt) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < phdr_cnt; i++) {
		struct object_segment *segment = &segments[cnt];
		GElf_Phdr phdr;

		if (!gelf_getphdr(object->elf, (int)i, &phdr))
			return -EBADMSG;
		if (phdr.p_type != PT_LOAD || !(phdr.p_flags & PF_X) || phdr.p_offset >= file_size)
			continue;
		if (cnt == OBJECT_SEGMENTS_MAX)
			return -EBADMSG;
		segment->elfva = phdr.p_vaddr;
		segment->off = phdr.p_offset;
		segment->size = phdr.p_filesz;
		if (segment->size > file_size - segment->off)
			segment->size = file_size - segment->off;
		if (segment->size > UINT64_MAX - segment->elfva)
			return -EBADMSG;
		if (segment->size)
			cnt++;
	}
	*ret_cnt = cnt;
	return 0;
}

/* Most files have one: the object keeps no more than there are. */
static int object_take_segments(struct object *object, uint64_t file_size)
{
	struct object_segment segments[OBJECT_SEGMENTS_MAX + 1];
	size_t cnt = 0;
	int err = object_read_segments(object, file_size, segments, &cnt);

	if (err < 0)
		return err;
	object->segments = calloc(cnt + 1, sizeof(*object->segments));
	if (!object->segments)
		return -ENOMEM;
	memcpy(object->segments, segments, cnt * sizeof(*segments));
	object->segment_cnt = cnt;
	qsort(object->segments, cnt, sizeof(*object->segments), object_compare_segments);
	return 0;
}

static void object_set_build_id(struct object *object, const void *bytes, size_t len)
{
	object->build_id_len = len < OBJECT_BUILD_ID_MAX ? len : OBJECT_BUILD_ID_MAX;
	memcpy(object->build_id, bytes, object->build_id_len);
}

/* True when `notes` hold GNU's build id; Go's is taken meanwhile. */
static bool object_read_notes(struct object *object, Elf_Data *notes)
{
	size_t pos = 0, name_pos, desc_pos;
	GElf_Nhdr note;

	while ((pos = gelf_getnote(notes, pos, &note, &name_pos, &desc_pos)) > 0) {
		const char *name = (const char *)notes->d_buf + name_pos;
		const char *desc = (const char *)notes->d_buf + desc_pos;

		if (note.n_descsz == 0)
			continue;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
			object_set_build_id(object, desc, note.n_descsz);
			return true;
		}
		if (note.n_type == OBJECT_NOTE_GO_BUILD_ID && note.n_namesz == sizeof(OBJECT_NOTE_GO) &&
		    memcmp(name, OBJECT_NOTE_GO, sizeof(OBJECT_NOTE_GO)) == 0)
			object_set_build_id(object, desc, note.n_descsz);
	}
	return false;
}

static bool object_read_note_segments(struct object *object)
{
	size_t phdr_cnt;

	if (elf_getphdrnum(object->elf, &phdr_cnt) < 0)
		return false;
	for (size_t i = 0; i < phdr_cnt; i++) {
		Elf_Data *notes;
		GElf_Phdr phdr;

		if (!gelf_getphdr(object->elf, (int)i, &phdr) || phdr.p_type != PT_NOTE ||
		    phdr.p_filesz > OBJECT_NOTES_MAX)
			continue;
		/* Chunks live as long as the handle; libelf checks the range against the file. */
		notes = elf_getdata_rawchunk(object->elf, (int64_t)phdr.p_offset, phdr.p_filesz,
					     phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		if (notes && object_read_notes(object, notes))
			return true;
	}
	return false;
}

/* For separate debug files, whose segments lie about what the file holds. */
static bool object_read_note_sections(struct object *object)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(object->elf, section))) {
		Elf_Data *notes;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE || header.sh_size > OBJECT_NOTES_MAX)
			continue;
		notes = elf_getdata(section, NULL);
		if (notes && notes->d_buf && object_read_notes(object, notes))
			return true;
	}
	return false;
}

/* Fills in what has an Elf handle by now. */
static int object_init(struct object *object, const char *path, uint64_t file_size)
{
	int err;

	if (!object->elf || elf_kind(object->elf) != ELF_K_ELF || !gelf_getehdr(object->elf, &object->header)) {
		log_debug("%s: %s", path, object->elf ? "not ELF" : elf_errmsg(-1));
		return -EBADMSG;
	}
	if (object->header.e_ident[EI_CLASS] != ELFCLASS64 || object->header.e_ident[EI_DATA] != OBJECT_BYTE_ORDER ||
	    (object->header.e_type != ET_EXEC && object->header.e_type != ET_DYN))
		return -EBADMSG;
	object->path = strdup(path);
	if (!object->path)
		return -ENOMEM;
	err = object_take_segments(object, file_size);
	if (err < 0)
		return err;
	if (!object_read_note_segments(object))
		object_read_note_sections(object);
	return 0;
}

static int object_alloc(int fd, struct object **ret)
{
	struct object *object;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EBADMSG;
	object = calloc(1, sizeof(*object));
	if (!object)
		return -ENOMEM;
	object->fd = fd;
	*ret = object;
	return 0;
}

int object_new_fd(int fd, const char *path, struct object **ret)
{
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(closep) int held = fd;
	struct stat status;
	int err;

	if (fstat(held, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EBADMSG;
	err = object_alloc(-1, &object);
	if (err < 0)
		return err;
	object->fd = take_fd(held);
	object->identity = (struct object_identity){
		.size = (uint64_t)status.st_size,
		.dev = status.st_dev,
		.inode = status.st_ino,
		.mtime_sec = (uint64_t)status.st_mtim.tv_sec,
		.mtime_nsec = (uint64_t)status.st_mtim.tv_nsec,
	};
	/* Not ELF_C_READ_MMAP: whoever truncates the file would kill us by SIGBUS. */
	object->elf = elf_begin(object->fd, ELF_C_READ, NULL);
	err = object_init(object, path, (uint64_t)status.st_size);
	if (err < 0)
		return err;
	*ret = take_ptr(object);
	return 0;
}

int object_new_memory(void *image, size_t len, const char *path, struct object **ret)
{
	_cleanup_(object_freep) struct object *object = NULL;
	int err = object_alloc(-1, &object);

	if (err < 0)
		return err;
	object->identity.size = len;
	object->elf = elf_memory(image, len);
	err = object_init(object, path, len);
	if (err < 0)
		return err;
	*ret = take_ptr(object);
	return 0;
}

int object_new_path(const char *path, struct object **ret)
{
	/* O_NONBLOCK: a FIFO in the place of a file must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return object_new_fd(fd, path, ret);
}

void object_close(struct object *object)
{
	elf_end(take_ptr(object->elf));
	closep(&object->fd);
	object->fd = -1;
}

bool object_is_open(const struct object *object)
{
	return object->elf != NULL;
}

void object_free(struct object *object)
{
	if (!object)
		return;
	object_close(object);
	free(object->segments);
	free(object->path);
	free(object);
}

int object_off_to_elfva(const struct object *object, uint64_t off, uint64_t *ret)
{
	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];

		if (off >= segment->off && off - segment->off < segment->size) {
			*ret = segment->elfva + (off - segment->off);
			return 0;
		}
	}
	return -ENODATA;
}

int object_elfva_to_off(const struct object *object, uint64_t elfva, uint64_t *ret)
{
	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];

		if (elfva >= segment->elfva && elfva - segment->elfva < segment->size) {
			*ret = segment->off + (elfva - segment->elfva);
			return 0;
		}
	}
	return -ENODATA;
}

/* True when `candidate` is `name`, or ".zdebug_x" for ".debug_x". */
static bool object_name_matches(const char *candidate, const char *name, bool *ret_gnu_compressed)
{
	*ret_gnu_compressed = strncmp(candidate, ".z", 2) == 0;
	if (*ret_gnu_compressed)
		return strncmp(name, ".debug_", 7) == 0 && strcmp(candidate + 2, name + 1) == 0;
	return strcmp(candidate, name) == 0;
}

static int object_find_section(const struct object *object, const char *name, bool *ret_gnu_compressed, Elf_Scn **ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(object->elf, &names) < 0)
		return -ENODATA;
	while ((section = elf_nextscn(object->elf, section))) {
		const char *candidate;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			return -EBADMSG;
		candidate = elf_strptr(object->elf, names, header.sh_name);
		if (candidate && object_name_matches(candidate, name, ret_gnu_compressed)) {
			*ret = section;
			return header.sh_type == SHT_NOBITS || header.sh_size == 0 ? -ENODATA : 0;
		}
	}
	return -ENODATA;
}

/* The size that a GNU-compressed section says it will have; 0 when it is not compressed. DWARF's gABI form knows
 * better. */
static uint64_t object_read_gnu_size(Elf_Scn *section)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	const unsigned char *bytes = data ? data->d_buf : NULL;
	uint64_t size = 0;

	if (!bytes || data->d_size < 12 || memcmp(bytes, "ZLIB", 4) != 0)
		return 0;
	for (size_t i = 4; i < 12; i++)
		size = size << 8 | bytes[i];
	return size;
}

static int object_decompress(Elf_Scn *section, const GElf_Shdr *header, bool gnu_compressed)
{
	GElf_Chdr chdr;

	if (gnu_compressed) {
		uint64_t size = object_read_gnu_size(section);

		if (size == 0)
			return 0;
		return size > OBJECT_SECTION_MAX || elf_compress_gnu(section, 0, 0) < 0 ? -EBADMSG : 0;
	}
	if (!(header->sh_flags & SHF_COMPRESSED))
		return 0;
	if (!gelf_getchdr(section, &chdr) || chdr.ch_size > OBJECT_SECTION_MAX)
		return -EBADMSG;
	return elf_compress(section, 0, 0) < 0 ? -EBADMSG : 0;
}

int object_get_section(const struct object *object, const char *name, GElf_Shdr *ret_header, Elf_Data **ret)
{
	bool gnu_compressed = false;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	int err = object_find_section(object, name, &gnu_compressed, &section);

	if (err < 0)
		return err;
	if (!gelf_getshdr(section, &header) || header.sh_size > OBJECT_SECTION_MAX)
		return -EBADMSG;
	err = object_decompress(section, &header, gnu_compressed);
	if (err < 0) {
		log_debug("%s: %s: %s", object->path, name, elf_errmsg(-1));
		return err;
	}
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf || !gelf_getshdr(section, &header))
		return -EBADMSG;
	*ret_header = header;
	*ret = data;
	return 0;
}

void object_format_build_id(const struct object *object, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < object->build_id_len; i++) {
		*text++ = digits[object->build_id[i] >> 4];
		*text++ = digits[object->build_id[i] & 15];
	}
	*text = '\0';
}
