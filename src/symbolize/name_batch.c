/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/name_batch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/strbuf.h"
#include "symbolize/frame_set.h"

#define NAME_BATCH_KERNEL "[kernel.kallsyms]"
#define NAME_BATCH_ANON "[anon]"
#define NAME_BATCH_UNKNOWN "[unknown]"
#define NAME_BATCH_TRUNCATED "[truncated]"

/* Everything of one call. */
struct name_batch {
	struct symbolizer *symbolizer;
	const struct executables *executables;
	struct frame_set user, kernel;
	struct hashmap picked; /* struct batch_process * -> struct profile * */
	/* One location a frame, one more for what has no frames or for [truncated]. */
	uint32_t locations[PPROFD_KERNEL_FRAMES_MAX + PPROFD_USER_FRAMES_MAX + 1];

	/* The profile being filled, the how-manieth it is, and the indices of its mappings. */
	struct profile *profile;
	uint32_t profile_number;
	struct hashmap mappings; /* number of an executable -> index */
	uint32_t kernel_mapping; /* PROFILE_NO_MAPPING until it is wanted */
};

static void name_batch_fini(struct name_batch *naming)
{
	frame_set_fini(&naming->user);
	frame_set_fini(&naming->kernel);
	hashmap_fini(&naming->picked);
	hashmap_fini(&naming->mappings);
}

static uint32_t frame_executable(uint64_t frame)
{
	return (uint32_t)(frame >> PPROFD_OFF_BITS);
}

static uint64_t frame_off(uint64_t frame)
{
	return frame & PPROFD_OFF_MASK;
}

static bool executable_is_anon(uint32_t number)
{
	return number >= PPROFD_EXECUTABLE_ANON;
}

/* ---- addresses -> symbols ---- */

