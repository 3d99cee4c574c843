"""Where relaisd spends its time under the load of a scenario: samples of `perf`, summed up by system call and by
part of the program. For docs/performance.md; ./dev bench relay --profile."""

import collections
import re
import subprocess
import time

from . import peers, scenarios, tools

SECONDS = 5

# What is below a system call is counted as that call; else the first pattern that fits the function.
USER = [
    (r"^(malloc|free|cfree|calloc|realloc|operator (new|delete)|_int_|__libc_(malloc|free|calloc)|malloc_consolidate|"
     r"unlink_chunk|sysmalloc|tcache|arena_)", "malloc and free"),
    (r"^(__mem|mem(cpy|move|set|chr|cmp)|__str|str(len|chr))", "copying and searching octets (libc)"),
    (r"^(AES|aes|gcm|EVP|SSL|ssl|tls|BIO|bio|CRYPTO|OPENSSL|ossl|WPACKET|PACKET|ChaCha|sha256|evp)", "OpenSSL"),
    (r"spdlog|fmt::|relais::log|_IO_|printf|fflush|fwrite", "the log"),
    (r"relais::(base|smtp|message|config|policy|net|tls|dns|auth|spool|queue|delivery|inbound|http|daemon)::", None),
    (r"relais::", "relais::base"),
    (r"boost::asio|boost::system", "Asio"),
    (r"pthread|__lll_|^futex", "locks"),
    (r"^(__vdso|clock_gettime|std::chrono)", "the clock"),
    (r"^std::|^__cxa|^_Unwind", "the standard library"),
]
CALLS = {
    "sendmsg": "sockets: send", "sendto": "sockets: send", "writev": "sockets: send", "write": "write (log, wake-ups)",
    "recvmsg": "sockets: receive", "recvfrom": "sockets: receive", "read": "sockets: receive", "readv": "sockets: receive",
    "epoll_wait": "epoll", "epoll_pwait": "epoll", "epoll_ctl": "epoll", "epoll_pwait2": "epoll",
    "timerfd_settime": "timers", "futex": "futex (threads wake each other)",
    "pwrite64": "spool: write", "pwritev": "spool: write", "pwritev2": "spool: write", "pread64": "spool: read",
    "preadv": "spool: read", "fdatasync": "spool: fdatasync", "fallocate": "spool: fallocate",
    "connect": "connections", "accept4": "connections", "accept": "connections", "close": "connections",
    "socket": "connections", "shutdown": "connections", "setsockopt": "connections", "getsockname": "connections",
    "getpeername": "connections", "getsockopt": "connections", "ioctl": "connections", "bind": "connections",
}


def place_of(stack):
    """stack: (function, where) from the innermost outwards."""
    function, where = stack[0]
    if "kernel" in where or where.startswith("[k"):
        names = [name for name, _ in stack]
        if "asm_exc_page_fault" in names:
            return "kernel: page faults (fresh memory)"
        if "exit_to_user_mode_loop" in names:
            return "kernel: thread switches"
        for name in names:
            if match := re.match(r"(?:__(?:x64|se|do)_sys_|ksys_|do_(?=p?(?:writev|readv)))(\w+)", name):
                return "kernel: " + CALLS.get(match[1], match[1])
        return "kernel: entry, exit, interrupts"
    if match := re.match(r"(?:__libc_|__GI___libc_|__)?(send|recv|write|read|epoll_wait|sendmsg|recvmsg)$", function):
        return "kernel: entry, exit, interrupts"  # what is left of the call in libc
    for pattern, place in USER:
        if match := re.search(pattern, function):
            return place or f"relais::{match[1]}"
    return "other"


def stacks_of(text):
    """The stacks of `perf script -F ip,sym,dso`: lines of one sample, an empty line between two."""
    stack = []
    for line in text.splitlines():
        if match := re.match(r"\s*[0-9a-f]+ (.*) \((\S+)\)$", line):
            stack.append((match[1], match[2]))
        elif stack:
            yield stack
            stack = []
    if stack:
        yield stack


def profile(folder, options, scenario):
    """A table as text."""
    shape, record = scenarios.SHAPES[scenario], folder / "perf.data"
    relais = next(m for m in peers.all_of(options.before, options.relaisd) if m.name == "relais")
    certificate = options.certificate if scenario == "T" else None
    wish = peers.Wish(certificate=certificate, next_hop=tools.TLS_SINK if certificate else tools.SINK)
    with scenarios.Run(relais, folder, wish, place=wish.next_hop, certificate=certificate,
                       chunking=options.chunking) as run:
        run.warm_up(shape)
        load = tools.Load(wish.listen, seconds=SECONDS + 2, **shape)
        time.sleep(1)
        before, cpu = run.sink.report(), run.group.cpu_seconds()
        subprocess.run(["perf", "record", "-q", "-F", "1999", "-e", "cpu-clock", "-g", "-o", record, "-p",
                        str(run.group.process.pid), "--", "sleep", str(SECONDS)], check=True)
        messages = run.sink.report()["messages"] - before["messages"]
        microseconds = (run.group.cpu_seconds() - cpu) / max(messages, 1) * 1e6
        tools.drain(run.sink, load.figures()["accepted"] * shape.get("recipients", 1))
    script = subprocess.run(["perf", "script", "-F", "ip,sym,dso", "-i", record], capture_output=True, text=True).stdout
    places, functions = collections.Counter(), collections.Counter()
    for stack in stacks_of(script):
        places[place_of(stack)] += 1
        functions[re.sub(r"\(.*|<.*", "", stack[0][0].replace("(anonymous namespace)::", ""))] += 1
    total = max(sum(places.values()), 1)
    lines = [f"Scenario {scenario}: {messages / SECONDS:,.0f} messages/s, {microseconds:.1f} us of CPU each, {total} samples",
             "", "| where | share | us per message |", "|---|---|---|"]
    lines += [f"| {place} | {count / total:.1%} | {count / total * microseconds:.1f} |"
              for place, count in places.most_common() if count / total >= 0.003]
    lines += ["", "| function (by itself) | share |", "|---|---|"]
    lines += [f"| `{function[:90]}` | {count / total:.1%} |" for function, count in functions.most_common(25)]
    return "\n".join(lines)
