"""The errors whose text is meant for the person at the terminal; anything else is ours, and shows where it happened."""

from compliance.registry import FactError
from deedbook.chain_keys import KeyFileExposed
from deedbook.embedded.child import ServerError
from deedbook.ops import OpsError
from deedbook.running import NotRunning
from deedbook.settings import SettingsError
from engine.engines import EngineMissing
from gateway.keys import KeyFileError
from persistence.feed import CommandsRefused, FeedLost
from persistence.frame import JournalError
from persistence.recovery import ReplayDiffers
from settlement.chain import ChainRefused, ChainUnavailable

MISTAKES: tuple[type[Exception], ...] = (
    ChainRefused,
    ChainUnavailable,
    CommandsRefused,
    EngineMissing,
    ConnectionError,
    FactError,
    FeedLost,
    FileNotFoundError,
    JournalError,
    KeyFileError,
    KeyFileExposed,
    NotADirectoryError,
    NotRunning,
    OpsError,
    PermissionError,
    ReplayDiffers,
    ServerError,
    SettingsError,
)
