// A berth that starts the real Claude Code in tmux, on screens of the shipped size and on small ones, and calls of its
// tools.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { ends } from './ends.mjs';

const PATIENCE = 60_000;
// No tool answers later, also where a call waits.
const ANSWERED = 120_000;
const TMUX = 20_000;
const ENDED = 10_000;
const run = promisify(execFile);

// Starts the binary `program` for the home `place`. `directories` hold the projects, and `changes` are made to the shipped
// configuration beside those that each has.
export async function startBerth(program, place, { directories = place.projects, changes = [] } = {}) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'berth-')));
  const config = join(folder, 'config.toml');
  await writeFile(config, configuration(directories, changes), { mode: 0o600 });
  let child, ended, base;
  const begin = async () => {
    child = spawn(resolve(program), ['serve', '--config', config], { env: place.env });
    ended = once(child, 'close');
    base = await listens(child);
  };
  // Ends it as a power cut would, and starts it again.
  const killed = async () => {
    child.kill('SIGKILL');
    await ended;
    await begin();
  };
  const call = (tool, input) => ask(`${base}/mcp`, tool, input);
  const server = (backend, ...command) => run('tmux', ['-S', join(folder, 'data', 'sockets', backend, 'tmux'), ...command], { timeout: TMUX });
  // Runs a command of tmux in the session, as a person who is attached could.
  const tmux = async (id, ...command) => {
    const [backend, name] = id.split('/');
    const [verb, ...rest] = command;
    return (await server(backend, verb, '-t', name, ...rest)).stdout;
  };
  const end = ends(async () => {
    await terminateAll(call).catch(() => {});
    child.kill();
    const late = setTimeout(() => child.kill('SIGKILL'), ENDED);
    await ended;
    clearTimeout(late);
    // Servers of tmux outlive berth, and one that started no session does not exist.
    for (const backend of ['local', 'small']) await server(backend, 'kill-server').catch(() => {});
    await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  });
  await begin().catch(async (error) => { await end(); throw error; });
  const token = async () => (await run(resolve(program), ['token', '--config', config], { env: place.env })).stdout.trim();
  const attach = (id) => [resolve(program), 'attach', '--config', config, id];
  return { address: `${base}/mcp`, call, token, tmux, end, killed, env: place.env, attach };
}

async function terminateAll(call) {
  const { structured } = await call('list_sessions', {});
  for (const { session_id } of structured?.sessions ?? []) await call('terminate_session', { session_id });
}

// The shipped configuration, for these projects, with what leads Claude Code to the stub, and with its backend once more
// for small screens.
function configuration(directories, more) {
  const changes = [
    ['listen = "127.0.0.1:8787"', 'listen = "127.0.0.1:0"\ndata = "data"\ncache = "cache"'],
    ['open_on_loopback = false', 'open_on_loopback = true'],
    ['tools = 600', 'tools = 100000'],
    ['agents = ["claude", "demo"]', 'agents = ["claude"]'],
    ['directories = ["~/projects"]', `directories = ${JSON.stringify(directories)}`],
    ['"XDG_*",', '"XDG_*", "ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_AUTOUPDATER",'],
    ...more,
  ];
  const text = changed(readFileSync(new URL('../../config.toml', import.meta.url), 'utf8'), changes);
  const local = text.slice(text.indexOf('[backends.local]'), text.indexOf('[backends.jobs]'));
  const small = local.replaceAll('[backends.local', '[backends.small');
  const sizes = [['columns = 120', 'columns = 80'], ['rows = 60', 'rows = 24']];
  return `${text}\n${changed(small, sizes)}`;
}

// The shipped configuration with changes, each [what is there, what stands there instead, wherever it is].
export function changed(text, changes) {
  return changes.reduce((before, [shipped, ours]) => {
    if (!before.includes(shipped)) throw new Error(`the shipped configuration has no ${shipped}`);
    return before.replaceAll(shipped, () => ours);
  }, text);
}

// The address of a berth that starts, without the path.
export function listens(child) {
  const lines = [];
  return new Promise((found, gaveUp) => {
    const late = setTimeout(() => gaveUp(new Error(`berth does not listen:\n${lines.join('\n')}`)), PATIENCE);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const base = line.match(/ listens on (\S+)\/mcp$/)?.[1];
        if (base) { clearTimeout(late); found(base); }
      });
    }
    child.on('close', () => gaveUp(new Error(`berth ended:\n${lines.join('\n')}`)));
  });
}

// What a tool answers: its text, its data, and whether it failed.
export async function ask(address, tool, input) {
  const response = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: input } }),
    signal: AbortSignal.timeout(ANSWERED),
  }).catch((error) => { throw new Error(`${tool}: ${error.cause?.message ?? error.message}`); });
  const body = await response.text();
  const lines = body.split('\n').map((line) => line.replace(/^data: /, '')).filter((line) => line.startsWith('{'));
  const { result, error } = JSON.parse(lines.at(-1) ?? body);
  if (error) throw new Error(`${tool}: ${error.message}`);
  return {
    text: result.content.map((part) => part.text ?? '').join('\n'),
    structured: result.structuredContent,
    failed: result.isError === true,
  };
}
