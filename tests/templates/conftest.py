"""The rendering of roles' templates, for the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support import role_templates


@pytest.fixture(scope="session", autouse=True)
def _roles_plugins() -> None:
    # Some tests use the filters without rendering a template.
    role_templates.load_plugins()


@pytest.fixture(scope="session")
def render() -> Callable[..., str]:
    """Return the function that renders a role's template with a host's variables."""
    return role_templates.render
