/*
 * probe attacks the jail that it runs in, and prints what each attempt got.
 *
 *     JAIL_PROBE=1 probe PIDNS MODE [ARGS]
 *
 * PIDNS is the number of the runner's PID namespace. The probe does nothing unless it can prove that it is confined: see
 * prove_jailed. Calls go by raw numbers: a libc or a libseccomp that does not know a call does not hide it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void refuse(const char *why)
{
	fprintf(stderr, "probe: refuses to run outside a jail: %s\n", why);
	exit(99);
}

static void slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n < 0)
		refuse(path);
	buf[n] = 0;
	close(fd);
}

static void prove_jailed(const char *runner)
{
	char buf[8192];
	struct stat st;
	unsigned inside, outside, count;
	const char *on = getenv("JAIL_PROBE");

	if (!on || strcmp(on, "1"))
		refuse("JAIL_PROBE is not 1");
	if (stat("/proc/self/ns/pid", &st) || st.st_ino == strtoull(runner, NULL, 10))
		refuse("the PID namespace is the runner's");
	slurp("/proc/self/uid_map", buf, sizeof buf);
	if (sscanf(buf, "%u %u %u", &inside, &outside, &count) != 3 || inside == outside || count != 1)
		refuse("the ids are the host's");
	slurp("/proc/self/status", buf, sizeof buf);
	if (!strstr(buf, "\nNoNewPrivs:\t1\n"))
		refuse("no_new_privs is not set");
}

/* A row is one system call with arguments that do nothing even where the call is allowed. */
struct row {
	const char *name;
	long nr, a[6];
};

#define BAD ((long)-1) /* no descriptor, and no address */
#define BIT32 (1L << 32)
#define NSFLAGS_USER 0x10000000L
#define FAMILY(n) {"socket-family-" #n, SYS_socket, {n, 1 | SOCK_CLOEXEC_, 0}}
#define SOCK_CLOEXEC_ 02000000

