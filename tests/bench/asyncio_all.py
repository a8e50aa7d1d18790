"""asyncio_all.py - the same benches with Python's asyncio (3.11 and later).

Not a rival, but what many people have met under the name of a task. Prints what
bench.h describes.
"""
import asyncio
import random
import sys
import time

cpu = time.process_time_ns


async def nothing():
    pass


async def yielder(times):
    for _ in range(times):
        await asyncio.sleep(0)


async def yield_part(size, ops):
    async with asyncio.TaskGroup() as group:
        for _ in range(size):
            group.create_task(yielder(ops // size))


async def spawn_part(size, ops):
    for _ in range(ops // size):
        async with asyncio.TaskGroup() as group:
            for _ in range(size):
                group.create_task(nothing())


async def echoer(there, back, times):
    for _ in range(times):
        await back.put(await there.get())


async def rendezvous_part(size, ops):
    """A queue cannot have no room at all, so it has room for one."""
    there, back = asyncio.Queue(1), asyncio.Queue(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(echoer(there, back, ops))
        for i in range(ops):
            await there.put(i)
            await back.get()


async def sender(queue, times):
    for i in range(times):
        await queue.put(i)


async def buffered_part(size, ops):
    queue = asyncio.Queue(size)
    async with asyncio.TaskGroup() as group:
        group.create_task(sender(queue, ops))
        for _ in range(ops):
            await queue.get()


async def deadline_part(size, ops):
    at = asyncio.get_running_loop().time() + 3600
    for _ in range(ops):
        async with asyncio.timeout_at(at):
            pass


async def sleeper(gate, times):
    await gate.wait()
    for _ in range(times):
        await asyncio.sleep(random.randint(1, 100) * 1e-3)


async def timers(name, size, ops):
    """The birth of the sleepers is not in it."""
    gate = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(size):
            group.create_task(sleeper(gate, ops // size))
        await asyncio.sleep(0)
        began = cpu()
        gate.set()
    print(name, "ns", (cpu() - began) / ops)


# name: part, operations, size
BENCHES = {
    "yield_2": (yield_part, 200000, 2),
    "yield_1000": (yield_part, 200000, 1000),
    "nursery_1": (spawn_part, 20000, 1),
    "spawn_1000": (spawn_part, 50000, 1000),
    "chan_rendezvous": (rendezvous_part, 20000, 0),
    "chan_buffered_128": (buffered_part, 300000, 128),
    "scope_deadline": (deadline_part, 50000, 0),
    "timers_100000_cpu": (None, 300000, 100000),
}


async def measure(name, ops):
    part, default, size = BENCHES[name]
    ops = ops or default
    if not part:
        return await timers(name, size, ops)
    await part(size, max(ops // 20, size))
    began = cpu()
    await part(size, ops)
    print(name, "ns", (cpu() - began) / ops)


if sys.argv[1] == "--list":
    print("\n".join(BENCHES))
else:
    asyncio.run(measure(sys.argv[1], int((sys.argv + ["0"])[2])))
