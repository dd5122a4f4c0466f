/* SPDX-License-Identifier: Apache-2.0 */
#include "command/check_machine.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* Above all that is read here as a whole. */
#define SMALL_FILE_MAX (1 << 20)
/* The inode that the kernel gives the first PID namespace: PROC_PID_INIT_INO. */
#define INITIAL_PID_NAMESPACE "pid:[4026531836]"
#define KERNEL_VERSION_OF(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))

struct machine {
	const char *root;
	uint64_t sample_hz;
	unsigned int version; /* KERNEL_VERSION_OF() */
	uint64_t capabilities;
};

static void machine_path(const struct machine *machine, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s%s", machine->root, name);
}

static int machine_read(const struct machine *machine, const char *name, char **ret)
{
	char path[PATH_MAX];

	machine_path(machine, name, path);
	return file_read(path, SMALL_FILE_MAX, ret, NULL);
}

static int machine_read_number(const struct machine *machine, const char *name, int64_t *ret)
{
	char path[PATH_MAX];

	machine_path(machine, name, path);
	return file_read_number(path, ret);
}

static bool machine_has(const struct machine *machine, const char *name)
{
	char path[PATH_MAX];

	machine_path(machine, name, path);
	return access(path, R_OK) == 0;
}

static bool machine_is_capable(const struct machine *machine, int capability)
{
	return machine->capabilities >> capability & 1;
}

static void check_set(struct check_row *row, enum check_status status, const char *format, ...) _printf_(3, 4);

static void check_set(struct check_row *row, enum check_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(row->state, sizeof(row->state), format, args);
	va_end(args);
	row->status = status;
}

static bool version_is_within(unsigned int version, unsigned int first, unsigned int behind)
{
	return version >= first && version < behind;
}

/* Kernels in which bpf_probe_read_kernel() on a bad address can freeze the machine. */
static bool version_can_freeze(unsigned int version)
{
	return version_is_within(version, KERNEL_VERSION_OF(5, 19, 0), KERNEL_VERSION_OF(6, 1, 36)) ||
	       version_is_within(version, KERNEL_VERSION_OF(6, 2, 0), KERNEL_VERSION_OF(6, 3, 10));
}

/* The patch level in `text` behind `mark`, when it is of the same major.minor; -1 otherwise. */
static int find_patch(const char *text, const char *mark, unsigned int major, unsigned int minor)
{
	const char *at = strstr(text, mark);
	unsigned int got[3];

	if (!at || sscanf(at + strlen(mark), "%u.%u.%u", &got[0], &got[1], &got[2]) != 3)
		return -1;
	return got[0] == major && got[1] == minor ? (int)got[2] : -1;
}

/*
 * Distributions keep the patch level out of the release: "6.1.0-13-amd64" is 6.1.55 by its version
 * ("... Debian 6.1.55-1"), "6.2.0-39-generic" is 6.2.16 by its signature ("Ubuntu 6.2.0-39.40-generic 6.2.16").
 */
