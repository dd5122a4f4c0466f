/* SPDX-License-Identifier: Apache-2.0 */
/* Lets a library start the thread that runs hot. */
#include <pthread.h>

#include "target.h"

int library_start_thread(uint64_t deadline_ns, pthread_t *ret);

int main(int argc, char **argv)
{
	pthread_t thread;

	target_start(argc, argv);
	if (library_start_thread(target_deadline_ns, &thread) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	target_print_chain("hot;library_middle;library_run;library_thread;<libc>");
	return target_finish();
}
