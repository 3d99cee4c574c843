#!/usr/bin/env python3
"""The rules of this source tree that reading the text can check; each is a ctest test of its own.

    lint.py [--root DIR] RULE...    check these rules; prints file:line: sentence, exits 1 if any
    lint.py [--root DIR] --all      check all rules
    lint.py --self-test             prove on a planted tree that each rule finds what it is for
    lint.py --list                  the rules

Not here: what clang-format, clang-tidy and the compilers see by themselves.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

# The layers of lib/ and what each may include: always further down only (docs/architecture.md).
LAYERS = "base smtp message config policy net tls dns auth spool queue delivery inbound http".split()
BELOW_QUEUE = LAYERS[: LAYERS.index("queue")]
MAY_INCLUDE = {
    "base": [],
    "smtp": ["base"],
    "message": ["base", "smtp"],
    "config": ["base"],
    "policy": ["base", "smtp", "config"],
    "net": ["base"],
    "tls": ["base", "config", "net"],
    "dns": ["base", "net"],
    "auth": ["base", "smtp", "config", "net", "tls", "dns"],
    "spool": ["base", "smtp", "message"],
    "queue": BELOW_QUEUE,
    "delivery": [*BELOW_QUEUE, "queue"],
    "inbound": [*BELOW_QUEUE, "queue"],
    "http": [*BELOW_QUEUE, "queue", "delivery", "inbound"],
}
PURE = ["base", "smtp", "message", "config", "policy", "spool"]  # spool: its store.hpp promises it too

# Libraries that stay behind one folder, so that they can be replaced there.
CONFINED = {
    "yaml-cpp/": lambda path: path.startswith("lib/config/") and path.endswith(".cpp"),
    "ares": lambda path: path.startswith("lib/dns/"),
}

LINE_LIMIT = 450
LONG_FILES = {  # path: why it may be longer
}

TOP_LEVEL = set(
    "CMakeLists.txt CMakePresets.json daemon lib config systemd tests docker docs dev README.md CHANGELOG.md"
    " CONTRIBUTING.md LICENSE .ci .git .gitignore .clang-format .clang-tidy .dockerignore .editorconfig build"
    " compile_commands.json".split()
)

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<raw>R"(?P<mark>[^()\\\s]{0,16})\((?P<body>.*?)\)(?P=mark)")
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<number>(?<![\w])\d[\w.]*(?:'\w+)*)
      | (?P<char>'(?:\\.|[^'\\\n])+')""",
    re.S | re.X,
)