static const struct row rows[] = {
	/* new namespaces and entering others */
	{"unshare-user", SYS_unshare, {NSFLAGS_USER}},
	{"unshare-time", SYS_unshare, {0x80}},
	{"setns", SYS_setns, {-1, 0}},
	{"clone-newuser", SYS_clone, {NSFLAGS_USER | SIGCHLD}},
	{"clone-newuser-bit32", SYS_clone, {NSFLAGS_USER | BIT32 | SIGCHLD}},
	{"clone-newns", SYS_clone, {0x20000 | SIGCHLD}},
	{"clone-newpid", SYS_clone, {0x20000000 | SIGCHLD}},
	{"clone3", SYS_clone3, {BAD, 88}},
	/* mounts and roots */
	{"mount", SYS_mount, {BAD, BAD, BAD, 0, 0}},
	{"umount2", SYS_umount2, {BAD, 0}},
	{"pivot_root", SYS_pivot_root, {BAD, BAD}},
	{"chroot", SYS_chroot, {BAD}},
	{"fsopen", 430, {BAD, 0}},
	{"fsconfig", 431, {-1, 99, 0, 0, 0}},
	{"fsmount", 432, {-1, 0, 0}},
	{"fspick", 433, {-1, BAD, 0}},
	{"open_tree", 428, {-1, BAD, 0}},
	{"move_mount", 429, {-1, BAD, -1, BAD, 0}},
	{"mount_setattr", 442, {-1, BAD, 0, BAD, 32}},
	{"open_tree_attr", 467, {-1, BAD, 0, BAD, 32}},
	{"statmount", 457, {BAD, 0, 0, 0}},
	{"listmount", 458, {BAD, 0, 0, 0}},
	{"name_to_handle_at", SYS_name_to_handle_at, {-1, BAD, BAD, BAD, 0}},
	{"open_by_handle_at", SYS_open_by_handle_at, {-1, BAD, 0}},
	{"fanotify_init", SYS_fanotify_init, {-1, 0}},
	{"mknodat-null", SYS_mknodat, {-1, BAD, S_IFCHR | 0666, 0x103}},
	/* other processes */
	{"ptrace-attach", SYS_ptrace, {16, -1, 0, 0}},
	{"process_vm_readv", SYS_process_vm_readv, {-1, 0, 0, 0, 0, 0}},
	{"process_vm_writev", SYS_process_vm_writev, {-1, 0, 0, 0, 0, 0}},
	{"pidfd_getfd", 438, {-1, 0, 0}},
	{"process_madvise", 440, {-1, 0, 0, 0, 0}},
	{"kcmp", SYS_kcmp, {-1, -1, 0, 0, 0}},
	{"prlimit-reaper", SYS_prlimit64, {1, 7, 0, 0}},
	{"prlimit-reaper-bit32", SYS_prlimit64, {1 | BIT32, 7, 0, 0}},
	{"setpriority-reaper", SYS_setpriority, {0, -1, 0}},
	{"sched_setaffinity", SYS_sched_setaffinity, {-1, 0, 0}},
	{"sched_setscheduler", SYS_sched_setscheduler, {-1, -1, 0}},
	{"ioprio_set", SYS_ioprio_set, {0, -1, -1}},
	{"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {-1, 0, BAD}},
	{"move_pages", SYS_move_pages, {-1, 0, 0, 0, 0, 0}},
	/* the kernel's wide sides */
	{"keyctl", SYS_keyctl, {-1}},
	{"add_key", SYS_add_key, {BAD, BAD, 0, 0, 0}},
	{"request_key", SYS_request_key, {BAD, BAD, 0, 0}},
	{"bpf", SYS_bpf, {-1, BAD, 0}},
	{"io_uring_setup", 425, {0, BAD}},
	{"io_uring_enter", 426, {-1, 0, 0, 0, 0, 0}},
	{"userfaultfd", SYS_userfaultfd, {-1}},
	{"perf_event_open", SYS_perf_event_open, {BAD, 0, 0, 0, 0}},
	{"seccomp", SYS_seccomp, {-1, 0, 0}},
	{"landlock_create_ruleset", 444, {BAD, 8, 0}},
	{"memfd_secret", 447, {-1}},
	{"memfd_create-exec", SYS_memfd_create, {BAD, 0x10}},
	{"cachestat", 451, {-1, BAD, BAD, 0}},
	{"vmsplice", SYS_vmsplice, {-1, 0, 0, 0}},
	{"splice", SYS_splice, {-1, 0, -1, 0, 1, 0}},
	{"tee", SYS_tee, {-1, -1, 1, 0}},
	{"remap_file_pages", SYS_remap_file_pages, {1, 0, 0, 0, 0}},
	{"mbind", SYS_mbind, {1, 0, 99, 0, 0, 0}},
	{"personality-no-randomize", SYS_personality, {0x0040000}},
	{"io_setup", SYS_io_setup, {0, BAD}},
	{"shmget", SYS_shmget, {0, 0, 0}},
	{"mq_open", SYS_mq_open, {BAD, 0, 0, 0}},
	/* the machine */
	{"reboot", SYS_reboot, {0, 0, 0, 0}},
	{"kexec_load", SYS_kexec_load, {0, 0, 0, -1}},
	{"init_module", SYS_init_module, {BAD, 0, BAD}},
	{"finit_module", SYS_finit_module, {-1, BAD, -1}},
	{"delete_module", SYS_delete_module, {BAD, 0}},
	{"swapon", SYS_swapon, {BAD, -1}},
	{"sethostname", SYS_sethostname, {BAD, 1}},
	{"settimeofday", SYS_settimeofday, {BAD, BAD}},
	{"clock_settime", SYS_clock_settime, {-1, BAD}},
	{"adjtimex", SYS_adjtimex, {BAD}},
	{"syslog", SYS_syslog, {-1, 0, 0}},
	{"quotactl", SYS_quotactl, {-1, BAD, 0, 0}},
	{"syncfs", SYS_syncfs, {-1}},
	{"acct", SYS_acct, {BAD}},
	{"setfsgid", SYS_setfsgid, {0}},
	/* ids and privileges */
	{"setuid", SYS_setuid, {-1}},
	{"setgroups", SYS_setgroups, {-1, 0}},
	{"capset", SYS_capset, {BAD, BAD}},
	{"prctl-keepcaps", SYS_prctl, {8, 2, 0, 0, 0}},
	{"prctl-ambient-raise", SYS_prctl, {47, 2, 99, 0, 0}},
	{"prctl-subreaper", SYS_prctl, {36, 0, 0, 0, 0}},
	{"prctl-set-mm", SYS_prctl, {35, 99, 0, 0, 0}},
	{"prctl-set-ptracer", SYS_prctl, {0x59616d61, 0, 0, 0, 0}},
	{"prctl-seccomp-bit32", SYS_prctl, {22 | BIT32, 99, 0, 0, 0}},
	/* terminals and descriptors */
	{"ioctl-tiocsti", SYS_ioctl, {-1, 0x5412, 0}},
	{"ioctl-tiocsti-bit32", SYS_ioctl, {-1, 0x5412 | BIT32, 0}},
	{"ioctl-tioclinux", SYS_ioctl, {-1, 0x541c, 0}},
	{"ioctl-tiocsctty", SYS_ioctl, {-1, 0x540e, 0}},
	{"ioctl-tiocsetd", SYS_ioctl, {-1, 0x5423, 0}},
	{"ioctl-ficlone", SYS_ioctl, {-1, 0x40049409, 0}},
	{"ioctl-tcgets", SYS_ioctl, {-1, 0x5401, 0}},
	{"fcntl-setown", SYS_fcntl, {-1, 8, 0}},
	{"fcntl-setsig", SYS_fcntl, {-1, 10, 0}},
	{"fcntl-setlease", SYS_fcntl, {-1, 1024, 0}},
	{"fcntl-notify", SYS_fcntl, {-1, 1026, 0}},
	{"flock", SYS_flock, {-1, 0}},
	{"sendmsg-oob", SYS_sendmsg, {-1, BAD, 1}},
	/* sockets: the family is refused before the kernel loads a module for it */
	FAMILY(1), FAMILY(2), FAMILY(10), FAMILY(15), FAMILY(16), FAMILY(17), FAMILY(21), FAMILY(29), FAMILY(30), FAMILY(31),
	FAMILY(33), FAMILY(38), FAMILY(40), FAMILY(42), FAMILY(43), FAMILY(44), FAMILY(45),
	{"socket-inet-bit32", SYS_socket, {1 | BIT32 | 2, 1, 0}},
	{"connect", SYS_connect, {-1, 0, 0}},
	{"bind", SYS_bind, {-1, 0, 0}},
	/* numbers that nobody knows */
	{"unknown-600", 600, {0}},
	{"unknown-1000", 1000, {0}},
};

static const int nrows = sizeof rows / sizeof *rows;

/* attempt makes the call and prints what it got. A call that makes a process ends it again. */
static int attempt(const struct row *r)
{
	pid_t me = getpid();
	long ret;

	errno = 0;
	ret = syscall(r->nr, r->a[0], r->a[1], r->a[2], r->a[3], r->a[4], r->a[5]);
	if (getpid() != me)
		_exit(0);
	printf("%s\n", ret < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}

/* table makes every attempt in a process of its own, so that none changes what the next finds. */
static int table(void)
{
	for (int i = 0; i < nrows; i++) {
		int status;
		pid_t pid;

		printf("%s ", rows[i].name);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			attempt(&rows[i]);
			fflush(stdout);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, __WALL) < 0)
			return 1;
		if (WIFSIGNALED(status))
			printf("SIG%s\n", sigabbrev_np(WTERMSIG(status)));
	}
	return 0;
}

