/* SPDX-License-Identifier: Apache-2.0 */
#include "command/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_init(struct signals *ret)
{
	struct signals signals;
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &wanted, &signals.before) < 0)
		return -errno;
	signals.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0) {
		int err = -errno;

		sigprocmask(SIG_SETMASK, &signals.before, NULL);
		return err;
	}
	signal(SIGPIPE, SIG_IGN);
	*ret = signals;
	return 0;
}

void signals_fini(struct signals *signals)
{
	if (signals->fd < 0)
		return;
	close(take_fd(signals->fd));
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

int signals_take(const struct signals *signals)
{
	struct signalfd_siginfo info;

	return read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_restore_in_child(const struct signals *signals)
{
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &signals->before, NULL);
}
