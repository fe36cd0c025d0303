// Runs the official conformance suite against a berth: node run.mjs PATH-OF-BERTH
// The scenarios are those that need no tools made for the suite alone; docs/conformance.md tells of the others.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { allow } from './owner.mjs';

const SCENARIOS = {
  '2025-11-25': [
    'server-initialize', 'ping', 'tools-list', 'prompts-list', 'resources-list', 'dns-rebinding-protection',
    'server-session-lifecycle', 'server-sse-multiple-streams',
  ],
  '2026-07-28': [
    'server-stateless', 'tools-list', 'prompts-list', 'resources-list', 'sep-2164-resource-not-found', 'caching',
    'dns-rebinding-protection', 'server-sse-multiple-streams', 'http-header-validation',
    'tasks-capability-negotiation', 'tasks-dispatch-and-envelope',
  ],
};

// Some checks of these call tools of the suite's own. They are passed over where the suite itself says that such a tool
// is what it lacks.
const LACKS_A_FIXTURE = /^(Not testable: server does not list the diagnostic tool 'test_|there is no tool `(slow_compute|failing_job|greet)`)/;

const PASSPHRASE = 'correct horse battery staple';
const PATIENCE = 60_000;
const suite = fileURLToPath(new URL('node_modules/.bin/conformance', import.meta.url));
const [, , berth = 'target/debug/berth'] = process.argv;

const place = await mkdtemp(join(tmpdir(), 'berth-conformance-'));
const config = join(place, 'config.toml');
let server;
let failed = 0;
try {
  await configure();
  server = start(resolve(berth), ['serve', '--config', config]);
  const [, base] = await server.saw(/ listens on (\S+)\/mcp$/);
  for (const [revision, scenarios] of Object.entries(SCENARIOS)) {
    for (const scenario of scenarios) {
      // Extensions are not on the suite's own list of a revision, without `--force`.
      const args = ['server', '--url', `${base}/mcp`, '--scenario', scenario, '--spec-version', revision, '--force'];
      await judge(`${revision} ${scenario}`, args);
    }
  }
  await judgeAuthorization(base);
} finally {
  server?.end();
  await server?.ended;
  await rm(place, { recursive: true });
}
console.log(failed ? `conformance: ${failed} scenarios failed` : 'conformance: every scenario passed');
process.exitCode = failed ? 1 : 0;

// A berth that anyone on this machine may call, which starts nothing: the suite has no place for a token.
async function configure() {
  await writeFile(config, `
    [server]
    listen = "127.0.0.1:0"
    open_on_loopback = true
    data = "data"
    cache = "cache"
    [backends.local]
    plugin = "tmux"
  `, { mode: 0o600 });
}

// The authorization server's scenarios, as one app that registers itself and one owner who allows it.
async function judgeAuthorization(base) {
  const login = start(resolve(berth), ['login', 'set', '--config', config]);
  login.say(`${PASSPHRASE}\n`);
  if (await login.ended !== 0) throw new Error(`berth login set failed:\n${login.output()}`);
  const port = await freePort();
  const registered = await fetch(`${base}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Conformance', redirect_uris: [`http://127.0.0.1:${port}/callback`] }),
  });
  if (!registered.ok) throw new Error(`/oauth/register answers ${registered.status}:\n${await registered.text()}`);
  const { client_id: client } = await registered.json();
  const args = ['authorization', '--url', base, '--client-id', client, '--resource', `${base}/mcp`, '--port', port];
  await judge('authorization server', args, async (run) => {
    const [address] = await run.saw(/^http\S+[?&]response_type=code\S*$/);
    await allow(address, PASSPHRASE);
  });
}

// Runs the suite with `args`, and `beside` meanwhile; prints a line, and what the suite said where a check failed.
async function judge(name, args, beside = async () => {}) {
  const results = join(place, 'results', name);
  await mkdir(results, { recursive: true });
  const run = start(suite, [...args, '--output-dir', results].map(String));
  const trouble = await beside(run).then(() => '', (error) => { run.end(); return `${error.stack}\n`; });
  const status = await run.ended;
  const checks = await readChecks(results);
  const lacking = checks.filter((check) => LACKS_A_FIXTURE.test(check.errorMessage));
  const bad = checks.filter((check) => check.status === 'FAILURE' && !lacking.includes(check));
  const broken = trouble || checks.length === 0 || (status !== 0 && lacking.length === 0);
  if (bad.length === 0 && !broken) {
    const passed = checks.filter((check) => check.status === 'SUCCESS').length;
    console.log(`ok    ${name}: ${passed} checks${lacking.length ? `; ${lacking.length} need a fixture` : ''}`);
    show(checks.filter((check) => check.status === 'WARNING'));
    return;
  }
  failed += 1;
  console.log(`FAIL  ${name}`);
  show(bad);
  if (broken) console.log(trouble + run.output());
}

function show(checks) {
  checks.forEach((check) => console.log(`      ${check.status} ${check.id}: ${check.errorMessage ?? check.description}`));
}

async function readChecks(folder) {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('checks.json'));
  return (await Promise.all(files.map(async (file) => JSON.parse(await readFile(join(folder, file)))))).flat();
}

// A program whose lines can be waited for.
function start(program, args) {
  const path = `${fileURLToPath(new URL('node_modules/.bin', import.meta.url))}:${process.env.PATH}`;
  const child = spawn(program, args, { env: { ...process.env, PATH: path, NO_COLOR: '1' } });
  const limit = setTimeout(() => child.kill('SIGKILL'), 10 * PATIENCE);
  const lines = [];
  const waiting = new Set();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      waiting.forEach((look) => look());
    });
  }
  const ended = once(child, 'close').then(([status]) => { clearTimeout(limit); return status; });
  const output = () => lines.join('\n');
  const saw = (pattern) => new Promise((found, gaveUp) => {
    const give = (how, what) => { waiting.delete(look); clearTimeout(late); how(what); };
    const look = () => {
      const match = lines.map((line) => line.match(pattern)).find(Boolean);
      if (match) give(found, match);
    };
    const late = setTimeout(() => give(gaveUp, new Error(`no line ${pattern} came:\n${output()}`)), PATIENCE);
    ended.then(() => give(gaveUp, new Error(`${program} ended before a line ${pattern}:\n${output()}`)));
    waiting.add(look);
    look();
  });
  return { saw, ended, output, say: (text) => child.stdin.end(text), end: () => child.kill() };
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
