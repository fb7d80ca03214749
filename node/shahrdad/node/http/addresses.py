"""The addresses of everything that a node serves.

`public_url` of the configuration is the only source of absolute ones: what a request
claims as its Host never enters a page.
"""

from dataclasses import dataclass
from urllib.parse import quote

from shahrdad.datasets.errors import Language
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.config import StoreSection


@dataclass(frozen=True, slots=True)
class Addresses:
    """Builds addresses; `root` is "" for relative ones or the public address.

    `bucket` is where readers find published objects without this node (`[store] serve =
    "public"`), empty for none.
    """

    root: str = ""
    bucket: str = ""

    def dataset(self, ref: str, n: int | None = None) -> str:
        """Return a dataset's permanent address, or that of one version."""
        return f"{self.root}/d/{ref}" + (f"/v/{n}" if n is not None else "")

    def api(self, ref: str, n: int | None = None, part: str = "") -> str:
        """Return an address below `/v1/datasets`."""
        version = f"/v/{n}" if n is not None else ""
        return f"{self.root}/v1/datasets/{ref}{version}" + (f"/{part}" if part else "")

    def resource(self, ref: str, n: int, resource: str, ext: str) -> str:
        """Return one resource of one version in one format."""
        return f"{self.dataset(ref, n)}/{quote(resource)}.{ext}"

    def file(self, digest: Digest, name: str) -> str:
        """Return an object's address by content."""
        return f"{self.root}/files/{digest.hex}/{quote(name)}"

    def table_file(self, digest: Digest, name: str) -> str:
        """Return where a table's object is fetched: in the bucket, or from here."""
        if self.bucket:
            return f"{self.bucket}/object/{digest.hex[:2]}/{digest.hex}"
        return self.file(digest, name)

    def page(self, language: Language, path: str = "") -> str:
        """Return a page's address; `path` begins with a slash, or is empty for home."""
        return f"{self.root}/{language}{path or '/'}"

    def feed(self, name: str) -> str:
        """Return an Atom feed's address."""
        return f"{self.root}/feeds/{name}.atom"


def bucket_address(store: StoreSection) -> str:
    """Return where readers find the keys of the store themselves; "" for nowhere.

    >>> bucket_address(StoreSection(serve="public", public_url="https://s3.ir/open/"))
    'https://s3.ir/open'
    """
    if store.serve != "public" or not store.public_url:
        return ""
    prefix = store.prefix.strip("/") if store.kind == "s3" else ""
    return store.public_url.rstrip("/") + (f"/{prefix}" if prefix else "")
