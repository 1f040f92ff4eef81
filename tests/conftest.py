"""What all tests share, the examples in nbexport's docstrings included."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "agg")


class Examples:
    """Fixtures of the docstring examples.

    A plugin and not plain fixtures: those of a conftest reach only what lies beside it, and the
    examples lie in nbexport/.
    """

    @pytest.fixture(autouse=True)
    def _folder(self, request, doctest_namespace):
        """Give examples an empty `folder` to write into."""
        if isinstance(request.node, pytest.DoctestItem):
            doctest_namespace["folder"] = request.getfixturevalue("tmp_path")


def pytest_configure(config):
    config.pluginmanager.register(Examples(), "nbexport-examples")
