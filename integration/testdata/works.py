# What scripts of every kind do, in one.
import asyncio, json, multiprocessing, os, subprocess, tempfile, threading


def square(n):
    return n * n


async def gather():
    async def later(n):
        await asyncio.sleep(0)
        return n
    return sum(await asyncio.gather(*(later(n) for n in range(5))))


def main():
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(n)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with multiprocessing.Pool(2) as pool:
        squares = pool.map(square, range(4))
    with tempfile.NamedTemporaryFile("w+") as f:
        f.write("kept")
        f.seek(0)
        kept = f.read()
    said = subprocess.run(["echo", "hello"], capture_output=True, text=True, check=True).stdout.strip()
    print(json.dumps([sorted(results), squares, asyncio.run(gather()), kept, said, os.getcwd()]))


if __name__ == "__main__":
    main()
