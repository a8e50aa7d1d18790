# roost-gdb.py - the tasks of a roost program in gdb: of a live process, or of a
# core file.
#
#     (gdb) source /usr/local/share/roost/roost-gdb.py
#     (gdb) roost tasks          the tree: state, what is waited for, where
#     (gdb) roost bt [ID|all]    the stack of a task (the selected one), of all
#     (gdb) roost task ID        selects it: bt, frame, up, info locals are its own
#     (gdb) roost task off       back to what the thread really does
#
# ID is a task's number, as reports have it, or THREAD.NUMBER where several threads
# have a run. Needs debug information of libroost (it is built with -g; strip takes
# it away), not of the program. gdb 10 or later, x86_64 and aarch64.
#
# How: a task that does not run has left its registers on its own stack (see
# src/arch). A core's registers cannot be set, so while a task is selected an
# unwinder says that the caller of frame 0 is where that task was suspended.
import re
import struct

import gdb
from gdb.unwinder import Unwinder

KINDS = ["scope", "shield", "nursery", "services", "task"]  # SCOPE_... of rt.h
WAIT_PARKED = 1

# Where registers lie above the saved stack pointer, and the size of it all.
SAVED = {
    "x86_64": ({"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40,
                "rip": 48}, 56),
    "aarch64": (dict([("x%d" % i, 8 * (i - 19)) for i in range(19, 30)],
                     pc=88), 160),
}
# ucontext.c leaves a ucontext_t instead.
UCONTEXT = {
    "x86_64": {"r12": 72, "r13": 80, "r14": 88, "r15": 96, "rbp": 120, "rbx": 128,
               "rsp": 160, "rip": 168},
    "aarch64": dict([("x%d" % i, 184 + 8 * i) for i in range(19, 30)],
                    sp=432, pc=440),
}


def word(address):
    memory = gdb.selected_inferior().read_memory(address, 8)
    return struct.unpack("=Q", memory.tobytes())[0]


def text(value, without=""):
    try:
        return value.string(errors="replace") if int(value) else without
    except gdb.MemoryError:
        return "(not in the core)"


def machine():
    name = gdb.selected_inferior().architecture().name()
    return "aarch64" if "aarch64" in name else "x86_64"


def address_of(function):
    try:
        return int(gdb.parse_and_eval("(unsigned long)&" + function))
    except gdb.error:
        return 0


# ---- the thread's roost__rt; gdb finds it with the help of libthread_db only


class Elf:
    """The few tables of a 64-bit ELF file that say where a thread-local is."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.phoff, self.shoff = struct.unpack_from("=QQ", self.bytes, 32)
        (self.phentsize, self.phnum, self.shentsize,
         self.shnum) = struct.unpack_from("=HHHH", self.bytes, 54)

    def tls_segment(self):
        for i in range(self.phnum):
            p = struct.unpack_from("=IIQQQQQQ", self.bytes,
                                   self.phoff + i * self.phentsize)
            if p[0] == 7:  # PT_TLS
                return p[6], p[7]  # memsz, align
        return None

    def entries(self, kind, form):
        for i in range(self.shnum):
            s = struct.unpack_from("=IIQQQQIIQQ", self.bytes,
                                   self.shoff + i * self.shentsize)
            if s[1] == kind and s[9]:
                for at in range(s[4], s[4] + s[5], s[9]):
                    yield s, struct.unpack_from(form, self.bytes, at)

    def symbol(self, wanted):
        for s, (name, _, _, _, value, _) in self.entries(2, "=IBBHQQ"):
            strings = struct.unpack_from(
                "=IIQQQQIIQQ", self.bytes, self.shoff + s[6] * self.shentsize)
            at = strings[4] + name
            if self.bytes[at:at + len(wanted) + 1] == wanted.encode() + b"\0":
                return value
        return None

    def got_slot(self, offset):
        """Where the loader has written the thread-local's offset, or None."""
        for _, (at, info, addend) in self.entries(4, "=QQq"):
            if info & 0xffffffff in (18, 1030) and addend == offset:
                return at  # R_X86_64_TPOFF64, R_AARCH64_TLS_TPREL64
        return None


