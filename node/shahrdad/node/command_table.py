"""The commands of `shahrdad`, each with its line of help.

A command is named by its import path and loaded when it is called, so that
`shahrdad --help` waits for none of the heavy packages (tests/test_imports.py).
"""

from cyclopts import App, Parameter

NOTHING = (None, False, (), "")  # a default that says only that nothing was given
app = App(
    name="shahrdad",
    help="Publish a city's data, and share it with other cities.",
    help_epilogue="Exit codes: 0 done, 2 usage, 3 data not valid, 4 not allowed, "
    "5 not found, 6 conflict or approval needed, 7 network or peer, 8 partly done, "
    "9 verification failed.",
    version_flags=["--version"],
    default_parameter=Parameter(
        negative_iterable=(),  # no --empty-NAME beside a list
        show_default=lambda value: None if value in NOTHING else str(value),
    ),
)
COMMANDS = {  # name: (import path, one line of help)
    "init": ("init:init", "Make a node: configuration, key, first log entry."),
    "demo": ("demo:demo", "Run three cities on this computer, federated."),
    "example": ("example:example", "Write an example file, to try things with."),
    "standards": ("standards:app", "Show the dataset standards and their templates."),
    "serve": ("serve:serve", "Serve the node: HTTP, federation, regular rounds."),
    "config": (
        "configuration:app",
        "Show and check the configuration, and where it lies.",
    ),
    "doctor": ("doctor:doctor", "Look for faults, each with its mend."),
    "template": ("standards:template", "Write the Excel workbook to fill in."),
    "preview": ("preview:preview", "Show what a file looks like, before judging it."),
    "validate": (
        "validate:validate",
        "Check a file against a standard; no node needed.",
    ),
    "profiles": ("profiles:app", "List, show and export the mapping profiles kept."),
    "publish": ("publish:publish", "Check a file and publish it as a dataset version."),
    "publish-all": (
        "batch:publish_all",
        "Check and publish every file of a folder, in parallel.",
    ),
    "worker": ("batch:worker", "Check files for a coordinator on another computer."),
    "withdraw": ("publish:withdraw", "Withdraw a dataset; every mirror learns of it."),
    "drafts": ("drafts:drafts", "List the drafts that wait for an approval."),
    "approve": ("drafts:approve", "Approve another person's draft and publish it."),
    "return": ("drafts:return_", "Give a draft back to its author, with the reason."),
    "remote": (
        "remote:app",
        "Hand in and approve at a node on another computer, with a token.",
    ),
    "redact": ("drafts:redact", "Ask for a version to be removed everywhere."),
    "search": ("search:search", "Find datasets of all cities by words."),
    "catalog": ("read:catalog_app", "List the datasets of all cities held here."),
    "show": ("read:show", "Show one dataset: record, versions, where its files lie."),
    "history": ("read:history", "List the versions of a dataset."),
    "get": ("read:get", "Write a dataset's table to a file."),
    "diff": ("diff:diff", "Show what changed between two versions, row by row."),
    "restore": ("restore:restore", "Publish an old version as the newest."),
    "sync": ("federation:sync", "Fetch and verify what the other cities published."),
    "peers": ("federation:peers", "Show the peers and how the last rounds went."),
    "push": ("federation:push", "Bring our log to a peer that cannot fetch it."),
    "resume": ("federation:resume", "Let a log go on that was held for a person."),
    "witness": ("federation:witness", "Show the key that vouches for other cities."),
    "policy": ("federation:policy", "Write whose signatures to believe, as a file."),
    "members": ("members:app", "Propose, approve, publish and list members."),
    "key": ("key:app", "Show the signing keys, and change them with an overlap."),
    "prune": ("federation:prune", "Drop bodies whose retention has ended."),
    "month": ("month:app", "Close a month: the root of all logs; verify it."),
    "export": ("bundle:app", "Write a dataset's package, or a bundle for a city."),
    "import": ("bundle:import_bundle", "Import a bundle: verify it, store what holds."),
    "evidence": ("evidence:app", "Check proofs that a log has two histories."),
    "bridge": ("bridge:app", "Take datasets from a CKAN portal, or give it ours."),
    "report": ("report:report", "Write the monthly report of all cities."),
    "receipt": ("verify:receipt", "Write the proof of a version, to check it offline."),
    "verify": ("verify:verify", "Check a file against its receipt, offline."),
    "user": ("user:app", "Accounts: add, list, roles, passwords, second factors."),
    "token": ("token:app", "Tokens: create, list, revoke."),
    "audit": ("audit:app", "The audit: list its rows, verify its chain."),
    "deliver": ("deliver:deliver", "Fetch what running systems deliver regularly."),
    "gc": ("upkeep:gc", "Delete objects that nothing names any more."),
    "store": ("upkeep:store", "Read the objects again, and mend them from peers."),
    "usage": ("usage:usage", "Show how often each dataset was read, and by what."),
    "index": ("upkeep:index", "Make the search index again."),
    "backup": ("backup:app", "Back up what no mirror holds, and restore it."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
    "version": ("version:show_version", "Print the version of the software."),
}
for name, (path, line) in COMMANDS.items():
    app.command(f"shahrdad.node.commands.{path}", name=name, help=line)
