"""A small REST catalog of Iceberg tables, which keeps them in a SQLite file."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import CreateTableRequest, TableResponse
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import CommitTableRequest, Table
from sqlalchemy import NullPool, create_engine

from sonnys_pipeline.lake.iceberg.catalogs import SqlTables
from sonnys_pipeline.lake.iceberg.files import Files
from sonnys_pipeline.lake.storage.folder import FolderStorage

_STATUS = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    CommitFailedException: 409,
    TableAlreadyExistsError: 409,
}


@contextmanager
def rest_catalog(file: Path, files: Files | None = None) -> Iterator[str]:
    """Serve on loopback; yields the URL. Metadata is written into folders, or into the object store of `files`."""
    tables = SqlTables(create_engine(f"sqlite:///{file}", poolclass=NullPool), files or FolderStorage(file.parent))
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            status, said = 200, ""
            try:
                with one_at_a_time:
                    said = _said(tables, self.command, urlsplit(self.path).path.strip("/").split("/")[1:], body)
            except tuple(_STATUS) as error:
                status = _STATUS[type(error)]
                said = json.dumps({"error": {"message": str(error), "type": type(error).__name__, "code": status}})
            content = said.encode()
            self.send_response(status if content or status != 200 else 204)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            """Nothing: tests read what they need."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _said(tables: Catalog, verb: str, path: list[str], body: Any) -> str:
    """The answer of the protocol's `/v1/…`; empty for 204."""
    match verb, path:
        case "GET", ["config"]:
            return json.dumps({"defaults": {}, "overrides": {}})
        case "POST", ["namespaces"]:
            tables.create_namespace(tuple(body["namespace"]), body["properties"])
            return json.dumps(body)
        case "GET" | "HEAD", ["namespaces", name]:
            return json.dumps({"namespace": [name], "properties": tables.load_namespace_properties(name)})
        case "GET", ["namespaces", name, "tables"]:
            found = [{"namespace": [name], "name": table} for _, table in tables.list_tables(name)]
            return json.dumps({"identifiers": found})
        case "POST", ["namespaces", name, "tables"]:
            new = CreateTableRequest.model_validate(body)
            given = {"location": new.location, "partition_spec": new.partition_spec, "properties": new.properties}
            return _table(tables.create_table((name, new.name), new.table_schema, **given))
        case "GET" | "HEAD", ["namespaces", name, "tables", table]:
            return _table(tables.load_table((name, table)))
        case "POST", ["namespaces", name, "tables", table]:
            change = CommitTableRequest.model_validate({"identifier": {"namespace": [name], "name": table}, **body})
            done = tables.commit_table(tables.load_table((name, table)), change.requirements, change.updates)
            return done.model_dump_json(by_alias=True)
    raise NoSuchTableError(f"{verb} {'/'.join(path)} is not part of this catalog")


def _table(table: Table) -> str:
    found = TableResponse(**{"metadata-location": table.metadata_location, "metadata": table.metadata})
    return found.model_dump_json(by_alias=True)
