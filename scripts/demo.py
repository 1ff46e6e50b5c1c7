"""Shows what jail does: judges C++ submissions, and jails a script that attacks the host.

It is started by scripts/demo. It fails when a verdict is wrong, when an attempt of the script succeeds, or when an attempt
that needs no rights fails without a jail as well: then it would have proved nothing.
"""
import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
JAIL = os.path.join(HERE, "build/bin/jail")
SUM = os.path.join(HERE, "examples/sum")
PROBE = os.path.join(HERE, "examples/untrusted/probe.py")
HOME = os.path.expanduser("~")
INPUTS = ["1", "2", "3"]

VERDICTS = {  # what each submission must get: its first verdict that is not "right"
    "solution": "right",
    "overflow": "wrong answer",
    "endless": "wall limit",
    "crash": "signal 6",
    "phone-home": "refused system call",
}


def jail(*args, show=True, **kwargs):
    if show:
        print("\n$", shlex.join(["jail", *args]).replace(HERE + "/", ""))
    return free(JAIL, *args, **kwargs)


def free(*args, **kwargs):
    return subprocess.run(args, stdin=subprocess.DEVNULL, **kwargs)


def slurp(path):
    with open(path) as f:
        return f.read()


def verdict(out, case, show):
    """Runs the compiled submission on one input, and gives a verdict and the milliseconds that it took."""
    answer, result = f"{out}/answer", f"{out}/result"
    jail("run", "-p", "cpp-run", "--bind", f"{out}/solution:/solution", "--limit", "wall=1s",
         "--stdin", f"{SUM}/{case}.in", "--stdout", answer, "--result", result, "--", "/solution",
         show=show)
    r = json.loads(slurp(result))
    right = slurp(answer).split() == slurp(f"{SUM}/{case}.ans").split()
    verdicts = {
        "exit": ("right" if right else "wrong answer") if r["exit_code"] == 0 else f"exit code {r['exit_code']}",
        "signal": f"signal {r['signal']}",
        "wall": "wall limit",
        "seccomp": "refused system call",
    }
    return verdicts.get(r["cause"], r["cause"]), (r["wall_ns"] or 0) // 1_000_000


def judge(name, want, show):
    """Compiles a submission, runs it on all inputs up to the first that fails, and prints its row of the table."""
    out = f"{HOME}/{name}"
    os.mkdir(out)
    jail("run", "-p", "cpp-compile", "--bind", f"{SUM}/{name}.cpp:/src/{name}.cpp", "--bind", f"{out}:/out:rw", "--",
         "g++", "-O2", "-o", "/out/solution", f"/src/{name}.cpp", show=show, check=True)
    for case in INPUTS:
        got, ms = verdict(out, case, show and case == INPUTS[0])
        if got != "right":
            break
    if show:
        print(f"\n{'submission':<12}{'last input':<12}{'wall':>8}   verdict")
    print(f"{name:<12}{case + '.in':<12}{ms:>5} ms   {got}{'' if got == want else f'   NOT {want.upper()}'}")
    return got == want


def judging():
    print("1. Submissions to a judge: compiled in the profile cpp-compile, run in cpp-run")
    return all([judge(name, want, show=name == "solution") for name, want in VERDICTS.items()])


@contextlib.contextmanager
def listener():
    """A TCP service of the host. Gives its port, and a list that grows with every visitor."""
    visitors = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):  # the end: the server is closed
                while True:
                    connection, peer = server.accept()
                    visitors.append(peer)
                    with connection:
                        connection.sendall(b"hello\n")
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], visitors


@contextlib.contextmanager
def victim():
    """A process of the same user: nothing but a jail protects it."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# What any process of the same user may do: without a jail, these must succeed.
POSSIBLE = ["read a private file of the user", "see the host's processes", "connect to a port of the host",
            "send a signal to a process"]


def probe(secret, command, run):
    """Has the script attack. Gives what it says that it got, and what the host sees: visitors, and is the victim alive?"""
    with listener() as (port, visitors), victim() as process:
        done = run(*command, secret, str(port), str(process.pid), stdout=subprocess.PIPE, check=True)
        said = json.loads(done.stdout)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
        return said, len(visitors), process.poll() is None


def cell(answer):
    return answer["why"] if answer["got"] is None else "GOT IT: " + answer["got"]


def attacking():
    print("\n2. An untrusted script, which attacks the user's files, the processes, the network and the kernel")
    secret = f"{HOME}/secret.txt"
    with open(secret, "w") as f:
        f.write("my private key\n")
    outside, _, _ = probe(secret, ["/usr/bin/python3", PROBE], free)
    inside, visitors, alive = probe(secret, ["run", "-p", "python", "--bind", f"{PROBE}:/probe.py", "--",
                                             "python3", "/probe.py"], jail)
    print(f"\n{'attempt':<37}{'without a jail':<33}in the jail")
    for name in outside:
        print(f"{name:<37}{cell(outside[name])[:31]:<33}{cell(inside[name])}")
    print(f"\nSeen from outside: {visitors} connections came from the jail; the process that it attacked",
          "is alive." if alive else "IS DEAD.")
    failures = [f"{name}: it succeeded" for name in inside if inside[name]["got"] is not None]
    failures += [f"{name}: it fails without a jail, too: this proves nothing" for name in POSSIBLE
                 if outside[name]["got"] is None]
    for failure in failures:
        print(failure)
    return not failures and visitors == 0 and alive


def main():
    print(f"As uid {os.getuid()}, without any privilege.\n")
    try:
        good = all([judging(), attacking()])
    except subprocess.CalledProcessError as e:
        print(f"demo: {os.path.basename(e.cmd[0])} ended with {e.returncode}", file=sys.stderr)
        good = False
    print("\nAll as it should be." if good else "\nNOT as it should be.")
    return 0 if good else 1


sys.exit(main())