static int one(const char *name)
{
	for (int i = 0; i < nrows; i++)
		if (!strcmp(rows[i].name, name))
			return attempt(&rows[i]);
	return 1;
}

static int names(void)
{
	for (int i = 0; i < nrows; i++)
		puts(rows[i].name);
	return 0;
}

/* storm sends every signal to PID 1, to everybody and to its own group, and exits 42. */
static int storm(void)
{
	unsigned long ignore[4] = {(unsigned long)SIG_IGN}; /* the kernel's struct: libc keeps signals 32 and 33 to itself */

	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, ignore, NULL, 8);
	for (int sig = 1; sig <= 64; sig++) {
		syscall(SYS_kill, 1, sig);
		syscall(SYS_kill, -1, sig);
		if (sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_kill, 0, sig);
	}
	return 42;
}

/* opens prints what opening each path got: w: before a path asks for writing. */
static int opens(char **paths)
{
	for (; *paths; paths++) {
		int writing = !strncmp(*paths, "w:", 2);
		int fd = open(*paths + 2 * writing, writing ? O_WRONLY : O_RDONLY);
		printf("%s %s\n", *paths, fd < 0 ? strerrorname_np(errno) : "ok");
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

#ifdef __x86_64__
/* compat asks for getpid through the 32-bit entry and by an x32 number: the filter sees another architecture. */
static int int80(void)
{
	long ret;
	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	printf("int80 %s\n", ret == getpid() ? "ok" : "wrong");
	return 0;
}

static int x32(void)
{
	long ret = syscall(0x40000000 | SYS_getpid);
	printf("x32 %s\n", ret < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}
#endif

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "names"))
		return names(); /* makes no attempt */
	if (argc < 3)
		refuse("usage");
	prove_jailed(argv[1]);
	if (!strcmp(argv[2], "table"))
		return table();
	if (!strcmp(argv[2], "one") && argc == 4)
		return one(argv[3]);
	if (!strcmp(argv[2], "storm"))
		return storm();
	if (!strcmp(argv[2], "open"))
		return opens(argv + 3);
#ifdef __x86_64__
	if (!strcmp(argv[2], "int80"))
		return int80();
	if (!strcmp(argv[2], "x32"))
		return x32();
#endif
	refuse("no such mode");
	return 1;
}
