"""`shahrdad init`: a node from five answers."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.datasets.codelists import City
    from shahrdad.node.config import Config, GrpcSection, HttpSection

Approval = Literal["four-eyes", "single"]


def init(
    folder: Annotated[Path, Parameter()] = Path(),
    *,
    city: str | None = None,
    public_url: str | None = None,
    origin: str | None = None,
    http_port: int = 8080,
    grpc_port: int = 50051,
    approval: Approval | None = None,
    owner: str | None = None,
    password_file: Path | None = None,
    no_input: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make a node: configuration, signing key, and the log's first entry.

    Asks for what is not given. The key is a file that only you can read; keep a copy
    of it in a safe: whoever has it can sign as your city.

    Args:
        folder: Where the node lives; made when absent.
        city: The city's slug, for example kerman; `shahrdad init` lists them.
        public_url: The address at which the public will reach the node.
        origin: The log's permanent name, host/path; a host of yours in it is enough.
        http_port: Port of the web pages and the API.
        grpc_port: Port of the federation.
        approval: four-eyes: another person approves each publication; or single.
        owner: The first administrator's account; `shahrdad user add` makes it later.
        password_file: A file that holds that account's password.
        no_input: Never ask; take defaults or refuse.
    """
    from shahrdad.node.city import create_node
    from shahrdad.node.commands import user
    from shahrdad.node.config import GrpcSection, HttpSection
    from shahrdad.node.config_file import render

    file = folder / "shahrdad.toml"
    if file.exists():
        raise ConflictError(Reason.NODE_EXISTS, path=str(file))
    ask = _Asker(common, not no_input and sys.stdin.isatty())
    config = ask.config(
        city,
        public_url or "",
        origin,
        approval,
        HttpSection(port=http_port),
        GrpcSection(port=grpc_port),
    )
    name = ask.owner() if owner is None else owner
    password = _password(common, name, password_file) if name else ""
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(render(config), "utf-8")
    vkey = create_node(file)
    made = None
    if name:
        placed = replace(common, config=file)
        made = user.make(placed, name, ("admin",), password)
    if common.json:
        print_json(
            {
                "config": str(file),
                "origin": config.federation.origin,
                "vkey": vkey,
                "owner": user.shown_once(*made) if made else None,
            }
        )
        return
    _tell(common, config, folder, vkey)
    if made is not None:
        user.show(common, *made)


def _password(common: Common, name: str, file: Path | None) -> str:
    """Return a password that is good enough, before anything is made.

    Raises:
        RequestError: PASSWORD_NEEDED, PASSWORD_WEAK, FILE_NOT_FOUND.
    """
    from shahrdad.node.accounts.acting import read_secret
    from shahrdad.node.accounts.passwords import check_strength

    found = read_secret(name, file, common.text("گذرواژه: ", "Password: "))
    check_strength(found, name)
    return found


def _tell(common: Common, config: "Config", folder: Path, vkey: str) -> None:
    """Say what was made, and what comes next."""
    node = config.node
    common.say(
        f"گرهٔ {node.name_fa} در {folder.absolute()} آماده است. کلید عمومی:\n{vkey}",
        f"The node of {node.name_en} is in {folder.absolute()}. Public key:\n{vkey}",
    )
    if config.publish.approval == "single":
        common.next_step(
            f"cd {folder} و سپس: shahrdad publish FILE --family budget_lines",
            f"cd {folder}; shahrdad publish FILE --family budget_lines",
        )
        return
    common.next_step(
        f"cd {folder} و سپس: shahrdad user add NAME --role editor، و یک نفر دیگر با "
        "--role publisher",
        f"cd {folder}; shahrdad user add NAME --role editor, and another person with "
        "--role publisher",
    )


class _Asker:
    """Asks on the terminal, or takes the defaults where nobody can be asked."""

    def __init__(self, common: Common, ask: bool) -> None:
        self._common = common
        self.asks = ask

    def config(
        self,
        city: str | None,
        public_url: str,
        origin: str | None,
        approval: Approval | None,
        http: "HttpSection",
        grpc: "GrpcSection",
    ) -> "Config":
        """Return the configuration of what was given and what is answered now."""
        from shahrdad.node.config import (
            Config,
            FederationSection,
            NodeSection,
            PublishSection,
        )

        facts = self.city(city)
        url = f"http://127.0.0.1:{http.port}"
        name = f"{facts.slug}.example/catalog"
        return Config(
            node=NodeSection(
                city=facts.slug,
                city_code=facts.code,
                name_fa=facts.name_fa,
                name_en=facts.name_en,
                public_url=public_url
                or self.text("نشانی عمومی؟", "Public address?", url),
            ),
            http=http,
            grpc=grpc,
            publish=PublishSection(approval=approval or self.approval()),
            federation=FederationSection(
                origin=origin
                or self.text(
                    "نام دفتر (میزبان/مسیر)؟", "Name of the log (host/path)?", name
                )
            ),
        )

    def owner(self) -> str:
        """Return the name of the first administrator's account; none where empty."""
        return self.text(
            "حساب مدیر (خالی = بعداً)؟", "Administrator's account (empty = later)?", ""
        )

    def text(self, fa: str, en: str, default: str) -> str:
        """Return an answer; an empty one is the default."""
        if not self.asks:
            return default
        shown = f" [{default}]" if default else ""
        sys.stderr.write(self._common.text(fa, en) + shown + " ")
        sys.stderr.flush()
        return sys.stdin.readline().strip() or default

    def city(self, slug: str | None) -> "City":
        """Return the facts of the city that was named, or is named now.

        Raises:
            RequestError: CITY_NOT_LISTED.
        """
        from shahrdad.datasets.codelists import cities

        known = {city.slug: city for city in cities()}
        if slug is None:
            self._common.say(
                "شهرها: " + "، ".join(known), "Cities: " + ", ".join(known)
            )
            slug = self.text("شهر شما؟", "Your city?", "")
        if slug not in known:
            raise RequestError(
                Reason.CITY_NOT_LISTED, city=slug, cities=", ".join(sorted(known))
            )
        return known[slug]

    def approval(self) -> Approval:
        """Return who approves; four eyes where nobody can be asked."""
        answer = self.text("تأیید تک‌نفره؟ (y/n)", "Does one person approve? (y/n)", "n")
        return "single" if answer.lower().startswith("y") else "four-eyes"