def rt_by_hand():
    symbol = gdb.lookup_global_symbol("roost__rt")
    elf = Elf(symbol.symtab.objfile.filename)
    offset = elf.symbol("roost__rt")
    slot = elf.got_slot(offset)
    register = "tpidr" if machine() == "aarch64" else "fs_base"
    pointer = int(gdb.parse_and_eval("(unsigned long)$" + register))
    if slot is not None:  # a shared library
        base = address_of("roost__switch") - elf.symbol("roost__switch")
        at = pointer + word(base + slot)
    elif machine() == "aarch64":
        at = pointer + max(16, elf.tls_segment()[1]) + offset
    else:
        size, align = elf.tls_segment()
        at = pointer - (size + align - 1) // align * align + offset
    at &= (1 << 64) - 1
    return gdb.Value(word(at)).cast(symbol.type)


def rt_of_selected_thread():
    try:
        rt = gdb.parse_and_eval("roost__rt")
        rt.fetch_lazy()
    except gdb.error:
        try:
            rt = rt_by_hand()
        except (gdb.error, AttributeError, OSError, TypeError, struct.error):
            return None
    return rt if int(rt) else None


def runs():
    """(thread, runtime) for each thread that has one."""
    try:
        gdb.lookup_type("struct roost_rt")
    except gdb.error:
        raise gdb.GdbError("roost: no debug information of libroost here; is it "
                           "linked in, and was it built with -g and not stripped?")
    before, frame, found = gdb.selected_thread(), None, []
    if before is None:
        raise gdb.GdbError("roost: no process and no core file")
    try:
        frame = gdb.selected_frame()
        for thread in sorted(gdb.selected_inferior().threads(),
                             key=lambda t: t.num):
            thread.switch()
            rt = rt_of_selected_thread()
            if rt is not None:
                found.append((thread, rt))
    finally:
        before.switch()
        if frame is not None and frame.is_valid():
            frame.select()
    return found


# ---- the tree


def scopes(rt):
    """(depth, scope) in preorder; a broken list ends."""
    root, seen = rt["roots"], 0
    while int(root):
        s, depth = root["scope"]["first"], 0
        while int(s) and seen < 10000000:
            seen += 1
            yield depth, s
            if int(s["first"]):
                s, depth = s["first"], depth + 1
                continue
            while depth and not int(s["next"]):
                s, depth = s["parent"], depth - 1
            s = s["next"]
        root = root["next"]


def tasks(rt):
    return [s["task"] for _, s in scopes(rt) if KINDS[int(s["kind"])] == "task"]


def name_of(task):
    if not int(task["parent"]):
        return "main"
    return "%s#%d" % (text(task["name"], "task"), int(task["id"]))


def path_of(task):
    names = [name_of(task)]
    while int(task["parent"]) and len(names) < 100:
        task = task["parent"]
        names.append(name_of(task))
    return "/".join(reversed(names))


def place_of(pc):
    line = gdb.find_pc_line(pc - 1)
    name = gdb.execute("info symbol %d" % pc, to_string=True).split(" in ")[0]
    name = "?" if name.startswith("No symbol") else name.replace(" ", "")
    where = line.symtab and "%s:%d" % (line.symtab.filename, line.line)
    return "%s (%s)" % (name, where) if where else name


def wait_place(task):
    """As tree.c: a wait that was the last call of its function has lost it."""
    place = place_of(int(task["wait_place"]))
    if place.startswith("task_life+"):
        return place_of(int(task["fn"]) + 1)
    return place


def duration(ns):
    ns = max(ns, 0)
    return "%.1f ms" % (ns / 1e6) if ns < 1e9 else "%.1f s" % (ns / 1e9)


def is_running(task):
    return int(task["rt"]["current"]) == int(task)


