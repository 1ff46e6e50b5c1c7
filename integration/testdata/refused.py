# What an untrusted script tries, and what each attempt got.
import errno, os, signal, socket, sys


def attempt(name, f, *args):
    try:
        f(*args)
        print(name, "ok")
    except OSError as e:
        print(name, errno.errorcode[e.errno])


attempt("read shadow", open, "/etc/shadow")
attempt("read home", os.listdir, "/home")
attempt("read secret", open, sys.argv[1])
attempt("write usr", open, "/usr/planted", "w")
attempt("write passwd", open, "/etc/passwd", "w")
attempt("internet socket", socket.socket, socket.AF_INET)
attempt("netlink socket", socket.socket, socket.AF_NETLINK)
attempt("unix connect", socket.socket(socket.AF_UNIX).connect, "/tmp/none")
attempt("kill the caller", os.kill, int(sys.argv[2]), signal.SIGKILL)
attempt("see the caller", os.stat, "/proc/" + sys.argv[2])
attempt("chroot", os.chroot, "/")
attempt("nice", os.setpriority, os.PRIO_PROCESS, 1, 5)
attempt("device", os.mknod, "/tmp/null", 0o20666, os.makedev(1, 3))
attempt("chown", os.chown, "/tmp", 1, 1)
print("processes", [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()])
