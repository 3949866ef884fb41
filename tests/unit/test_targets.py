"""Which targets are this machine."""

import pytest

from codegen.errors import ParameterError
from codegen.targets import check_targets, is_local


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST", "web-1.localhost", "a.b.localhost", "127.0.0.1", "127.255.0.9", "::1"]
)
def test_this_machine_has_many_names(name: str) -> None:
    """RFC 6761 keeps them all on it."""
    assert is_local(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "web-1", "localhost.example.org", "notlocalhost", ".localhost", "a..localhost", "-a.localhost"),
        *("10.0.0.1", "128.0.0.1", "0.0.0.0", "::", "::2", "127.0.0.1:22", " localhost", "localhost\n"),
        *("x;reboot.localhost", "a b.localhost", "a" * 300 + ".localhost"),
    ],
)
def test_everything_else_is_another_machine_or_no_name(name: str) -> None:
    """Look-alikes too."""
    assert not is_local(name)


def test_targets_are_kept_in_order_or_refused_together() -> None:
    """Each that can't be reached is a problem with a cure."""
    assert check_targets(["b.localhost", "localhost"]) == ("b.localhost", "localhost")
    with pytest.raises(ParameterError) as caught:
        check_targets(["localhost", "web-1", ""])
    assert [(problem.path, problem.cure) for problem in caught.value.problems] == [
        ("targets[1]", "use localhost or a name ending in .localhost"),
        ("targets[2]", "use localhost or a name ending in .localhost"),
    ]
    assert "target web-1 can't be reached by this version" in str(caught.value)
