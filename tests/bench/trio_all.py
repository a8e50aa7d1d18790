"""trio_all.py - the same benches with Trio, whose semantics roost follows.

Its tasks cost what Python costs; 100,000 sleepers would take half a minute a
sample, so they are not here. Prints what bench.h describes.
"""
import sys
import time

import trio

cpu = time.process_time_ns


async def nothing():
    pass


async def yielder(times):
    for _ in range(times):
        await trio.sleep(0)


async def yield_part(size, ops):
    async with trio.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(yielder, ops // size)


async def spawn_part(size, ops):
    for _ in range(ops // size):
        async with trio.open_nursery() as nursery:
            for _ in range(size):
                nursery.start_soon(nothing)


async def echoer(there, back):
    async for item in there:
        await back.send(item)


async def rendezvous_part(size, ops):
    there, theirs = trio.open_memory_channel(0)
    mine, back = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(echoer, theirs, mine)
        for i in range(ops):
            await there.send(i)
            await back.receive()
        await there.aclose()


async def sender(channel, times):
    for i in range(times):
        await channel.send(i)


async def buffered_part(size, ops):
    there, theirs = trio.open_memory_channel(size)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender, there, ops)
        for _ in range(ops):
            await theirs.receive()


async def scope_part(size, ops):
    for _ in range(ops):
        with trio.CancelScope():
            pass


async def deadline_part(size, ops):
    at = trio.current_time() + 3600
    for _ in range(ops):
        with trio.CancelScope(deadline=at):
            pass


# name: part, operations, size
BENCHES = {
    "yield_2": (yield_part, 50000, 2),
    "yield_1000": (yield_part, 50000, 1000),
    "nursery_1": (spawn_part, 10000, 1),
    "spawn_1000": (spawn_part, 20000, 1000),
    "chan_rendezvous": (rendezvous_part, 10000, 0),
    "chan_buffered_128": (buffered_part, 30000, 128),
    "scope_enter_leave": (scope_part, 50000, 0),
    "scope_deadline": (deadline_part, 50000, 0),
}


async def measure(name, ops):
    part, default, size = BENCHES[name]
    ops = ops or default
    await part(size, max(ops // 20, size))
    began = cpu()
    await part(size, ops)
    print(name, "ns", (cpu() - began) / ops)


if sys.argv[1] == "--list":
    print("\n".join(BENCHES))
else:
    trio.run(measure, sys.argv[1], int((sys.argv + ["0"])[2]))
