"""A host that answers as the Hugging Face hub does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"
REPO = "someone/tiny"
CONFIG = b'{"model_type": "llama"}'
WEIGHTS = bytes(range(256)) * 1000
FILES = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "modeling.py": b"import os"}


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def git_id(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Hub:
    """Repositories on the host: large files behind a redirect, small ones in place."""

    def __init__(self, host: Any, serve: Any) -> None:
        self.host, self.serve = host, serve
        self.token = ""

    def publish(
        self, commit: str = COMMIT, files: dict[str, bytes] = FILES, repo: str = REPO
    ) -> None:
        siblings = []
        for name, body in files.items():
            large = name.endswith((".safetensors", ".bin"))
            entry: dict[str, Any] = {
                "rfilename": name,
                "size": len(body),
                "blobId": git_id(body),
            }
            if large:
                entry["lfs"] = {"sha256": sha256(body), "size": len(body), "pointerSize": 134}
            siblings.append(entry)
            for revision in ("main", commit):
                path = f"/{repo}/resolve/{revision}/{name}"
                self.host.routes[path] = self._file(commit, body, large)
            self.host.put(f"/cdn/{sha256(body)}", body)
        info = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}
        for revision in ("main", commit):
            self.host.routes[f"/api/models/{repo}/revision/{revision}"] = self._answer_info(info)
        self.host.routes[f"/api/models/{repo}"] = self._answer_info(info)

    def _answer_info(self, info: dict[str, Any]) -> Any:
        body = json.dumps(info).encode()
        return lambda handler: handler.plain(200, body, Content_Type="application/json")

    def _file(self, commit: str, body: bytes, large: bool) -> Any:
        def answer(handler: Any) -> None:
            if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
                handler.plain(
                    401,
                    b'{"error": "Access to model is restricted."}',
                    X_Error_Code="GatedRepo",
                    X_Error_Message="Access to model is restricted.",
                )
            elif large:
                handler.plain(
                    302,
                    # Another host by name, as the content network is.
                    Location=f"{self.host.address.replace('127.0.0.1', 'localhost')}"
                    f"/cdn/{sha256(body)}",
                    X_Repo_Commit=commit,
                    X_Linked_Size=str(len(body)),
                    X_Linked_Etag=f'"{sha256(body)}"',
                )
            else:
                self.serve.file(body, etag=f'"{git_id(body)}"', headers={"X-Repo-Commit": commit})(
                    handler
                )

        return answer

    def refuse(self, path: str, status: int, code: str) -> None:
        self.host.routes[path] = lambda handler: handler.plain(
            status, b'{"error": "no"}', X_Error_Code=code, X_Error_Message="no"
        )

    def asked(self) -> list[str]:
        return [a.path for a in self.host.asked]


def no_code(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if not name.endswith(".py"))