def state_of(task):
    wait = task["s"]["wait"]
    if is_running(task):
        return "runs"
    if not int(wait) or int(wait["state"]) != WAIT_PARKED:
        return "ready, has not run yet" if int(task["s"]["fresh"]) else "ready"
    return "waits for %s%s%s in %s, %s" % (
        text(task["wait_what"], "?"),
        " (idle)" if int(task["s"]["parked_idle"]) else "",
        "" if int(task["abort"]) else " (to the end)",
        wait_place(task),
        duration(int(task["rt"]["now"]) - int(task["wait_since"])))


def describe(scope):
    kind, task = KINDS[int(scope["kind"])], scope["task"]
    site = text(scope["site"])
    if kind == "task":
        return "%s %s, %s" % (path_of(task), text(task["site"]), state_of(task))
    if kind == "nursery":
        n = scope.cast(gdb.lookup_type("roost_nursery").pointer())
        return "nursery %s%s, %d children%s" % (
            text(n["o"]["name"]) + " " if int(n["o"]["name"]) else "", site,
            int(n["s"]["count"]), ", closing" if int(n["s"]["closing"]) else "")
    return kind if kind == "services" else "%s %s" % (kind, site)


def cancelled(scope):
    if not int(scope["cause"]):
        return ""
    return ", cancelled at %s" % text(scope["cancel_site"], "?")


# ---- a task selected


class TaskUnwinder(Unwinder):
    def __init__(self):
        super().__init__("roost task")
        self.forget()

    def forget(self, *_):
        self.sp = self.thread = None

    def select(self, thread, task):
        self.forget()
        gdb.invalidate_cached_frames()
        thread.switch()
        if is_running(task):
            gdb.newest_frame().select()
            return
        self.machine = machine()
        self.base = address_of("roost__switch_base")
        self.main_sp = int(task["rt"]["main_sp"].address)
        self.main_runs = not int(task["rt"]["current"])
        self.sp, self.thread = int(task["sp"]), thread.num
        gdb.invalidate_cached_frames()
        older = gdb.newest_frame().older()
        if older is None:
            self.forget()
            raise gdb.GdbError("roost: this stack cannot be read")
        older.select()

    def __call__(self, pending):
        if self.sp is None or gdb.selected_thread().num != self.thread:
            return None
        if pending.level() == 0:
            return self.suspended(pending)
        pc = int(pending.read_register("pc"))
        if self.base and self.main_runs and self.base <= pc < self.base + 16:
            return self.outermost(pending, pc)
        return None

    def info(self, pending, sp):
        pc = int(pending.read_register("pc"))
        return pending.create_unwind_info(FrameId(sp, pc))

    def suspended(self, pending):
        info = self.info(pending, self.sp)
        registers, size = SAVED[self.machine]
        if not self.base:
            registers, size = UCONTEXT[self.machine], None
        like = pending.read_register("pc").type
        for name, at in registers.items():
            value = word(self.sp + at)
            kind = like if name in ("rip", "pc") else \
                pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        if size:
            sp = "sp" if self.machine == "aarch64" else "rsp"
            kind = pending.read_register(sp).type
            info.add_saved_register(sp, gdb.Value(self.sp + size).cast(kind))
        return info

    def outermost(self, pending, pc):
        """What called the main task is no longer there while the loop runs."""
        sp = int(pending.read_register("sp"))
        if word(sp + 8) != self.main_sp:
            return None
        info = self.info(pending, sp + 16)
        pointer = pending.read_register("pc").type
        names = ("sp", "pc") if self.machine == "aarch64" else ("rsp", "rip")
        info.add_saved_register(names[0], gdb.Value(sp + 16).cast(pointer))
        info.add_saved_register(names[1], gdb.Value(0).cast(pointer))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = gdb.Value(sp), gdb.Value(pc)


unwinder = TaskUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)
gdb.events.cont.connect(unwinder.forget)
gdb.events.exited.connect(unwinder.forget)
selected = None


def forget_all(*_):
    global selected
    selected = None


gdb.events.cont.connect(forget_all)
gdb.events.exited.connect(forget_all)