static void machine_read_version(struct machine *machine)
{
	_cleanup_(freep) char *release = NULL;
	_cleanup_(freep) char *version = NULL;
	_cleanup_(freep) char *signature = NULL;
	unsigned int major = 0, minor = 0, patch = 0;
	int packaged = -1;

	if (machine_read(machine, "/proc/sys/kernel/osrelease", &release) < 0 ||
	    sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return;
	if (machine_read(machine, "/proc/version", &version) == 0)
		packaged = find_patch(version, " Debian ", major, minor);
	if (packaged < 0 && machine_read(machine, "/proc/version_signature", &signature) == 0) {
		const char *flavour = strstr(signature, "-generic");

		packaged = find_patch(flavour ? flavour : signature, " ", major, minor);
	}
	if (packaged >= 0)
		patch = (unsigned int)packaged;
	machine->version = KERNEL_VERSION_OF(major, minor, patch > 255 ? 255 : patch);
}

static void machine_read_capabilities(struct machine *machine)
{
	_cleanup_(freep) char *status = NULL;
	const char *line;

	if (machine_read(machine, "/proc/self/status", &status) < 0)
		return;
	line = strstr(status, "\nCapEff:");
	if (line)
		machine->capabilities = strtoull(line + strlen("\nCapEff:"), NULL, 16);
}

static void check_kernel(const struct machine *machine, struct check_row *row)
{
	unsigned int version = machine->version;
	unsigned int patch = version & 255;

	check_set(row, CHECK_OK, "%u.%u.%u", version >> 16, version >> 8 & 255, patch);
	if (version < KERNEL_VERSION_OF(5, 10, 0)) {
		row->status = CHECK_FAIL;
		row->remedy = "Linux 5.10 or newer";
	} else if (version_can_freeze(version)) {
		row->status = CHECK_WARN;
		row->remedy = "6.1.36, 6.3.10 or newer: this one can freeze when BPF reads a bad address";
	}
}

static void check_btf(const struct machine *machine, struct check_row *row)
{
	if (machine_has(machine, "/sys/kernel/btf/vmlinux")) {
		check_set(row, CHECK_OK, "/sys/kernel/btf/vmlinux");
		return;
	}
	check_set(row, CHECK_FAIL, "no /sys/kernel/btf/vmlinux");
	row->remedy = "a kernel with CONFIG_DEBUG_INFO_BTF=y, and /sys mounted";
}

static void check_lockdown(const struct machine *machine, struct check_row *row)
{
	_cleanup_(freep) char *text = NULL;

	if (machine_read(machine, "/sys/kernel/security/lockdown", &text) < 0) {
		check_set(row, CHECK_OK, "not to be seen (no securityfs here)");
	} else if (strstr(text, "[confidentiality]")) {
		check_set(row, CHECK_FAIL, "confidentiality: BPF may not read memory");
		row->remedy = "boot with lockdown=integrity";
	} else {
		check_set(row, CHECK_OK, "%s", strstr(text, "[integrity]") ? "integrity" : "none");
	}
}

/* What each capability is for. CAP_SYS_ADMIN holds those that were once part of it. */
static const struct {
	const char *name;
	int number;
	bool is_in_admin;
	enum check_status without;
	const char *use;
} capabilities[] = {
	{ "CAP_BPF", CAP_BPF, true, CHECK_FAIL, "load BPF programs" },
	{ "CAP_PERFMON", CAP_PERFMON, true, CHECK_FAIL, "sample every process" },
	{ "CAP_SYS_PTRACE", CAP_SYS_PTRACE, false, CHECK_WARN, "look at other users' processes" },
	{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE, true, CHECK_WARN, "open deleted and containers' files" },
	{ "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, false, CHECK_WARN, "read programs that others may not" },
	{ "CAP_SYSLOG", CAP_SYSLOG, true, CHECK_WARN, "name the kernel's functions" },
};

static void check_capability(const struct machine *machine, size_t i, struct check_row *row)
{
	row->name = capabilities[i].name;
	if (machine_is_capable(machine, capabilities[i].number)) {
		check_set(row, CHECK_OK, "the capability to %s", capabilities[i].use);
	} else if (capabilities[i].is_in_admin && machine_is_capable(machine, CAP_SYS_ADMIN)) {
		check_set(row, CHECK_OK, "the capability to %s, by CAP_SYS_ADMIN", capabilities[i].use);
	} else {
		check_set(row, capabilities[i].without, "missing: the capability to %s", capabilities[i].use);
		row->remedy = "run as root, or grant it (setcap, AmbientCapabilities=, securityContext.capabilities)";
	}
}

/* No limit since Linux 3ac1f01b43b6 ("bpf: Eliminate rlimit-based memory accounting for bpf progs") (v5.11). */
static void check_locked_memory(const struct machine *machine, struct check_row *row)
{
	_cleanup_(freep) char *limits = NULL;
	const char *line;

	if (machine->version >= KERNEL_VERSION_OF(5, 11, 0)) {
		check_set(row, CHECK_OK, "no limit for BPF maps on this kernel");
		return;
	}
	if (machine_is_capable(machine, CAP_SYS_RESOURCE)) {
		check_set(row, CHECK_OK, "CAP_SYS_RESOURCE lifts the limit");
		return;
	}
	if (machine_read(machine, "/proc/self/limits", &limits) == 0) {
		line = strstr(limits, "Max locked memory");
		if (line && strncmp(line + strcspn(line, "0123456789u"), "unlimited", strlen("unlimited")) == 0) {
			check_set(row, CHECK_OK, "unlimited");
			return;
		}
	}
	check_set(row, CHECK_FAIL, "limited, which is too little for BPF maps before Linux 5.11");
	row->remedy = "CAP_SYS_RESOURCE, or LimitMEMLOCK=infinity (ulimit -l unlimited)";
}

/* BPF and perf events ask for capabilities in the first user namespace. */
static void check_user_namespace(const struct machine *machine, struct check_row *row)
{
	_cleanup_(freep) char *map = NULL;
	unsigned int inside, outside, cnt;

	if (machine_read(machine, "/proc/self/uid_map", &map) < 0 ||
	    sscanf(map, "%u %u %u", &inside, &outside, &cnt) != 3 ||
	    (inside == 0 && outside == 0 && cnt == UINT32_MAX)) {
		check_set(row, CHECK_OK, "the first");
		return;
	}
	check_set(row, CHECK_FAIL, "a nested one: its capabilities do not count");
	row->remedy = "run outside of user namespaces (no rootless container, no userns-remap)";
}

static void check_pid_namespace(const struct machine *machine, struct check_row *row)
{
	char path[PATH_MAX], target[64];
	ssize_t len;

	machine_path(machine, "/proc/self/ns/pid", path);
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	if (strcmp(target, INITIAL_PID_NAMESPACE) == 0) {
		check_set(row, CHECK_OK, "the first");
		return;
	}
	check_set(row, CHECK_WARN, "a nested one: processes outside of it have no rows and no names");
	row->remedy = "hostPID: true (Kubernetes), --pid=host (Docker, Podman)";
}

static void check_cgroups(const struct machine *machine, struct check_row *row)
{
	_cleanup_(freep) char *mounts = NULL;
	bool has_v1, has_v2;

	if (machine_read(machine, "/proc/self/mounts", &mounts) < 0) {
		check_set(row, CHECK_WARN, "not to be seen");
		row->remedy = "mount /proc";
		return;
	}
	/* proc_mounts(5): "device directory type options 0 0". */
	has_v1 = strstr(mounts, " cgroup ");
	has_v2 = strstr(mounts, " cgroup2 ");
	if (has_v1 || has_v2) {
		check_set(row, CHECK_OK, "%s", has_v1 && has_v2 ? "v1 and v2 (hybrid)" : has_v2 ? "v2" : "v1");
		return;
	}
	check_set(row, CHECK_WARN, "none mounted: containers cannot be told apart");
	row->remedy = "mount /sys/fs/cgroup";
}

static void check_perf_rate(const struct machine *machine, struct check_row *row)
{
	int64_t rate, percent = -1;

	if (machine_read_number(machine, "/proc/sys/kernel/perf_event_max_sample_rate", &rate) < 0) {
		check_set(row, CHECK_FAIL, "the kernel has no perf events");
		row->remedy = "a kernel with CONFIG_PERF_EVENTS=y";
		return;
	}
	if (machine_read_number(machine, "/proc/sys/kernel/perf_cpu_time_max_percent", &percent) < 0)
		percent = -1;
	check_set(row, CHECK_OK, "up to %" PRId64 " Hz, %" PRIu64 " wanted; at most %" PRId64 " %% of a CPU", rate,
		  machine->sample_hz, percent);
	if (rate < (int64_t)machine->sample_hz) {
		row->status = CHECK_FAIL;
		row->remedy =
			"a lower --hz, or a higher sysctl kernel.perf_event_max_sample_rate (the kernel lowers it "
			"when sampling gets costly)";
	}
}

static void check_perf_paranoid(const struct machine *machine, struct check_row *row)
{
	int64_t level;

	if (machine_read_number(machine, "/proc/sys/kernel/perf_event_paranoid", &level) < 0)
		check_set(row, CHECK_OK, "not to be seen");
	else
		check_set(row, CHECK_OK, "%" PRId64 "; does not bind who has CAP_PERFMON", level);
}

/* Hidden addresses read 0 (Linux, Documentation/admin-guide/sysctl/kernel.rst, kptr_restrict). */
static void check_kernel_symbols(const struct machine *machine, struct check_row *row)
{
	char path[PATH_MAX];
	char line[512];
	bool is_seen = false;
	_cleanup_(fclosep) FILE *file = NULL;

	machine_path(machine, "/proc/kallsyms", path);
	file = fopen(path, "re");
	/* The first symbols of some kernels really are at 0: they are per-CPU offsets. */
	while (file && !is_seen && fgets(line, sizeof(line), file))
		is_seen = strtoull(line, NULL, 16) != 0;
	if (is_seen) {
		check_set(row, CHECK_OK, "/proc/kallsyms");
		return;
	}
	check_set(row, CHECK_WARN, "/proc/kallsyms %s", file ? "hides its addresses" : "cannot be read");
	row->remedy = "CAP_SYSLOG, and sysctl kernel.kptr_restrict=1 or 0";
}

static void check_debug_info(const struct machine *machine, struct check_row *row)
{
	check_set(row, CHECK_OK, "%s",
		  machine_has(machine, "/usr/lib/debug") ? "/usr/lib/debug, and what programs hold themselves" :
							   "only what programs hold themselves (no /usr/lib/debug)");
}

static void check_jit(const struct machine *machine, struct check_row *row)
{
	int64_t is_on;

	if (machine_read_number(machine, "/proc/sys/net/core/bpf_jit_enable", &is_on) < 0) {
		check_set(row, CHECK_OK, "not to be seen (another network namespace)");
	} else if (is_on) {
		check_set(row, CHECK_OK, "on");
	} else {
		check_set(row, CHECK_WARN, "off: sampling costs several times as much");
		row->remedy = "sysctl net.core.bpf_jit_enable=1";
	}
}

static const struct {
	const char *name;
	void (*check)(const struct machine *machine, struct check_row *row);
} checks[] = {
	{ "kernel", check_kernel },
	{ "BTF", check_btf },
	{ "lockdown", check_lockdown },
	{ "user namespace", check_user_namespace },
	{ "locked memory", check_locked_memory },
	{ "PID namespace", check_pid_namespace },
	{ "cgroups", check_cgroups },
	{ "perf rate", check_perf_rate },
	{ "perf_event_paranoid", check_perf_paranoid },
	{ "kernel symbols", check_kernel_symbols },
	{ "debug info", check_debug_info },
	{ "BPF JIT", check_jit },
};
_Static_assert(ARRAY_LEN(checks) + ARRAY_LEN(capabilities) <= CHECK_ROWS_MAX, "rows fit");

size_t check_machine(const char *root, uint64_t sample_hz, struct check_row *ret)
{
	struct machine machine = { .root = root, .sample_hz = sample_hz };
	size_t cnt = 0;

	machine_read_version(&machine);
	machine_read_capabilities(&machine);
	memset(ret, 0, CHECK_ROWS_MAX * sizeof(*ret));
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		ret[cnt].name = checks[i].name;
		checks[i].check(&machine, &ret[cnt++]);
	}
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		check_capability(&machine, i, &ret[cnt++]);
	return cnt;
}