static int name_batch_gather(struct name_batch *naming, const struct batch *batch)
{
	for (size_t i = 0; i < batch->sample_cnt; i++) {
		const struct batch_stack *stack = batch->samples[i].stack;
		size_t frame_cnt = (size_t)stack->kernel_cnt + stack->user_cnt;

		for (size_t k = 0; k < frame_cnt; k++) {
			struct frame_set *set = k < stack->kernel_cnt ? &naming->kernel : &naming->user;
			int err = frame_set_add(set, stack->frames[k]);

			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* user.frames[first] to [end - 1] are of one executable. */
static int name_batch_resolve_executable(struct name_batch *naming, size_t first, size_t end)
{
	uint32_t number = frame_executable(naming->user.frames[first]);
	const struct executable *executable = executables_use(naming->executables, number);
	_cleanup_(freep) uint64_t *offs = NULL;

	if (!executable || !executable->object)
		return 0;
	offs = calloc(end - first, sizeof(*offs));
	if (!offs)
		return -ENOMEM;
	for (size_t i = first; i < end; i++)
		offs[i - first] = frame_off(naming->user.frames[i]);
	return symbolizer_resolve(naming->symbolizer, executable->object, offs, end - first,
				  &naming->user.symbols[first]);
}

static int name_batch_resolve(struct name_batch *naming)
{
	struct frame_set *user = &naming->user;

	for (size_t first = 0, end; first < user->cnt; first = end) {
		int err;

		for (end = first + 1; end < user->cnt; end++) {
			if (frame_executable(user->frames[end]) != frame_executable(user->frames[first]))
				break;
		}
		err = name_batch_resolve_executable(naming, first, end);
		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < naming->kernel.cnt; i++) {
		int err = symbolizer_resolve_kernel(naming->symbolizer, naming->kernel.frames[i],
						    &naming->kernel.symbols[i]);

		if (err == -ENOMEM)
			return err;
		/* Without kallsyms kernel frames are addresses; `pprofd check` says why. */
	}
	return 0;
}

/* ---- symbols -> locations ---- */

static int name_batch_add_mapping(struct profile *profile, const struct profile_mapping *range, const char *filename,
				  const char *build_id, uint32_t *ret)
{
	int err = profile_add_mapping(profile, range->start, range->limit, range->off, filename, build_id, ret);

	if (err < 0)
		return err;
	profile->mappings[*ret].has_functions = true;
	return 0;
}

/* The mapping of the profile for an executable's frames; made when it is first wanted. */
static int name_batch_get_mapping(struct name_batch *naming, uint32_t number, uint32_t *ret)
{
	const struct executable *executable = executables_find(naming->executables, number);
	uint32_t key = executable_is_anon(number) ? PPROFD_EXECUTABLE_ANON : number;
	const uint64_t *known = hashmap_find(&naming->mappings, key);
	struct profile_mapping range = { .limit = 1ULL << PPROFD_OFF_BITS };
	char build_id[2 * OBJECT_BUILD_ID_MAX + 1] = "";
	const char *filename = NAME_BATCH_UNKNOWN;
	uint32_t mapping;
	int err;

	if (known) {
		*ret = (uint32_t)*known;
		return 0;
	}
	if (executable_is_anon(number)) {
		filename = NAME_BATCH_ANON;
		range.limit = UINT64_MAX;
	} else if (executable) {
		filename = executable_path(executable);
	}
	if (executable && executable->object && executable->object->segment_cnt > 0) {
		const struct object *object = executable->object;
		const struct object_segment *last = &object->segments[object->segment_cnt - 1];

		range.start = object->segments[0].elfva;
		range.limit = last->elfva + last->size;
		range.off = object->segments[0].off;
		object_format_build_id(object, build_id);
	}
	err = name_batch_add_mapping(naming->profile, &range, filename, build_id, &mapping);
	if (err < 0)
		return err;
	*ret = mapping;
	return hashmap_put(&naming->mappings, key, mapping);
}

static int name_batch_get_kernel_mapping(struct name_batch *naming, uint32_t *ret)
{
	/* The upper half, where the kernel is on every 64-bit machine. */
	const struct profile_mapping range = { .start = 1ULL << 63, .limit = UINT64_MAX };

	if (naming->kernel_mapping == PROFILE_NO_MAPPING) {
		int err =
			name_batch_add_mapping(naming->profile, &range, NAME_BATCH_KERNEL, "", &naming->kernel_mapping);

		if (err < 0)
			return err;
	}
	*ret = naming->kernel_mapping;
	return 0;
}

/* Where the target, or its ELF file, has the frame. */
static uint64_t name_batch_address(const struct name_batch *naming, uint64_t frame)
{
	const struct executable *executable = executables_find(naming->executables, frame_executable(frame));
	uint64_t elfva;

	if (executable_is_anon(frame_executable(frame)))
		return frame & PPROFD_ADDRESS_MASK;
	if (executable && executable->object && object_off_to_elfva(executable->object, frame_off(frame), &elfva) == 0)
		return elfva;
	return frame_off(frame);
}

/* A location of one line that names nothing but what there is: "libfoo.so+0x1234", "[truncated]". */
static int name_batch_add_plain(struct profile *profile, uint32_t mapping, uint64_t address, const char *name,
				uint32_t *ret)
{
	struct profile_line line = { 0 };
	int err = profile_add_function(profile, name, name, "", 0, &line.function);

	if (err < 0)
		return err;
	return profile_add_location(profile, mapping, address, &line, 1, ret);
}

static int name_batch_add_unnamed(struct profile *profile, uint32_t mapping, uint64_t address, const char *file,
				  uint32_t *ret)
{
	_cleanup_(strbuf_fini) struct strbuf name = { 0 };
	const char *slash = strrchr(file, '/');

	strbuf_printf(&name, "%s+0x%" PRIx64, slash && slash[1] ? slash + 1 : file, address);
	if (strbuf_error(&name))
		return strbuf_error(&name);
	return name_batch_add_plain(profile, mapping, address, strbuf_text(&name), ret);
}

static int name_batch_add_named(struct profile *profile, uint32_t mapping, uint64_t address,
				const struct symbol *symbol, uint32_t *ret)
{
	struct profile_line lines[SYMBOL_CHAIN_MAX];

	assert(symbol->line_cnt <= SYMBOL_CHAIN_MAX);
	for (size_t i = 0; i < symbol->line_cnt; i++) {
		const struct symbol_line *line = &symbol->lines[i];
		int err = profile_add_function(profile, line->name, line->system_name, line->file, line->start_line,
					       &lines[i].function);

		if (err < 0)
			return err;
		lines[i].line = line->line;
	}
	return profile_add_location(profile, mapping, address, lines, symbol->line_cnt, ret);
}

static const char *name_batch_file(const struct name_batch *naming, uint32_t number)
{
	const struct executable *executable = executables_find(naming->executables, number);

	if (executable_is_anon(number))
		return "[jit]";
	return executable ? executable_path(executable) : NAME_BATCH_UNKNOWN;
}

static int name_batch_add_user(struct name_batch *naming, size_t i, uint32_t *ret)
{
	uint64_t frame = naming->user.frames[i];
	uint64_t address = name_batch_address(naming, frame);
	uint32_t mapping;
	int err = name_batch_get_mapping(naming, frame_executable(frame), &mapping);

	if (err < 0)
		return err;
	if (naming->user.symbols[i].line_cnt == 0)
		return name_batch_add_unnamed(naming->profile, mapping, address,
					      name_batch_file(naming, frame_executable(frame)), ret);
	return name_batch_add_named(naming->profile, mapping, address, &naming->user.symbols[i], ret);
}

static int name_batch_add_kernel(struct name_batch *naming, size_t i, uint32_t *ret)
{
	uint64_t address = naming->kernel.frames[i];
	uint32_t mapping;
	int err = name_batch_get_kernel_mapping(naming, &mapping);

	if (err < 0)
		return err;
	if (naming->kernel.symbols[i].line_cnt == 0)
		return name_batch_add_unnamed(naming->profile, mapping, address, NAME_BATCH_KERNEL, ret);
	return name_batch_add_named(naming->profile, mapping, address, &naming->kernel.symbols[i], ret);
}

/* The location of a frame in the profile being filled; made when it is first wanted. */
static int name_batch_get_location(struct name_batch *naming, bool is_kernel, uint64_t frame, uint32_t *ret)
{
	struct frame_set *set = is_kernel ? &naming->kernel : &naming->user;
	size_t i = frame_set_find(set, frame);

	if (set->profiles[i] != naming->profile_number) {
		int err = is_kernel ? name_batch_add_kernel(naming, i, &set->locations[i]) :
				      name_batch_add_user(naming, i, &set->locations[i]);

		if (err < 0)
			return err;
		set->profiles[i] = naming->profile_number;
	}
	*ret = set->locations[i];
	return 0;
}

/* ---- samples ---- */

static int name_batch_add_sample(struct name_batch *naming, const struct batch_sample *sample)
{
	const struct batch_stack *stack = sample->stack;
	const int64_t values[PROFILE_VALUES_MAX] = { (int64_t)sample->count, (int64_t)sample->value };
	size_t frame_cnt = (size_t)stack->kernel_cnt + stack->user_cnt;
	const char *pseudo = NULL;
	int err;

	/* The kernel side promises it: include/pprofd/limits.h. */
	if (frame_cnt >= ARRAY_LEN(naming->locations))
		frame_cnt = ARRAY_LEN(naming->locations) - 1;
	for (size_t k = 0; k < frame_cnt; k++) {
		err = name_batch_get_location(naming, k < stack->kernel_cnt, stack->frames[k], &naming->locations[k]);
		if (err < 0)
			return err;
	}
	if (stack->stop == PPROFD_STOP_TRUNCATED)
		pseudo = NAME_BATCH_TRUNCATED;
	else if (frame_cnt == 0)
		pseudo = NAME_BATCH_UNKNOWN;
	if (pseudo) {
		err = name_batch_add_plain(naming->profile, PROFILE_NO_MAPPING, 0, pseudo,
					   &naming->locations[frame_cnt]);
		if (err < 0)
			return err;
		frame_cnt++;
	}
	return profile_add_sample(naming->profile, naming->locations, frame_cnt, values);
}

/* Makes `profile` the one being filled. */
static int name_batch_begin_profile(struct name_batch *naming, struct profile *profile,
				    const struct batch_process *process)
{
	uint32_t mapping;

	naming->profile = profile;
	naming->profile_number++;
	naming->kernel_mapping = PROFILE_NO_MAPPING;
	hashmap_fini(&naming->mappings);
	if (profile->mapping_cnt > 0 || !executables_find(naming->executables, process->executable))
		return 0;
	return name_batch_get_mapping(naming, process->executable, &mapping);
}

static int name_batch_pick(struct name_batch *naming, const struct name_batch_picker *picker,
			   const struct batch_process *process, struct profile **ret)
{
	const uint64_t *known = hashmap_find(&naming->picked, (uintptr_t)process);
	struct profile *profile;
	int err;

	if (known) {
		*ret = (struct profile *)(uintptr_t)*known;
		return 0;
	}
	err = picker->pick(picker->arg, process, &profile);
	if (err < 0)
		return err;
	*ret = profile;
	return hashmap_put(&naming->picked, (uintptr_t)process, (uintptr_t)profile);
}

/* A sample and where it goes, in the order in which profiles are filled. */
struct name_batch_entry {
	struct profile *profile;
	const struct batch_sample *sample;
};

static int name_batch_compare_entries(const void *left, const void *right)
{
	const struct name_batch_entry *a = left, *b = right;

	if (a->profile != b->profile)
		return (uintptr_t)a->profile < (uintptr_t)b->profile ? -1 : 1;
	return (a->sample > b->sample) - (a->sample < b->sample);
}

static int name_batch_add_samples(struct name_batch *naming, const struct batch *batch,
				  const struct name_batch_picker *picker)
{
	_cleanup_(freep) struct name_batch_entry *entries = calloc(batch->sample_cnt + 1, sizeof(*entries));
	int err;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < batch->sample_cnt; i++) {
		entries[i].sample = &batch->samples[i];
		err = name_batch_pick(naming, picker, batch->samples[i].process, &entries[i].profile);
		if (err < 0)
			return err;
	}
	qsort(entries, batch->sample_cnt, sizeof(*entries), name_batch_compare_entries);
	for (size_t i = 0; i < batch->sample_cnt; i++) {
		if (entries[i].profile != naming->profile) {
			err = name_batch_begin_profile(naming, entries[i].profile, entries[i].sample->process);
			if (err < 0)
				return err;
		}
		err = name_batch_add_sample(naming, entries[i].sample);
		if (err < 0)
			return err;
	}
	return 0;
}

int name_batch(struct symbolizer *symbolizer, const struct executables *executables, const struct batch *batch,
	       const struct name_batch_picker *picker)
{
	_cleanup_(name_batch_fini) struct name_batch naming = {
		.symbolizer = symbolizer,
		.executables = executables,
	};
	int err = name_batch_gather(&naming, batch);

	if (err < 0)
		return err;
	err = frame_set_sort(&naming.user);
	if (err < 0)
		return err;
	err = frame_set_sort(&naming.kernel);
	if (err < 0)
		return err;
	err = name_batch_resolve(&naming);
	if (err < 0)
		return err;
	return name_batch_add_samples(&naming, batch, picker);
}
