"""A backend that keeps notes: each session is one. It shows what a plugin in Python looks like, and how it fails."""

import json
import time

from componentize_py_types import Err
from wit_world.imports import log, settings, store, types
from wit_world.imports.types import Creation, Evidence, Session, State, Verbs

PREFIX = "note/"


class SessionBackend:
    def describe(self):
        about = json.loads(settings.get())["settings"].get("about", "Notes, kept by Python")
        return types.Description(about, "1.0.0", Creation.CREATE, [], ["output"], [], None, [])

    def list_sessions(self, query):
        after = PREFIX + query.after if query.after else None
        keys = store.keys(PREFIX, after, query.limit)
        sessions = [session(key.removeprefix(PREFIX)) for key in keys]
        if query.after is None:
            sessions.insert(0, session("first"))
        following = sessions[-1].id if len(keys) == query.limit else None
        return types.SessionPage(sessions, [], following)

    def get_session(self, id):
        if id == "raises":
            raise ValueError("the cupboard is bare")
        if id == "mistyped":
            return "a note"
        return session(id)

    def read_log(self, id, query):
        name = session(id).name
        if query.after == "1":
            return types.LogPage("", "1", False, False)
        return types.LogPage(f"This is {name}.\n", "1", False, False)


class SessionControl:
    def create_session(self, request):
        note = {"name": request.name or "a note", "created": int(time.time() * 1000)}
        try:
            # A request that is repeated answers the note that it made.
            store.put(PREFIX + request.id, json.dumps(note).encode(), 0)
            log.write(log.Level.INFO, f"wrote {note['name']}")
        except Err as error:
            if not isinstance(error.value, types.Error_Conflict):
                raise
        return session(request.id)

    def send_message(self, id, message):
        raise Err(types.Error_Unsupported())

    def cancel_message(self, id, message):
        raise Err(types.Error_Unsupported())

    def respond(self, id, answers):
        raise Err(types.Error_Unsupported())

    def interrupt(self, id):
        raise Err(types.Error_Unsupported())

    def terminate(self, id):
        raise Err(types.Error_Unsupported())


def session(id):
    """The session of the note with this id; the first one is always there."""
    note = {"name": "the first note", "created": 0}
    if id != "first":
        kept = store.get(PREFIX + id)
        if kept is None:
            raise Err(types.Error_NotFound(id))
        note = json.loads(kept.value)
    return Session(
        id=id,
        name=note["name"],
        agent="pen",
        directory=None,
        project=None,
        parent=None,
        state=State.IDLE,
        evidence=Evidence.AGENT,
        since=None,
        summary=None,
        task=None,
        last_output=None,
        prompts=[],
        attention=None,
        queue=[],
        can=Verbs(0),
        url=None,
        created_at=note["created"],
        active_at=None,
        facts=[("language", "python")],
    )