class Source:
    """One C++ file: its text, its code without comments and string contents, its string literals."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.strings = []  # (line, content)
        self.code = TOKEN.sub(self._blank, self.text)
        self.includes = [
            (self.line(match.start()), match[1])
            for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]+[>"])', self.text, re.M)
        ]

    def _blank(self, match):
        if match["number"]:
            return match[0]
        if match["string"] or match["raw"]:
            self.strings.append((self.line(match.start()), match["body"] if match["raw"] else match["string"][1:-1]))
        return re.sub(r"[^\n]", " ", match[0])

    def line(self, position):
        return self.text.count("\n", 0, position) + 1

    def find(self, pattern):
        """Lines where the code (not a comment, not a string) matches."""
        for match in re.finditer(pattern, self.code):
            yield self.line(match.start())

    @property
    def is_header(self):
        return self.path.endswith(".hpp")


class Tree:
    def __init__(self, root):
        self.root = root
        self.sources = {folder: self._sources(folder) for folder in ("lib", "daemon", "tests")}

    def walk(self, *folders):
        for folder in folders:
            for directory, subdirectories, names in os.walk(os.path.join(self.root, folder)):
                subdirectories[:] = sorted(d for d in subdirectories if d not in (".git", "build", "__pycache__"))
                for name in sorted(names):
                    yield os.path.relpath(os.path.join(directory, name), self.root)

    def _sources(self, folder):
        return [Source(self.root, path) for path in self.walk(folder) if path.endswith((".cpp", ".hpp"))]

    def of(self, *folders):
        return [source for folder in folders for source in self.sources[folder]]


# --- the rules: each yields (path, line, sentence) ---------------------------------------------------


def layer_of(source):
    return source.path.split("/")[1]


def layers(tree):
    for source in tree.of("lib"):
        layer = layer_of(source)
        if layer not in MAY_INCLUDE:
            yield source.path, 1, f"lib/{layer} is not a layer; the layers are {' '.join(LAYERS)}"
            continue
        for line, name in source.includes:
            if name[0] != '"':
                continue
            folder, slash, _ = name[1:-1].partition("/")
            if not slash:
                yield source.path, line, f"include it as \"{layer}/{name[1:-1]}\": paths begin in lib/"
            elif folder != layer and folder not in MAY_INCLUDE[layer]:
                yield source.path, line, f"{layer}/ may not include {folder}/"
    for source in tree.of("daemon"):
        for line, name in source.includes:
            if name.startswith('"tests/') or ".." in name:
                yield source.path, line, f"{name}: the daemon does not know the tests"


def pure_folders(tree):
    for source in tree.of("lib"):
        if layer_of(source) in PURE:
            for line, name in source.includes:
                if re.match(r'[<"](boost/(asio|beast)|asio)\b', name):
                    yield source.path, line, f"{layer_of(source)}/ is free of Asio, but includes {name}"


def third_party(tree):
    for source in tree.of("lib", "daemon"):
        for line, name in source.includes:
            for prefix, allowed in CONFINED.items():
                if name[0] == "<" and name[1:].startswith(prefix) and not allowed(source.path):
                    yield source.path, line, f"{name} does not belong here"


def detached(tree):
    for source in tree.of("lib", "daemon", "tests"):
        for line in source.find(r"\bdetached\b"):
            yield source.path, line, "detached coroutines have no owner: spawn through task_group"


def using_namespace(tree):
    for source in tree.of("lib", "daemon", "tests"):
        if source.is_header:  # namespaces of literal suffixes hold nothing else, and cannot be used otherwise
            for line in source.find(r"\busing\s+namespace\s+(?!std::(\w+::)*\w*literals\b)"):
                yield source.path, line, "using namespace in a header reaches everyone who includes it"


def pragma_once(tree):
    for source in tree.of("lib", "daemon", "tests"):
        if source.is_header and not re.match(r"\s*#pragma once\s*\n", source.code):
            yield source.path, 1, "#pragma once must be the first thing behind the opening comment"


def reply_literals(tree):
    for source in tree.of("lib", "daemon"):
        if source.path == "lib/smtp/replies.cpp":
            continue
        for line, content in source.strings:
            if re.match(r"[2-5][0-5][0-9][ -]", content):
                yield source.path, line, f'"{content[:20]}" looks like a reply: those are in lib/smtp/replies.cpp'


def sleeps(tree):
    for source in tree.of("lib", "daemon", "tests"):
        for line in source.find(r"\bthis_thread\s*::\s*sleep|(?<![\w.>])(u|nano)?sleep\s*\("):
            yield source.path, line, "nothing sleeps: wait for what is waited for, with a clock that is handed in"


def awaitable_operators(tree):
    for source in tree.of("lib", "daemon", "tests"):
        for line, name in source.includes:
            if "awaitable_operators" in name:
                yield source.path, line, "|| and && of awaitables lose data and errors: use a deadline of net::stream"


def foreign_paths(tree):
    pattern = re.compile(r"/work/\w|(?<![\w.-])(\.\./)*shared/\w")
    folders = ("lib", "daemon", "tests", "config", "docs", "docker", "systemd", ".ci")
    roots = [n for n in sorted(os.listdir(tree.root)) if os.path.isfile(os.path.join(tree.root, n))]
    for path in [*tree.walk(*folders), *roots]:
        if path.startswith("tests/fuzz/corpus/") or path == "tests/lint/lint.py":
            continue
        with open(os.path.join(tree.root, path), "rb") as file:
            for number, line in enumerate(file.read().decode("utf-8", "replace").split("\n"), 1):
                if match := pattern.search(line):
                    yield path, number, f"{match[0]}...: exists on the machine of one developer only"


def opening_comment(tree):
    # A .cpp that begins with its own header has its statement there.
    for source in tree.of("lib", "daemon"):
        stem, ending = os.path.splitext(os.path.basename(source.path))
        first_line = source.text.split("\n", 1)[0]
        if ending == ".cpp" and first_line.startswith("#include") and first_line.endswith(f'/{stem}.hpp"'):
            continue
        if not source.text.startswith("//"):
            yield source.path, 1, "the first lines say what the file is responsible for, and what not"


def file_length(tree):
    lengths = {source.path: source.text.count("\n") for source in tree.of("lib", "daemon", "tests")}
    for path, length in lengths.items():
        if length > LINE_LIMIT and path not in LONG_FILES:
            yield path, LINE_LIMIT + 1, f"{length} lines, {LINE_LIMIT} at most: split it by idea"
    for path in LONG_FILES:
        if lengths.get(path, 0) <= LINE_LIMIT:
            yield path, 1, "needs no exception in LONG_FILES of tests/lint/lint.py any more"


def top_level(tree):
    for name in sorted(top_level_names(tree.root)):
        if name not in TOP_LEVEL:
            yield name, 1, "has no place at the top level"


def top_level_names(root):
    """What belongs to the project: what git ignores on someone's machine is no concern of ours."""
    command = ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")
        return {path.split("/")[0] for path in listed.split("\0") if path}
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        return set(os.listdir(root))


