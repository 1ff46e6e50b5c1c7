# What an untrusted program tries in any language, and what each attempt got.
import ctypes, errno, os, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, PTRACE_ATTACH = 0x10000000, 16


def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)


def attempt(name, f, *args):
    try:
        f(*args)
        print(name, "ok")
    except OSError as e:
        print(name, errno.errorcode[e.errno])


caller = int(sys.argv[1])
attempt("internet socket", socket.socket, socket.AF_INET)
attempt("netlink socket", socket.socket, socket.AF_NETLINK)
attempt("ptrace", call, "ptrace", PTRACE_ATTACH, -1, 0, 0)
attempt("mount", call, "mount", b"none", b"/tmp", b"tmpfs", 0, 0)
attempt("unshare", call, "unshare", CLONE_NEWUSER)
attempt("keyring", call, "syscall", ctypes.c_long({"x86_64": 250, "aarch64": 219}[os.uname().machine]), 0, -3, 0)
attempt("write usr", open, "/usr/planted", "w")
attempt("write passwd", open, "/etc/passwd", "w")
attempt("read shadow", open, "/etc/shadow")
attempt("see the caller", os.stat, "/proc/%d" % caller)
attempt("signal the caller", os.kill, caller, 0)
