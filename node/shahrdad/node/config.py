"""A node's configuration: one dataclass tree, one reader.

Precedence: environment (`SHAHRDAD_SECTION__KEY`) over the file, and of files the one
named by `--config` or `SHAHRDAD_CONFIG`, else `./shahrdad.toml`, else
`/etc/shahrdad/shahrdad.toml`. Relative paths count from the file's folder. A secret
may stand in a file of its own: `secret_key_file` names it.

>>> from shahrdad.node.config import parse
>>> config = parse({"node": {"city": "kerman", "city_code": "1346"}}, environ={})
>>> config.federation.origin, config.store.kind
('kerman.example/catalog', 'local')
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from shahrdad.datasets.errors import Reason, RequestError

FILE_NAME = "shahrdad.toml"
SYSTEM_FILE = Path("/etc/shahrdad/shahrdad.toml")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class NodeSection:
    """Whose node this is."""

    city: str = ""  # slug of the member log, for example "kerman"
    city_code: str = ""  # 4-digit SCI code, text
    name_fa: str = ""
    name_en: str = ""
    data: str = "data"  # folder of node.db, keys and the local object store
    public_url: str = ""  # the only source of absolute addresses
    language: Literal["fa", "en"] = "fa"


@dataclass(frozen=True, slots=True)
class HttpSection:
    """Where the HTTP service listens."""

    host: str = "127.0.0.1"
    port: int = 8080
    requests_per_minute: int = 1200  # of one caller, in plain requests; 0 = uncounted
    requests_burst: int = 300
    drain_seconds: int = 3  # answered after SIGTERM, while /readyz says 503
    trusted_proxies: tuple[str, ...] = ()  # networks whose forwarding is believed
    security_contact: str = ""  # of security.txt: mailto:… or https://…; empty = none


@dataclass(frozen=True, slots=True)
class GrpcSection:
    """Where the federation service listens."""

    host: str = "127.0.0.1"
    port: int = 50051
    tls_certificate: str = ""  # PEM file; empty = plain text, for loopback and proxies
    tls_key: str = ""


@dataclass(frozen=True, slots=True)
class StoreSection:
    """Where objects lie."""

    kind: Literal["local", "s3"] = "local"
    path: str = ""  # local: empty = <data>/objects
    endpoint: str = ""  # s3: host:port
    bucket: str = ""
    private_bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    secret_key_file: str = ""
    secure: bool = True
    ca_file: str = ""  # s3: PEM; empty = the system's certificates
    serve: Literal["node", "public", "presigned"] = "node"
    public_url: str = ""  # of the bucket, for serve = "public"


@dataclass(frozen=True, slots=True)
class PublishSection:
    """How a dataset becomes public."""

    approval: Literal["four-eyes", "single"] = "four-eyes"
    license: str = "CC-BY-4.0"


@dataclass(frozen=True, slots=True)
class PeerSection:
    """A node that this one synchronises with."""

    name: str = ""
    grpc: str = ""  # host:port
    static: str = ""  # address of its public files, for data objects
    tls_roots: str = ""  # PEM file; empty = plain text on loopback, else the system's
    insecure: bool = False
    push: bool = False  # bring our log there after each round: for cities behind NAT


@dataclass(frozen=True, slots=True)
class LogSection:
    """A log whose keys are known beforehand."""

    origin: str = ""
    city: str = ""
    vkeys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustSection:
    """What the member log is checked against."""

    member_log: str = ""
    forum_vkey: str = ""
    approvers: tuple[str, ...] = ()
    threshold: int = 0


@dataclass(frozen=True, slots=True)
class FederationSection:
    """The city's log and the logs it follows."""

    origin: str = ""  # empty = <city>.example/catalog
    witness: bool = True
    allow_private: tuple[str, ...] = ()  # networks that may be dialled although private
    interval_seconds: int = 3600  # between rounds of `serve`
    continuous: bool = False  # `serve` waits at its peers for changes, without rounds
    quorum: int = 0  # witnesses that confirm a head, without a member log; 0 = none
    stale_after_hours: int = 48  # without a member log
    withdrawn_percent_max: int = 50  # of a log's records at once; above: held
    peers: tuple[PeerSection, ...] = ()
    logs: tuple[LogSection, ...] = ()
    trust: TrustSection = field(default_factory=TrustSection)


@dataclass(frozen=True, slots=True)
class MirrorSection:
    """Which data objects of other cities are held here."""

    objects: Literal["all", "none", "chosen"] = "none"
    families: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    bytes_max: int = 100 * 1024**3


@dataclass(frozen=True, slots=True)
class SearchSection:
    """What reads searches; `auto` takes tantivy for many datasets, if installed."""

    engine: Literal["auto", "fts5", "tantivy"] = "auto"