def find(words):
    """The thread and task that ID means."""
    thread_num, _, number = words.rpartition(".")
    try:
        number, thread_num = int(number), int(thread_num or 0)
    except ValueError:
        raise gdb.GdbError("roost: %s: no task's number" % words)
    found = [(thread, t) for thread, rt in runs() for t in tasks(rt)
             if int(t["id"]) == number and thread_num in (0, thread.num)]
    here = [f for f in found if f[0].num == gdb.selected_thread().num]
    if not found:
        raise gdb.GdbError("roost: there is no task %s" % words)
    if len(found) > 1 and not here:
        raise gdb.GdbError("roost: several threads have a task %d: say "
                           "THREAD.%d" % (number, number))
    return (here or found)[0]


def print_stack(thread, task):
    """The frames of the task itself; those of who spawned it are cut."""
    print("%s %s, %s" % (path_of(task), text(task["site"]), state_of(task)))
    if int(task["s"]["fresh"]):
        print("    it will run %s" % place_of(int(task["fn"]) + 1))
        return
    unwinder.select(thread, task)
    skip = not is_running(task)
    for line in gdb.execute("bt", to_string=True).splitlines():
        skip = skip and not line.startswith("#1 ")
        if not skip:
            print("    " + line)
        if re.search(r"\btask_life \(", line):
            break


def back(before, frame):
    if before is not None and before.is_valid():
        before.switch()
    if selected is not None:
        unwinder.select(*selected)
    else:
        unwinder.forget()
        gdb.invalidate_cached_frames()
        gdb.newest_frame().select()


class Roost(gdb.Command):
    """Tasks of a roost program: roost tasks, roost bt, roost task."""

    def __init__(self):
        super().__init__("roost", gdb.COMMAND_STACK, prefix=True)


class RoostTasks(gdb.Command):
    """The tree of tasks and scopes of each thread's run. No arguments."""

    def __init__(self):
        super().__init__("roost tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        found = runs()
        if not found:
            print("no roost run in any thread")
        for thread, rt in found:
            print("thread %d, run begun at %s, %d tasks" % (
                thread.num, text(rt["site"], "?"), int(rt["tasks"])))
            try:
                for depth, s in scopes(rt):
                    print("  " * (depth + 1) + describe(s) + cancelled(s))
            except gdb.MemoryError as error:
                print("  (the rest is not in the core: %s)" % error)


class RoostBt(gdb.Command):
    """roost bt [ID|all]: the stack of a task, by default of the selected one."""

    def __init__(self):
        super().__init__("roost bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        before = gdb.selected_thread()
        if wanted == "all":
            which = [(th, t) for th, rt in runs() for t in tasks(rt)]
        elif wanted:
            which = [find(wanted)]
        else:
            which = [selected] if selected else [
                (th, rt["current"]) for th, rt in runs()
                if th.num == before.num and int(rt["current"])]
        if not which:
            raise gdb.GdbError("roost: no task runs in this thread; say which one")
        try:
            for thread, task in which:
                try:
                    print_stack(thread, task)
                except (gdb.error, gdb.GdbError) as error:
                    print("    (%s)" % error)
        finally:
            back(before, None)


class RoostTask(gdb.Command):
    """roost task ID: selects a task, so that bt, frame and info locals are about
it; frame 0 stays the thread's. roost task off: no longer. Running the program
on does the same."""

    def __init__(self):
        super().__init__("roost task", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        global selected
        wanted = argument.strip()
        if wanted == "off":
            selected = None
            back(gdb.selected_thread(), None)
            return
        if not wanted:
            if selected is None:
                raise gdb.GdbError("roost: no task is selected")
            print(path_of(selected[1]))
            return
        thread, task = find(wanted)
        if int(task["s"]["fresh"]):
            raise gdb.GdbError("roost: %s has not run yet" % path_of(task))
        unwinder.select(thread, task)
        selected = (thread, task)
        print("%s, %s" % (path_of(task), state_of(task)))
        gdb.execute("frame")


Roost()
RoostTasks()
RoostBt()
RoostTask()
