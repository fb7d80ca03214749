"""`shahrdad doctor`: each of the planted faults is found, with its mend in words."""

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import PackagePath, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest

from account_world import settle
from node_world import make_config, put_record, ready
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.config import Config, PeerSection, load
from shahrdad.node.operating import (
    accounts_examination,
    examination,
    network_examination,
)
from shahrdad.node.operating.examination import examine
from shahrdad.node.operating.findings import Finding
from tls_world import Authority

PUBLIC = "https://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sound node: a person of each role, one dataset."""
    file = make_config(tmp_path_factory.mktemp("sound"))
    with ready(Node(load(file))) as node:
        settle(node)
        put_record(node, "one", "یک")
    return file.parent


@pytest.fixture
def config(sound: Path, tmp_path: Path) -> Config:
    """Return the configuration of a copy of it."""
    return load(Path(shutil.copytree(sound, tmp_path / "node")))


def found(config: Config) -> dict[str, Finding]:
    """Return what the doctor says, by subject; every fault has a mend in words."""
    findings = {one.subject: one for one in examine(config)}
    for one in findings.values():
        assert one.fa
        assert one.en
    return findings


def faults(config: Config) -> dict[str, str]:
    """Return the severity of what is not well."""
    return {
        subject: one.severity
        for subject, one in found(config).items()
        if one.severity != "ok"
    }


