"""`shahrdad init`: a node from five answers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.datasets.codelists import City

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
        no_input: Never ask; take defaults or refuse.
    """
    from shahrdad.node.city import create_node
    from shahrdad.node.config import (
        Config,
        FederationSection,
        GrpcSection,
        HttpSection,
        NodeSection,
        PublishSection,
    )
    from shahrdad.node.config_file import render

    file = folder / "shahrdad.toml"
    if file.exists():
        raise ConflictError(Reason.NODE_EXISTS, path=str(file))
    ask = _Asker(common, not no_input and sys.stdin.isatty())
    facts = ask.city(city)
    url = f"http://127.0.0.1:{http_port}"
    config = Config(
        node=NodeSection(
            city=facts.slug,
            city_code=facts.code,
            name_fa=facts.name_fa,
            name_en=facts.name_en,
            public_url=public_url or ask.text("نشانی عمومی؟", "Public address?", url),
        ),
        http=HttpSection(port=http_port),
        grpc=GrpcSection(port=grpc_port),
        publish=PublishSection(approval=approval or ask.approval()),
        federation=FederationSection(
            origin=origin
            or ask.text(
                "نام دفتر (میزبان/مسیر)؟",
                "Name of the log (host/path)?",
                f"{facts.slug}.example/catalog",
            )
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(render(config), "utf-8")
    vkey = create_node(file)
    if common.json:
        print_json(
            {"config": str(file), "origin": config.federation.origin, "vkey": vkey}
        )
        return
    common.say(
        f"گرهٔ {facts.name_fa} در {folder.absolute()} آماده است. کلید عمومی:\n{vkey}",
        f"The node of {facts.name_en} is in {folder.absolute()}. Public key:\n{vkey}",
    )
    common.next_step(
        f"cd {folder} و سپس: shahrdad publish FILE --family budget_lines",
        f"cd {folder}; shahrdad publish FILE --family budget_lines",
    )


class _Asker:
    """Asks on the terminal, or takes the defaults where nobody can be asked."""

    def __init__(self, common: Common, ask: bool) -> None:
        self._common = common
        self._ask = ask

    def text(self, fa: str, en: str, default: str) -> str:
        """Return an answer; an empty one is the default."""
        if not self._ask:
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
