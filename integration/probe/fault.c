/*
 * fault makes one system call of a jail's set-up fail.
 *
 *     fault N ERRNO jail run …
 *
 * The N-th call, from 1, of the jail's first process or of the program's process fails with ERRNO; calls are counted up to
 * the program's exec. The exit code is jail's. Where there are fewer than N, fault says how many. It is for x86-64 only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OTHER, SETUP, DONE };

/* A new tracee runs once it has stopped and its parent's stop has told what it is, in whatever order they come. */
static struct tracee {
	pid_t pid;
	int kind, inside, stopped, announced;
} all[256];
static int count;

static struct tracee *of(pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (all[i].pid == pid)
			return &all[i];
	if (count == sizeof all / sizeof *all)
		exit(98);
	all[count].pid = pid;
	return &all[count++];
}

static void go_on(struct tracee *t, int sig)
{
	ptrace(t->kind == SETUP ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, 0, sig);
}

/* announce: threads come by CLONE, the reaper by FORK, the program's process by VFORK. */
static void announce(struct tracee *parent, int event)
{
	unsigned long born;
	struct tracee *child;

	ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &born);
	child = of(born);
	child->announced = 1;
	if ((event == PTRACE_EVENT_FORK && parent->kind == OTHER) || (event == PTRACE_EVENT_VFORK && parent->kind == SETUP))
		child->kind = SETUP;
	if (event == PTRACE_EVENT_VFORK)
		parent->kind = DONE;
	if (child->stopped)
		go_on(child, 0);
}

static long calls, target;
static int injected;

/* at_call is called at each entry to and exit from a call of the set-up. */
static void at_call(struct tracee *t)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof info, &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->inside = ++calls == target;
		if (t->inside)
			ptrace(PTRACE_POKEUSER, t->pid, 8 * 15, -1L); /* orig_rax: no call */
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->inside) {
		t->inside = 0;
		ptrace(PTRACE_POKEUSER, t->pid, 8 * 10, (long)-injected); /* rax */
	}
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	pid_t first, pid;
	int status, code = 98;

	if (argc < 4)
		return 98;
	target = atol(argv[1]);
	injected = atoi(argv[2]);
	first = fork();
	if (first == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		_exit(98);
	}
	if (first < 0 || waitpid(first, &status, 0) != first || ptrace(PTRACE_SETOPTIONS, first, 0, options))
		return 98;
	*of(first) = (struct tracee){.pid = first, .stopped = 1, .announced = 1};
	ptrace(PTRACE_CONT, first, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		struct tracee *t = of(pid);
		int sig = 0, event = status >> 16;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == first)
				code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			at_call(t);
		else if (event == PTRACE_EVENT_EXEC)
			t->kind = t->kind == SETUP ? DONE : t->kind;
		else if (event)
			announce(t, event);
		else if (!t->stopped && WSTOPSIG(status) == SIGSTOP)
			t->stopped = 1;
		else
			sig = WSTOPSIG(status);
		if (t->announced)
			go_on(t, sig);
	}
	if (calls < target)
		fprintf(stderr, "fault: %ld calls\n", calls);
	return code;
}
