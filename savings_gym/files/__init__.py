"""Files that are written whole or not at all, run folders that can be trusted, and versions."""

from savings_gym.files.manifest import (
    MANIFEST,
    SCHEMA,
    Manifest,
    manifest_bytes,
    run_name,
    verified,
    write_atomically,
)
from savings_gym.files.runs import (
    CONFIG,
    LEFTOVER,
    PARTS,
    PROBES,
    PROBES_CARRIED,
    PROBES_STOPPED,
    SUMMARY,
    BusyFolderError,
    holds_run,
    is_empty,
    open_folder,
    read_config,
    sole_writer,
)
from savings_gym.files.tables import check_tables, check_writable, read_table, write_json, write_table
from savings_gym.files.versions import versions

__all__ = [
    "BusyFolderError",
    "CONFIG",
    "LEFTOVER",
    "MANIFEST",
    "Manifest",
    "PARTS",
    "PROBES",
    "PROBES_CARRIED",
    "PROBES_STOPPED",
    "SCHEMA",
    "SUMMARY",
    "check_tables",
    "check_writable",
    "holds_run",
    "is_empty",
    "manifest_bytes",
    "open_folder",
    "read_config",
    "read_table",
    "run_name",
    "sole_writer",
    "verified",
    "versions",
    "write_atomically",
    "write_json",
    "write_table",
]
