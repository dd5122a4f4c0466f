/* SPDX-License-Identifier: Apache-2.0 */
#include "command/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of a shell that cannot start a command (POSIX.1-2017, sh, EXIT STATUS). Nobody looks at it but ps. */
#define STATUS_NOT_STARTED 127

/* Between fork() and exec(): async-signal-safe calls only. */
static void child_main(char *const *argv, const struct signals *signals, int hold_fd, int error_fd)
{
	char go;
	ssize_t len;
	int err;

	signals_restore_in_child(signals);
	do {
		len = read(hold_fd, &go, 1);
	} while (len < 0 && errno == EINTR);
	if (len != 1)
		_exit(STATUS_NOT_STARTED);
	execvp(argv[0], argv);
	err = errno;
	/* When nobody reads it there is nobody left to tell. */
	len = write(error_fd, &err, sizeof(err));
	_exit(len == (ssize_t)sizeof(err) ? STATUS_NOT_STARTED : STATUS_NOT_STARTED - 1);
}

int child_start(char *const *argv, const struct signals *signals, struct child *ret)
{
	int hold[2], error[2];
	int err = 0;
	pid_t pid;

	if (pipe2(hold, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(error, O_CLOEXEC) < 0) {
		err = -errno;
		close(hold[0]);
		close(hold[1]);
		return err;
	}
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		child_main(argv, signals, hold[0], error[1]);
	}
	if (pid < 0)
		err = -errno;
	close(hold[0]);
	close(error[1]);
	if (err < 0) {
		close(hold[1]);
		close(error[0]);
		return err;
	}
	*ret = (struct child){ .pid = pid, .hold_fd = hold[1], .error_fd = error[0] };
	return 0;
}

int child_release(struct child *child)
{
	int exec_errno;
	ssize_t len;

	if (write(child->hold_fd, "g", 1) != 1)
		return -errno;
	close(take_fd(child->hold_fd));
	/* The other end closes when exec() succeeds. */
	do {
		len = read(child->error_fd, &exec_errno, sizeof(exec_errno));
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	close(take_fd(child->error_fd));
	return len == (ssize_t)sizeof(exec_errno) ? -exec_errno : 0;
}

bool child_has_exited(struct child *child)
{
	if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
		child->pid = 0;
	return child->pid == 0;
}

void child_fini(struct child *child)
{
	if (child->hold_fd >= 0)
		close(take_fd(child->hold_fd));
	if (child->error_fd >= 0)
		close(take_fd(child->error_fd));
	if (!child_has_exited(child))
		kill(child->pid, SIGTERM);
	child->pid = 0;
}

void child_describe_status(int status, struct strbuf *buf)
{
	if (WIFSIGNALED(status))
		strbuf_printf(buf, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		strbuf_printf(buf, "exited with status %d", WEXITSTATUS(status));
}
