from __future__ import annotations

from pathlib import Path

import pytest

from lightship_registry import cli
from lightship_registry.cli import ExitStatus, main
from lightship_registry.core.settings import Settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "registry.toml"
    folders = "".join(f'{name}_dir = "{tmp_path / name}"\n' for name in ("state", "routes", "clusters"))
    path.write_text(f'domain = "notebooks.test"\n{folders}[clusters.demo]\nnetworks = ["10.0.0.0/8"]\n')
    return path


def test_check(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config)]) == ExitStatus.OK
    config.write_text('domain = "x"\n')
    assert main(["check", "--config", str(config)]) == ExitStatus.SETTINGS
    assert "domain must be" in capsys.readouterr().err


def test_prepare_twice(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--config", str(config)]) == ExitStatus.OK
    assert "changed: made" in capsys.readouterr().out
    assert main(["prepare", "--config", str(config)]) == ExitStatus.OK
    assert capsys.readouterr().out == ""


def test_broken_store_is_a_sentence(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["prepare", "--config", str(config)])
    (tmp_path / "state" / "registry.sqlite3").write_text("nonsense " * 1000)
    assert main(["prepare", "--config", str(config)]) == ExitStatus.FAILED
    assert "store cannot be used" in capsys.readouterr().err


def test_serve_needs_a_socket(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--config", str(config)]) == ExitStatus.FAILED
    assert "--uds" in capsys.readouterr().err


def test_serve_passes_the_socket_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []

    def serve(_settings: Settings, uds: Path | None) -> None:
        seen.append(uds)

    monkeypatch.setattr(cli, "serve", serve)
    assert main(["serve", "--config", str(config), "--uds", "/run/x.sock"]) == ExitStatus.OK
    assert seen == [Path("/run/x.sock")]


@pytest.mark.parametrize("arguments", [[], ["serve"], ["start", "--config", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ExitStatus.USAGE
    assert "usage" in capsys.readouterr().err


def test_the_readme_lists_every_exit_status() -> None:
    readme = (Path(cli.__file__).parent / "README.md").read_text("utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("Exit status")]
    assert all(f"{int(status)} " in line for status in ExitStatus)
