// A backend that keeps notes: each session is one. It shows what a plugin in JavaScript looks like, and how it fails.

import log from "berth:backend/log@0.1.0";
import settings from "berth:backend/settings@0.1.0";
import store from "berth:backend/store@0.1.0";

const PREFIX = "note/";

// There is no TextEncoder.
const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
const text = (bytes) => decodeURIComponent(escape(String.fromCharCode(...bytes)));

// A function that answers a `result` throws its error; one of the host's throws an Error with it as `payload`.
const unsupported = () => {
  throw { tag: "unsupported" };
};

// The session of the note with this id; the first one is always there.
function session(id) {
  let note = { name: "the first note", created: 0 };
  if (id !== "first") {
    const kept = store.get(PREFIX + id);
    if (kept === null) throw { tag: "not-found", val: id };
    note = JSON.parse(text(kept.value));
  }
  return {
    id,
    name: note.name,
    agent: "pen",
    directory: null,
    project: null,
    parent: null,
    state: "idle",
    evidence: "agent",
    since: null,
    summary: null,
    task: null,
    lastOutput: null,
    prompts: [],
    attention: null,
    queue: [],
    can: {},
    url: null,
    createdAt: note.created,
    activeAt: null,
    facts: [["language", "javascript"]],
  };
}

export const sessionBackend = {
  describe() {
    const { about = "Notes, kept by JavaScript" } = JSON.parse(settings.get()).settings;
    return {
      about,
      version: "1.0.0",
      creation: { create: true },
      options: [],
      views: ["output"],
      tools: [],
      pollMs: null,
      facts: [],
    };
  },

  listSessions({ limit, after }) {
    const keys = store.keys(PREFIX, after && PREFIX + after, limit);
    const sessions = keys.map((key) => session(key.slice(PREFIX.length)));
    if (after === null) sessions.unshift(session("first"));
    const next = keys.length === limit ? sessions[sessions.length - 1].id : null;
    return { sessions, problems: [], next };
  },

  getSession(id) {
    if (id === "raises") throw new Error("the cupboard is bare");
    if (id === "mistyped") return "a note";
    return session(id);
  },

  readLog(id, { after }) {
    const { name } = session(id);
    return { text: after === "1" ? "" : `This is ${name}.\n`, next: "1", more: false, gap: false };
  },
};

export const sessionControl = {
  createSession(request) {
    const note = { name: request.name ?? "a note", created: Date.now() };
    try {
      // A request that is repeated answers the note that it made.
      store.put(PREFIX + request.id, bytes(JSON.stringify(note)), 0);
      log.write("info", `wrote ${note.name}`);
    } catch (error) {
      if (error.payload?.tag !== "conflict") throw error;
    }
    return session(request.id);
  },
  sendMessage: unsupported,
  cancelMessage: unsupported,
  respond: unsupported,
  interrupt: unsupported,
  terminate: unsupported,
};
