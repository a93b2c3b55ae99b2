"""Settings: what is given wins, what is wrong is said in one sentence, and children read the same."""

from pathlib import Path

import pytest

from deedbook.settings import Settings, SettingsError


def test_with_nothing_given_everything_is_embedded() -> None:
    settings = Settings.read({})
    assert (settings.database_url, settings.redis_url, settings.chain_rpc_url) == (None, None, None)
    assert settings.port == 8080
    assert settings.data_dir == Path.cwd() / "data"
    assert settings.demo_market


def test_an_argument_wins_over_the_environment_and_an_empty_variable_is_not_set() -> None:
    environment = {"DEEDBOOK_PORT": "9000", "DEEDBOOK_DATA": "/srv/a", "REDIS_URL": ""}
    settings = Settings.read(environment, {"port": 9100, "data_dir": None, "demo_market": False})
    assert (settings.port, settings.data_dir, settings.redis_url) == (9100, Path("/srv/a"), None)
    assert not settings.demo_market


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DEEDBOOK_PORT", "70000", "DEEDBOOK_PORT must be a whole number from 0 to 65535, not '70000'."),
        ("DEEDBOOK_PORT", "-1", "DEEDBOOK_PORT must be a whole number from 0 to 65535, not '-1'."),
        ("DEEDBOOK_PORT", "٣", "DEEDBOOK_PORT must be a whole number from 0 to 65535, not '٣'."),
        ("DEEDBOOK_BLOCK_TIME_MS", "1.5", "DEEDBOOK_BLOCK_TIME_MS must be a whole number from 0 to 60000, not '1.5'."),
        ("DEEDBOOK_DEMO", "maybe", "DEEDBOOK_DEMO must be yes or no, not 'maybe'."),
        ("DEEDBOOK_LOG_LEVEL", "loud", "DEEDBOOK_LOG_LEVEL must be one of debug, info, warning, error, not 'loud'."),
        (
            "DEEDBOOK_KYC_LEVELS",
            "basic,,plus",
            "DEEDBOOK_KYC_LEVELS must be different names with commas between them, not 'basic,,plus'.",
        ),
        (
            "DATABASE_URL",
            "mysql://u:secret@h/d",
            "DATABASE_URL must be a URL that starts with postgresql:// or postgres://.",
        ),
        ("REDIS_URL", "redis://", "REDIS_URL names no host."),
        ("CHAIN_RPC_URL", "http://h:port", "CHAIN_RPC_URL is not a URL."),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.read({variable: value})
    assert str(error.value) == sentence
    assert "secret" not in str(error.value)


def test_a_data_directory_must_not_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=r"--data must be a directory"):
        Settings.read({}, {"data_dir": file})


def test_two_servers_cannot_share_a_port_but_both_may_take_any() -> None:
    with pytest.raises(SettingsError, match="Port 8081 is given twice"):
        Settings.read({"DEEDBOOK_PORT": "8081"})
    with pytest.raises(SettingsError, match="Port 9000 is given twice"):
        Settings.read({}, {"rest_port": 9000, "port": 9000})
    assert Settings.read({}, {"port": 0, "websocket_port": 0, "rest_port": 0}).port == 0


def test_a_child_process_reads_the_same_settings(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "DATABASE_URL": "postgresql:///d?host=/run",
            "SMTP_URL": "smtp://127.0.0.1:25",
            "DEEDBOOK_KYC_LEVELS": "basic, plus",
        },
        {"data_dir": tmp_path, "demo_market": False, "block_time_ms": 250, "gateways": 3},
    )
    assert settings.kyc_levels == ("basic", "plus")
    assert Settings.read(settings.to_environment()) == settings
