"""Backup and the way back: nothing secret leaves, nothing is signed twice."""

import json
import shutil
from pathlib import Path

import pytest

from account_world import PASSWORD, actor, add_person, settle, strict_node, token_of
from node_world import make_node, publish_example, put_record
from shahrdad.datasets.errors import PeerError, Reason, ShahrdadError
from shahrdad.node.accounts import audit, people, tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import KEY_NAME, Node
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.operating import backup
from shahrdad.node.store.contract import Area


def reason(act: object, *arguments: object) -> Reason:
    """Return the reason for which something is refused."""
    assert callable(act)
    with pytest.raises(ShahrdadError) as caught:
        act(*arguments)
    return caught.value.reason


def safe(source: Node, target: Node) -> None:
    """Put the keys from the safe beside the restored database."""
    assert source.account_key is not None  # made at its first use
    for name in (KEY_NAME, "signing.vkey", "accounts.key"):
        shutil.copy(source.config.data / name, target.config.data / name)


def test_backup_holds_no_secret(tmp_path: Path) -> None:
    """Neither keys nor the guard nor the store's password, in no file of it."""
    node = strict_node(tmp_path)
    settle(node)
    token = token_of(node, "edna", "submit")
    found = backup.make(node, tmp_path / "backup")
    names = {path.name for path in found.folder.rglob("*")}
    seed = (node.config.data / KEY_NAME).read_bytes()
    key = (node.config.data / "accounts.key").read_bytes()

    assert set() == names & set(backup.NEVER)
    for path in found.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert 0o600 == path.stat().st_mode & 0o777
            for secret in (seed.strip(), key, token.encode(), PASSWORD.encode()):
                assert secret not in content
    assert Reason.PATH_EXISTS is reason(backup.make, node, found.folder)


def test_accounts_drafts_and_audit_come_back(tmp_path: Path) -> None:
    """A drill: everything that no mirror holds is there again, files too."""
    node = strict_node(tmp_path)
    settle(node)
    example = handed(find_example("kerman", "org-units"))
    draft = drafting.draft_file(node, example, actor(node, "edna")).draft
    draft = drafting.submit(node, draft.id, actor(node, "edna"))
    token = token_of(node, "paul", "approve")
    found = backup.make(node, tmp_path / "backup")
    again = backup.restore(found.folder, tmp_path / "again")
    safe(node, again)
    connection = again.database.connect()

    assert people.every(node.database.connect()) == people.every(connection)
    assert draft == drafts.get(connection, draft.id)
    assert audit.verify(node.database.connect()) == audit.verify(connection)
    assert tokens.resolve(connection, again.account_key, token, present())
    assert draft.now.original is not None
    assert again.store.stat(Area.PRIVATE, draft.now.original) is not None
    again.close()


def test_restored_node_signs_only_after_a_comparison(tmp_path: Path) -> None:
    """Without a guard it refuses; confirmed by its operator, it goes on."""
    node = make_node(tmp_path)
    publish_example(node, "org-units")
    found = backup.make(node, tmp_path / "backup")
    again = backup.restore(found.folder, tmp_path / "again")
    safe(node, again)

    assert not (again.config.data / "signer.db").exists()
    assert Reason.SIGNING_WAITS is reason(lambda: again.start_signing(offline=True))
    assert Reason.NOT_READY is reason(put_record, again, "x")
    own = node.own_log()
    assert own is not None
    assert own.size == backup.confirm(again)
    assert own.size == put_record(again, "after-restore")
    again.close()


def test_older_backup_does_not_fork_the_log(tmp_path: Path) -> None:
    """What was signed since the backup is pulled from the mirror before anything."""
    node = make_node(tmp_path)
    found = backup.make(node, tmp_path / "backup")
    publish_example(node, "org-units")
    again = backup.restore(found.folder, tmp_path / "again")
    safe(node, again)
    if node.config.store.kind == "local":
        shutil.copytree(node.config.objects, again.config.objects, dirs_exist_ok=True)
    signed = node.own_log()
    assert signed is not None

    assert signed.size == backup.confirm(again)
    origin = node.config.federation.origin
    assert node.logs.root_at(origin, signed.size) == again.logs.root_at(
        origin, signed.size
    )
    assert signed.size == put_record(again, "after-restore")
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "node.db").write_bytes(b"x"),
        lambda folder: (folder / "node.db").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: escape(folder),
    ],
)
def test_damaged_backup_is_refused(tmp_path: Path, damage: object) -> None:
    """Nothing is restored from a backup that is not what was written."""
    node = make_node(tmp_path)
    add_person(node, "edna", "editor", factor=False)
    found = backup.make(node, tmp_path / "backup")
    backup.check(found.folder)
    assert callable(damage)
    damage(found.folder)

    with pytest.raises(PeerError) as caught:
        backup.restore(found.folder, tmp_path / "again")
    assert Reason.BACKUP_DAMAGED is caught.value.reason
    assert not (tmp_path / "again").exists()


def escape(folder: Path) -> None:
    """Name a file outside the backup in its manifest."""
    path = folder / "manifest.json"
    tree = json.loads(path.read_text("utf-8"))
    tree["files"]["../kerman/shahrdad.toml"] = "0" * 64
    path.write_text(json.dumps(tree), "utf-8")