RULES = {
    function.__name__.replace("_", "-"): function
    for function in (
        layers, pure_folders, third_party, detached, using_namespace, pragma_once, reply_literals, sleeps,
        awaitable_operators, foreign_paths, opening_comment, file_length, top_level,
    )
}  # fmt: skip

# --- self-test -------------------------------------------------------------------------------------

# A tree without fault that comes close to each rule ...
GOOD = {
    "README.md": "We share common/things and shared_ptr.\n",
    "lib/base/a.hpp": '// About a.\n#pragma once\n#include <string>\nusing namespace std::chrono_literals;\n',
    "lib/smtp/b.hpp": '// About b; detached is only a word here.\n// Two lines.\n#pragma once\n\n#include "base/a.hpp"\n',
    "lib/smtp/replies.cpp": '// The replies.\nauto x = "250 OK";\n',
    "lib/smtp/c.cpp": '// c\nusing namespace std;\nauto x = "not detached, sleep(1)"; auto n = 1\'000; // "250 x"\nauto y = "1250 x";\n',
    "lib/net/d.cpp": '// d\n#include <boost/asio/ip/tcp.hpp>\n#include "net/e.hpp"\nauto r = R"(550 "x)" "";\n',
    "lib/config/f.cpp": "// f\n#include <yaml-cpp/yaml.h>\nvoid f() { timer.sleep(5); }\n" + "\n" * 400,
    "daemon/main.cpp": '// main\n#include "http/x.hpp"\n',
}
GOOD["lib/net/d.cpp"] = GOOD["lib/net/d.cpp"].replace("550 ", "x550 ")

