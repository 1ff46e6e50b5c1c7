# What a script does: threads, processes, files, much input; how it ends badly; what it looks for.
import asyncio, multiprocessing, os, socket, subprocess, sys, tempfile, threading


def double(n):
    return 2 * n


async def later(n):
    await asyncio.sleep(0)
    process = await asyncio.create_subprocess_exec("true")
    return n + await process.wait()


async def gather():
    return sum(await asyncio.gather(*(later(n) for n in range(5))))


def works():
    results = []
    threads = [threading.Thread(target=results.append, args=(n,)) for n in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("threads", sum(results))
    print("process", subprocess.run(["echo", "hello"], capture_output=True, text=True, check=True).stdout.strip())
    with tempfile.NamedTemporaryFile("w+") as f:
        f.write("kept")
        f.seek(0)
        print("file", f.read())
    print("stdin", sum(len(block) for block in iter(lambda: sys.stdin.buffer.read(1 << 20), b"")))
    with multiprocessing.Pool(2) as pool:
        print("pool", sum(pool.map(double, range(5))))
    queue = multiprocessing.get_context("spawn").Queue()
    queue.put("sent")
    print("queue", queue.get())
    print("asyncio", asyncio.run(gather()))


def looks():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print("socket ok")
    except OSError:
        print("socket refused")
    print("shadow", os.path.exists("/etc/shadow"))
    print("processes", sum(name.isdigit() for name in os.listdir("/proc")))


if __name__ == "__main__":
    {"works": works, "crash": os.abort, "looks": looks}[sys.argv[1]]()
