"""The house rules that a machine can read: doors between rooms, sizes of files, what no file may hold."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# DESIGN's table: what each room may import of ours, besides itself. A dotted name opens that module only.
DOORS: dict[str, tuple[str, ...]] = {
    "engine": (),
    "api": (),
    "persistence": ("engine",),
    "gateway": ("engine",),
    "compliance": ("engine.types", "persistence", "api"),
    "settlement": ("engine.types", "engine.wire", "persistence", "api"),
    "properties": ("persistence", "api"),
    "payments": ("persistence", "api"),
    "deedbook": ("engine", "api", "persistence", "gateway", "compliance", "settlement", "properties", "payments"),
    "bench": (
        "engine",
        "api",
        "persistence",
        "gateway",
        "compliance",
        "settlement",
        "properties",
        "payments",
        "deedbook",
    ),
}
OURS = {*DOORS, "tests"}
LINES_MOST = 500
LINES_MOST_OF = {"engine/types.py": 1_100}  # the exchange's dictionary: many small entries, one idea
# The engine is a function: no clock, no chance, no input or output.
ENGINE_FORBIDDEN = {
    "asyncio",
    "datetime",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "threading",
    "time",
    "uuid",
}
# Where packages come from, and where somebody's home is, is no business of the tree.
REGISTRY = re.compile(
    r"https?://[^\s\"'<>]*(?:registry|pypi|pythonhosted|npmjs|mirror|artifactory|nexus|/simple\b)|--(?:extra-)?index-url|--find-links|\"resolved\":",
    re.IGNORECASE,
)
HOME = re.compile(r"(?<![\w.])/(?:root|home|Users)/[\w.-]+")
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".in",
    ".sh",
    ".json",
    ".js",
    ".mjs",
    ".html",
    ".css",
    ".sol",
    ".sql",
    ".cfg",
    ".yml",
    "",
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def modules(room: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)


def imports(text: str) -> Iterator[str]:
    """Dotted names that `text` imports; `from a.b import c` is a.b.c, as c may be a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides the door it uses"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_doors(room: str, text: str) -> list[str]:
    def may(name: str) -> bool:
        return any(name == door or name.startswith(f"{door}.") for door in (room, *DOORS[room]))

    return [name for name in imports(text) if name.split(".")[0] in OURS and not may(name)]


@pytest.mark.parametrize("room", DOORS)
def test_a_room_imports_only_through_its_doors(room: str) -> None:
    assert modules(room), f"{room}/ is missing"
    wrong = {str(path.relative_to(ROOT)): wrong_doors(room, path.read_text()) for path in modules(room)}
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("room", "text", "wrong"),
    [
        ("engine", "import persistence.journal", ["persistence.journal"]),
        ("gateway", "from persistence import journal", ["persistence.journal"]),
        ("settlement", "from engine import book", ["engine.book"]),
        ("settlement", "from engine.types import Trade", []),
        ("settlement", "from engine import types", []),
        ("compliance", "from engine.wire import COMMAND", ["engine.wire.COMMAND"]),
        ("engine", "def f():\n    from bench import flow", ["bench.flow"]),
        ("deedbook", "from tests.oracle import Oracle", ["tests.oracle.Oracle"]),
        ("persistence", "import engineering, asyncpg", []),
    ],
)
def test_the_door_reader_sees_a_wrong_door(room: str, text: str, wrong: list[str]) -> None:
    assert wrong_doors(room, text) == wrong


def test_the_engine_reads_no_clock_no_chance_and_no_file() -> None:
    found = {
        (path.name, name)
        for path in modules("engine")
        for name in imports(path.read_text())
        if name.split(".")[0] in ENGINE_FORBIDDEN
    }
    assert found == set()


def test_every_room_says_its_one_job() -> None:
    silent = [room for room in DOORS if ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())) is None]
    assert silent == []


def test_files_stay_small_enough_to_be_one_idea() -> None:
    sources = [path for path in tracked() if path.suffix in {".py", ".sol", ".js", ".mjs", ".cpp", ".hpp"}]
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in sources}
    assert {name: n for name, n in lines.items() if n > LINES_MOST_OF.get(name, LINES_MOST)} == {}


def test_files_are_nouns() -> None:
    vague = [str(path) for path in tracked() if re.search(r"utils?|manager|helpers?|misc", path.stem, re.IGNORECASE)]
    assert vague == []


def test_no_file_names_a_package_registry_or_a_home_directory() -> None:
    found = []
    for path in tracked():
        if path.suffix in TEXT and path != Path(__file__):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if REGISTRY.search(line) or HOME.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_every_pinned_requirement_has_a_hash() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=\S)", path.read_text().strip())
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