# ... and what is planted into it, one fault at a time: rule, file, text.
PLANTED = [
    ("layers", "lib/base/bad.cpp", '// x\n#include "smtp/path.hpp"\n'),
    ("layers", "lib/config/bad.cpp", '// x\n#include "smtp/path.hpp"\n'),
    ("layers", "lib/inbound/bad.cpp", '// x\n#include "delivery/engine.hpp"\n'),
    ("layers", "lib/smtp/bad.cpp", '// x\n#include "path.hpp"\n'),
    ("layers", "lib/util/bad.cpp", "// x\n"),
    ("layers", "daemon/bad.cpp", '// x\n#include "tests/support/x.hpp"\n'),
    ("pure-folders", "lib/policy/bad.cpp", "// x\n#include <boost/asio/awaitable.hpp>\n"),
    ("pure-folders", "lib/smtp/bad.hpp", "// x\n#pragma once\n# include <boost/asio.hpp>\n"),
    ("third-party", "lib/config/bad.hpp", "// x\n#pragma once\n#include <yaml-cpp/yaml.h>\n"),
    ("third-party", "lib/delivery/bad.cpp", "// x\n#include <ares.h>\n"),
    ("detached", "lib/net/bad.cpp", "// x\nvoid f() { co_spawn(ex, g(), asio::detached); }\n"),
    ("using-namespace", "lib/net/bad.hpp", "// x\n#pragma once\nusing namespace std;\n"),
    ("pragma-once", "lib/net/bad.hpp", "// x\n#include <string>\n#pragma once\n"),
    ("pragma-once", "tests/support/bad.hpp", "// #pragma once\nint x;\n"),
    ("reply-literals", "lib/inbound/bad.cpp", '// x\nauto r = "250 2.0.0 OK";\n'),
    ("reply-literals", "daemon/bad.cpp", '// x\nauto r = f(1, "354-go on");\n'),
    ("reply-literals", "lib/smtp/bad.cpp", '// x\nauto r = R"(421 bye)";\n'),
    ("sleeps", "tests/unit/bad.cpp", "// x\nvoid f() { std::this_thread::sleep_for(1s); }\n"),
    ("sleeps", "lib/net/bad.cpp", "// x\nvoid f() { ::sleep(1); }\n"),
    ("sleeps", "lib/net/bad.cpp", "// x\nvoid f() { usleep (1); }\n"),
    ("awaitable-operators", "lib/net/bad.cpp", "// x\n#include <boost/asio/experimental/awaitable_operators.hpp>\n"),
    ("foreign-paths", "tests/system/bad.sh", ". /work/" + "main/x\n"),
    ("foreign-paths", "dev", "cp ../" + "shared/x .\n"),
    ("opening-comment", "lib/net/bad.cpp", "#include <string>\n"),
    ("opening-comment", "daemon/bad.hpp", "#pragma once\n"),
    ("file-length", "lib/net/bad.cpp", "// x\n" * (LINE_LIMIT + 1)),
    ("top-level", "notes.txt", "x\n"),
    ("top-level", "src/x.cpp", "x\n"),
]


def write_tree(root, files):
    for path, text in files.items():
        file = os.path.join(root, path)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)


def found(files):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        tree = Tree(root)
        return {(rule, path) for rule, check in RULES.items() for path, _, _ in check(tree)}


def self_test():
    """Each planted fault is found by its rule in its file, by no other rule, and the good tree is clean."""
    faults = [f"the good tree: {rule} complains about {path}" for rule, path in sorted(found(GOOD))]
    for rule, path, text in PLANTED:
        reported = found({**GOOD, path: text})
        expected = (rule, path.split("/")[0] if rule == "top-level" else path)
        if reported != {expected}:
            faults.append(f"planted {expected}, reported {sorted(reported)}")
    faults += [f"{rule}: nothing planted" for rule in RULES if rule not in {r for r, _, _ in PLANTED}]
    print("\n".join(faults) or f"each of the {len(RULES)} rules finds what is planted ({len(PLANTED)} faults)")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("rules", nargs="*", metavar="RULE")
    options = parser.parse_args()
    if options.list:
        print("\n".join(RULES))
        return 0
    if options.self_test:
        return self_test()
    names = list(RULES) if options.all else options.rules
    if not names or any(name not in RULES for name in names):
        parser.error(f"which rule? {' '.join(RULES)}")
    tree = Tree(options.root)
    if not tree.of("lib"):
        parser.error(f"no sources below {options.root}")
    faults = [f"{path}:{line}: {sentence} [{name}]" for name in names for path, line, sentence in RULES[name](tree)]
    print("\n".join(faults) if faults else "no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
