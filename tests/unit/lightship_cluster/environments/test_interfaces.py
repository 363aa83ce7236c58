from __future__ import annotations

from pathlib import Path

import pytest
import write_batch_scripts

from lightship_cluster.config.options import APP
from lightship_cluster.config.options import INTERFACES as OFFERED
from lightship_cluster.environments.interfaces import INTERFACES, interface_of, starts_what_is_told
from unit.lightship_cluster.fake_programs import program


@pytest.mark.parametrize("path", write_batch_scripts.scripts())
def test_each_interfaces_own_batch_script_starts_it(path: str, tmp_path: Path) -> None:
    script = program(tmp_path / Path(path).name, write_batch_scripts.scripts()[path])
    if script.name == APP:
        assert starts_what_is_told(script)
        return
    assert not starts_what_is_told(script)
    assert interface_of(script) is INTERFACES[script.stem]
    assert OFFERED[script.stem] == script.name


def test_a_script_of_another_form_knows_what_it_does(tmp_path: Path) -> None:
    assert interface_of(program(tmp_path / "own.sh", 'exec "$2" "$1" -- apptainer run x\n')) is None
    assert interface_of(program(tmp_path / "own.sh", 'exec "$2" "$1" -- jupyter server\n')) is None