def test_sound_node_lacks_a_public_address_and_peers_alone(config: Config) -> None:
    """Both are warnings: it is a node on somebody's desk."""
    assert {"public-url": "warning", "peers": "warning"} == faults(config)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with a node.

    Attributes:
        plant: Makes it, and returns the configuration with it.
        mend: What the advice names.
    """

    subject: str
    severity: str
    plant: Callable[[Config, pytest.MonkeyPatch], Config]
    mend: str


def _full_disk(config: Config, patch: pytest.MonkeyPatch) -> Config:
    usage = SimpleNamespace(free=1_000_000)
    patch.setattr(shutil, "disk_usage", lambda _: usage)
    return config


def _lost_font(config: Config, patch: pytest.MonkeyPatch) -> Config:
    font = PackagePath("shahrdad/node/http/static/vazirmatn-lost.woff2")
    font.dist = distribution("shahrdad")
    patch.setattr(examination, "files", lambda _: [font])
    return config


def _no_key(config: Config, _: pytest.MonkeyPatch) -> Config:
    (config.data / "signing.key").unlink()
    return config


def _open_key(config: Config, _: pytest.MonkeyPatch) -> Config:
    (config.data / "signing.key").chmod(0o640)
    return config


def _open_account_key(config: Config, _: pytest.MonkeyPatch) -> Config:
    (config.data / "accounts.key").chmod(0o644)
    return config


def _damaged_database(config: Config, _: pytest.MonkeyPatch) -> Config:
    path = config.data / "node.db"
    for name in ("node.db-wal", "node.db-shm"):
        (config.data / name).unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    content[100:8_192] = b"\xff" * (8_192 - 100)
    path.write_bytes(content)
    return config


def _unsigned(config: Config, _: pytest.MonkeyPatch) -> Config:
    with Node(config) as node:
        node.database.connect().execute("UPDATE log SET head_size=head_size-1")
    return config


def _plain_public_address(config: Config, _: pytest.MonkeyPatch) -> Config:
    return replace(
        config, node=replace(config.node, public_url="http://data.kerman.example")
    )


def _silent_peer(config: Config, _: pytest.MonkeyPatch) -> Config:
    peers = (PeerSection(name="shiraz", grpc="127.0.0.1:1"),)
    return replace(config, federation=replace(config.federation, peers=peers))


def _long_wal(config: Config, patch: pytest.MonkeyPatch) -> Config:
    patch.setattr(accounts_examination, "WAL_BYTES_MAX", -1)
    return config


def _nobody_approves(config: Config, _: pytest.MonkeyPatch) -> Config:
    with Node(config) as node:
        node.database.connect().execute("UPDATE account SET disabled=1")
    return replace(config, publish=replace(config.publish, approval="four-eyes"))


def _cut_audit(config: Config, _: pytest.MonkeyPatch) -> Config:
    with Node(config) as node:
        connection = node.database.connect()
        connection.execute("DROP TRIGGER audit_never_shrinks")
        connection.execute("DELETE FROM audit WHERE seq=2")
    return config


def _slow_clock(config: Config, patch: pytest.MonkeyPatch) -> Config:
    early = present() - timedelta(days=2)
    patch.setattr(accounts_examination, "present", lambda: early)
    return config


def _clock_apart(config: Config, patch: pytest.MonkeyPatch) -> Config:
    found = {"shiraz.example": 61, "yazd.example": -61, "mashhad.example": 60}
    patch.setattr(network_examination, "clocks_ahead", lambda *_: found)
    return config


def _missing_package(config: Config, patch: pytest.MonkeyPatch) -> Config:
    patch.setattr(examination, "PACKAGES", ("no-such-package",))
    return config


def _closed_address(config: Config, _: pytest.MonkeyPatch) -> Config:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return replace(
        config, node=replace(config.node, public_url=PUBLIC.format(port=port))
    )


FAULTS = (
    Fault("python", "failure", _missing_package, "pip install"),
    Fault("installation", "failure", _lost_font, "--force-reinstall"),
    Fault("disk", "failure", _full_disk, "larger disk"),
    Fault("key", "failure", _no_key, "from the safe"),
    Fault("key", "failure", _open_key, "chmod 600"),
    Fault("accounts-key", "failure", _open_account_key, "chmod 600"),
    Fault("database", "failure", _damaged_database, "backup restore"),
    Fault("log", "warning", _unsigned, "next start"),
    Fault("public-url", "failure", _plain_public_address, "nginx"),
    Fault("certificate", "failure", _closed_address, "firewall"),
    Fault("peers", "warning", _silent_peer, "shahrdad sync"),
    Fault("cosignatures", "warning", _silent_peer, "shahrdad sync"),
    Fault("wal", "warning", _long_wal, "restart"),
    Fault("people", "failure", _nobody_approves, "shahrdad user add"),
    Fault("audit", "failure", _cut_audit, "backup"),
    Fault("clock", "failure", _slow_clock, "NTP"),
    Fault("clocks", "warning", _clock_apart, "NTP"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__[1:])
def test_planted_fault_is_found(
    config: Config, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its subject, as grave as it is, and with what to do in both languages."""
    finding = found(fault.plant(config, monkeypatch))[fault.subject]

    assert fault.severity == finding.severity
    assert fault.mend in finding.mend_en
    assert finding.mend_fa


def test_port_that_is_taken_is_found(config: Config) -> None:
    """Another program on it, or the node itself."""
    with socket.socket() as other:
        other.bind((config.http.host, config.http.port))
        other.listen()

        assert "warning" == found(config)["http-port"].severity


@contextmanager
def handshakes(certificate: bytes, key: bytes, folder: Path) -> Iterator[int]:
    """Shake hands with whoever comes, and give the port."""
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            plain, _ = server.accept()
            plain.settimeout(20)
            with plain, context.wrap_socket(plain, server_side=True) as shaken:
                shaken.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


@pytest.mark.parametrize(("days", "severity"), [(60, "ok"), (5, "warning")])
def test_certificate_that_ends_soon_is_found(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    severity: str,
) -> None:
    """Two weeks before its end there is still time."""
    authority = Authority("test")
    (tmp_path / "roots.pem").write_bytes(authority.roots)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)

    with handshakes(*authority.issue("127.0.0.1", days), tmp_path) as port:
        public = replace(config.node, public_url=PUBLIC.format(port=port))
        finding = found(replace(config, node=public))["certificate"]

    assert severity == finding.severity
    assert str(days - 1) in finding.en
