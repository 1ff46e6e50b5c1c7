"""Tries to get at its host, and says for each attempt what it got.

Usage: probe.py SECRET PORT VICTIM: a file, a TCP port of 127.0.0.1 and a process, all of them the host's.
The answer is one JSON object: attempt -> {"got": what it got, or null, "why": why not}.
"""
import ctypes
import errno
import json
import os
import signal
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, PTRACE_ATTACH, PTRACE_DETACH = 0x10000000, 16, 17


def call(name, *args):
    """Calls a function of the C library that answers -1 for an error."""
    if getattr(libc, name)(*args) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return f"{name}: done"


def read(path):
    with open(path, "rb") as f:
        return f"{len(f.read(4096))} bytes"


def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)
    return "written"


def processes(victim):
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    if victim not in pids:
        raise OSError(errno.ESRCH, f"sees {len(pids)} processes, all its own")
    return f"sees {len(pids)} processes"


def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        return s.recv(64).decode().strip()


def interfaces():
    up = [name for _, name in socket.if_nameindex() if name != "lo"]
    if not up:
        raise OSError(errno.ENODEV, "none but lo")
    return ", ".join(up)


def kill(pid):
    os.kill(pid, signal.SIGTERM)
    return "signal sent"


def trace(pid):
    call("ptrace", PTRACE_ATTACH, pid, None, None)
    os.waitpid(pid, 0)
    return call("ptrace", PTRACE_DETACH, pid, None, None)


def attempts(secret, port, victim):
    return {
        "read a private file of the user": lambda: read(secret),
        "list the user's home directory": lambda: f"{len(os.listdir(os.path.dirname(secret)))} names",
        "read /etc/shadow": lambda: read("/etc/shadow"),
        "list /root": lambda: f"{len(os.listdir('/root'))} names",
        "read /etc/hostname": lambda: read("/etc/hostname"),
        "leave a file beside the private one": lambda: write(secret + ".planted"),
        "write to /usr/bin": lambda: write("/usr/bin/planted"),
        "see the host's processes": lambda: processes(victim),
        "read a process's environment": lambda: read(f"/proc/{victim}/environ"),
        "trace a process": lambda: trace(victim),
        "connect to a port of the host": lambda: connect(port),
        "find a network interface": interfaces,
        "open a raw socket": lambda: str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        "open /dev/mem": lambda: read("/dev/mem"),
        "read the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(4096), 4096),
        "mount a file system": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "become another user": lambda: os.setuid(1) or "done",
        "make a user namespace": lambda: call("unshare", CLONE_NEWUSER),
        "send a signal to a process": lambda: kill(victim),
    }


def outcome(attempt):
    """Makes one attempt in a process of its own, so that none changes the next one's world."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = {"got": attempt()}
        except OSError as e:
            answer = {"got": None, "why": e.strerror or str(e)}
        except Exception as e:  # a mistake of ours is not the jail's merit
            answer = {"got": repr(e)}
        os.write(w, json.dumps(answer).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        said = f.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return {"got": None, "why": f"killed by signal {os.WTERMSIG(status)}"}
    return json.loads(said)


def main(secret, port, victim):
    tried = attempts(secret, int(port), int(victim))
    print(json.dumps({name: outcome(attempt) for name, attempt in tried.items()}))


main(*sys.argv[1:])