@dataclass(frozen=True, slots=True)
class PortalSection:
    """What the pages of figures use besides the data; nothing of it is built in."""

    price_index: str = ""  # dataset of `kpi_values` with a price index; empty = none
    price_indicator: str = "cpi"  # its `indicator_code`


@dataclass(frozen=True, slots=True)
class LogsSection:
    """How the node logs what it does."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


@dataclass(frozen=True, slots=True)
class DeliverySection:
    """A running system whose data is fetched regularly: one of four sources."""

    name: str = ""
    family: str = ""
    account: str = ""  # in whose name: a service account with the role editor
    slug: str = ""
    fiscal_year: int = 0
    profile: str = ""  # a saved mapping profile
    unit: str = ""
    calendar: str = ""
    interval_minutes: int = 60  # 0 = only by the command
    folder: str = ""  # its newest file
    url: str = ""  # https; private networks as in federation.allow_private
    s3: str = ""  # https://HOST/BUCKET/PREFIX: its newest object
    s3_access_key: str = ""
    s3_secret_key_file: str = ""
    s3_region: str = "us-east-1"
    database: str = ""  # SQLAlchemy's address
    database_file: str = ""  # a file with that address, which holds a password
    query: str = ""  # one SELECT


@dataclass(frozen=True, slots=True)
class TracingSection:
    """Where traces go (extra `otel`); an empty endpoint makes none."""

    endpoint: str = ""  # of a collector: http://127.0.0.1:4318/v1/traces
    percent: int = 100  # of the requests that are traced


@dataclass(frozen=True, slots=True)
class OidcSection:
    """The city's sign-in service (OpenID Connect); empty = passwords alone."""

    issuer: str = ""  # https://…, as the service names itself
    client_id: str = ""
    client_secret: str = ""
    client_secret_file: str = ""
    name_fa: str = ""  # of the service, on the button
    name_en: str = ""
    allow_private: tuple[str, ...] = ()  # networks that the service may be in


@dataclass(frozen=True, slots=True)
class MailSection:
    """Where notices by e-mail go out; an empty host sends none."""

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    password_file: str = ""
    sender: str = ""  # the address that notices come from
    ca_file: str = ""  # PEM; empty = the system's certificates


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `folder` is where its relative paths count from."""

    node: NodeSection = field(default_factory=NodeSection)
    http: HttpSection = field(default_factory=HttpSection)
    grpc: GrpcSection = field(default_factory=GrpcSection)
    store: StoreSection = field(default_factory=StoreSection)
    publish: PublishSection = field(default_factory=PublishSection)
    federation: FederationSection = field(default_factory=FederationSection)
    mirror: MirrorSection = field(default_factory=MirrorSection)
    search: SearchSection = field(default_factory=SearchSection)
    portal: PortalSection = field(default_factory=PortalSection)
    logs: LogsSection = field(default_factory=LogsSection)
    tracing: TracingSection = field(default_factory=TracingSection)
    oidc: OidcSection = field(default_factory=OidcSection)
    mail: MailSection = field(default_factory=MailSection)
    deliveries: tuple[DeliverySection, ...] = ()
    folder: Path = field(default_factory=Path)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / self.node.data

    @property
    def objects(self) -> Path:
        """The folder of the local object store."""
        if self.store.path:
            return self.folder / self.store.path
        return self.data / "objects"

    @property
    def public_url(self) -> str:
        """The node's address without a final slash."""
        url = self.node.public_url or f"http://{self.http.host}:{self.http.port}"
        return url.rstrip("/")


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file to read.

    Raises:
        RequestError: CONFIG_NOT_FOUND.
    """
    named = path or (
        Path(environ["SHAHRDAD_CONFIG"]) if "SHAHRDAD_CONFIG" in environ else None
    )
    if named is not None:
        file = named / FILE_NAME if named.is_dir() else named
        if not file.is_file():
            raise RequestError(Reason.CONFIG_NOT_FOUND, path=str(file))
        return file
    for file in (Path(FILE_NAME), SYSTEM_FILE):
        if file.is_file():
            return file
    raise RequestError(Reason.CONFIG_NOT_FOUND, path=str(Path(FILE_NAME).absolute()))


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration.

    Args:
        path: A file, or a folder that holds `shahrdad.toml`; None = the usual places.
        environ: The environment; None = the process's own.

    Raises:
        RequestError: CONFIG_NOT_FOUND, CONFIG_SYNTAX, CONFIG_KEY_UNKNOWN, CONFIG_VALUE.
    """
    environ = os.environ if environ is None else environ
    file = find_file(path, environ)
    return parse(read(file), environ=environ, folder=file.parent.absolute())


