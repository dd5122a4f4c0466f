/* SPDX-License-Identifier: Apache-2.0 */
/* Opens library.c's library (argv[2]) while it runs. */
#include <dlfcn.h>

#include "target.h"

int main(int argc, char **argv)
{
	uint64_t (*run)(uint64_t value);
	uint64_t value = 1;
	void *library;

	library = argc > 2 ? dlopen(argv[2], RTLD_NOW) : NULL;
	if (!library) {
		fprintf(stderr, "dlopened: %s\n", argc > 2 ? dlerror() : "no library given");
		return 2;
	}
	*(void **)&run = dlsym(library, "library_run");
	if (!run)
		return 2;
	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(run(value));
	target_print_chain("hot;library_middle;library_run;main");
	return target_finish();
}
