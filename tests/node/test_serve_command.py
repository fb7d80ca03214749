"""`shahrdad serve` is safe as installed: no sign-in in the open by oversight."""

from dataclasses import replace

import pytest

from node_world import make_config
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands.serve import require_https
from shahrdad.node.config import Config, load


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A node on the desk: it answers its own computer, without https."""
    return load(make_config(tmp_path_factory.mktemp("node")))


def at(config: Config, host: str, public_url: str) -> Config:
    """Return the configuration with another address."""
    return replace(
        config,
        http=replace(config.http, host=host),
        node=replace(config.node, public_url=public_url),
    )


@pytest.mark.parametrize(
    ("host", "public_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", ""),
        ("0.0.0.0", "https://data.kerman.ir"),
    ],
)
def test_the_own_computer_and_https_are_served(
    host: str, public_url: str, config: Config
) -> None:
    """A node is tried out without a certificate, and stands behind one in earnest."""
    require_https(at(config, host, public_url))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "data.kerman.ir"])
@pytest.mark.parametrize("public_url", ["", "http://data.kerman.ir"])
def test_other_computers_are_not_answered_in_the_open(
    host: str, public_url: str, config: Config
) -> None:
    """The error names the way out, and `--insecure` for a trial."""
    with pytest.raises(RequestError) as caught:
        require_https(at(config, host, public_url))

    assert Reason.PUBLIC_ADDRESS_PLAIN == caught.value.reason
    assert "--insecure" in caught.value.text("fa")
