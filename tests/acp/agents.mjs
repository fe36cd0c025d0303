// The agents that are tried, and what each of them offers.

import { readFileSync } from 'node:fs';

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;

// `modes` are those that a client may set, in this order, and `wider` is one that it may not. `api` is that of its model.
// `loads` says whether a further process goes on with a conversation.
export const agents = [
  { name: 'opencode', version: version('opencode-ai'), api: 'completions', model: 'stub/two', modes: ['plan', 'build'], wider: 'any', loads: true },
  { name: 'gemini', version: version('@google/gemini-cli'), api: 'gemini', model: 'gemini-2.5-pro', modes: ['plan', 'default'], wider: 'yolo', loads: 'sometimes' },
  { name: 'codex', version: version('@agentclientprotocol/codex-acp'), api: 'responses', model: 'gpt-5.5', modes: ['read-only'], wider: 'agent-full-access', loads: true },
  { name: 'stand-in', version: version('@agentclientprotocol/sdk'), model: 'large', modes: ['bold', 'careful'], wider: 'any', loads: true },
  { name: 'plain', version: version('@agentclientprotocol/sdk'), modes: ['bold', 'careful'], wider: 'any', loads: true },
  { name: 'forgetful', version: version('@agentclientprotocol/sdk'), model: 'large', modes: ['bold', 'careful'], wider: 'any', loads: false },
];