def read(file: Path) -> dict[str, Any]:
    """Return what a configuration file says, not yet checked.

    Raises:
        RequestError: CONFIG_SYNTAX.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(
            Reason.CONFIG_SYNTAX, path=str(file), detail=str(error)
        ) from error


def overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and text of each option that the environment sets."""
    for name, value in environ.items():
        if name.startswith("SHAHRDAD_") and "__" in name:
            section, _, key = name.removeprefix("SHAHRDAD_").lower().partition("__")
            yield section, key, value


def faults(
    tree: Mapping[str, Any], *, environ: Mapping[str, str], folder: Path = Path()
) -> list[RequestError]:
    """Return everything that is wrong with a configuration, not only the first."""
    pieces: list[Mapping[str, Any]] = []
    for section, value in tree.items():
        if isinstance(value, Mapping):
            pieces += [{section: {key: item}} for key, item in value.items()]
        else:
            pieces.append({section: value})
    pieces += [{section: {key: text}} for section, key, text in overrides(environ)]
    found = []
    for piece in pieces:
        try:
            parse(piece, environ={}, folder=folder)
        except RequestError as error:
            found.append(error)
    return found


def parse(
    tree: Mapping[str, Any], *, environ: Mapping[str, str], folder: Path = Path()
) -> Config:
    """Build the configuration from parsed TOML and the environment.

    Raises:
        RequestError: CONFIG_KEY_UNKNOWN, CONFIG_VALUE.
    """
    merged: dict[str, Any] = dict(tree)
    for section, key, value in overrides(environ):
        merged[section] = {**merged.get(section, {}), key: value}
    merged["folder"] = folder
    config: Config = _build(Config, merged, "")
    return _complete(config)


def _complete(config: Config) -> Config:
    """Fill what follows from other values, and check what cannot be a type."""
    from dataclasses import replace

    city = config.node.city
    if city and not SLUG.fullmatch(city):
        raise RequestError(
            Reason.CONFIG_VALUE, key="node.city", value=city, expected="a slug: kerman"
        )
    federation = config.federation
    if not federation.origin and city:
        federation = replace(federation, origin=f"{city}.example/catalog")
    store, oidc, mail = config.store, config.oidc, config.mail
    if store.secret_key_file:
        key = _secret(config, "store.secret_key_file", store.secret_key_file)
        store = replace(store, secret_key=key)
    if oidc.client_secret_file:
        key = _secret(config, "oidc.client_secret_file", oidc.client_secret_file)
        oidc = replace(oidc, client_secret=key)
    if mail.password_file:
        key = _secret(config, "mail.password_file", mail.password_file)
        mail = replace(mail, password=key)
    return replace(config, federation=federation, store=store, oidc=oidc, mail=mail)


def _secret(config: Config, option: str, name: str) -> str:
    """Return a secret from a file of its own.

    Raises:
        RequestError: CONFIG_VALUE: the file cannot be read.
    """
    try:
        return (config.folder / name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(option, name, "a file that can be read") from error


def _build(kind: type, value: object, path: str) -> Any:
    """Build a value of a type from TOML or from an environment variable's text."""
    if is_dataclass(kind):
        return _build_section(kind, value, path)
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise _wrong(path, value, " | ".join(map(str, get_args(kind))))
        return value
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise _wrong(path, value, "a list")
        item_kind = get_args(kind)[0]
        return tuple(_build(item_kind, item, f"{path}[]") for item in items if item)
    if kind is int and isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    if kind is bool and value in {"true", "false"}:
        return value == "true"
    if isinstance(kind, UnionType) or not isinstance(value, kind):
        raise _wrong(path, value, kind.__name__)
    if kind is int and isinstance(value, bool):
        raise _wrong(path, value, "int")
    return value


def _build_section(kind: type, value: object, path: str) -> Any:
    """Build one section, refusing keys it does not have."""
    if not isinstance(value, Mapping):
        raise _wrong(path, value, "a section")
    known = {item.name: item for item in fields(kind)}
    hints = get_type_hints(kind)
    for name in value:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise RequestError(
                Reason.CONFIG_KEY_UNKNOWN,
                key=f"{path}{name}",
                nearest=near[0] if near else ", ".join(known),
            )
    given = {
        name: _build(hints[name], item, f"{path}{name}" + _dot(hints[name]))
        for name, item in value.items()
    }
    missing = [
        name
        for name, item in known.items()
        if name not in given
        and item.default is MISSING
        and item.default_factory is MISSING
    ]
    if missing:
        raise _wrong(path, "", missing[0])
    return kind(**given)


def _dot(kind: type) -> str:
    """Return the separator between a section's name and its keys."""
    return "." if is_dataclass(kind) else ""


def _wrong(path: str, value: object, expected: str) -> RequestError:
    """Return the error of a value that is not what its key wants."""
    return RequestError(
        Reason.CONFIG_VALUE, key=path, value=str(value)[:200], expected=expected
    )
