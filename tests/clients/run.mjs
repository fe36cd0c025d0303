// Tries clients of others against a berth: node run.mjs PATH-OF-BERTH
// Prints a row for each, and exits with 1 if one of them warned, refused an answer or was refused what it asked for.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { makeHome } from '../claude/home.mjs';
import { startStub } from '../claude/stub.mjs';
import { startBerth } from './berth.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = here('node_modules/.bin/node');
const python = here('.venv/bin/python');
const inspector = here('node_modules/.bin/mcp-inspector');
const [, , program = 'target/debug/berth'] = process.argv;
// No agent has changes without git, and a session of the demo agent has no options.
const EXPECTED = [/^get_changes: /, /^set_session: /];
// Claude Code calls what the stub tells it to.
const ASKED = [['list_sessions', {}], ['list_projects', {}], ['check_prompts', {}]];

let failed = false;
const berth = await startBerth(program);
try {
  for (const era of ['legacy', 'modern']) await inspect(era);
  await visit('SDK for TypeScript', node, [here('typescript.mjs'), berth.url]);
  for (const library of ['mcp', 'fastmcp']) await visit(`Python, ${library}`, python, [here('visit.py'), library, berth.url]);
  await claude('Claude Code over HTTP', { type: 'http', url: berth.url });
  await claude('Claude Code over stdio', { command: resolve(program), args: ['stdio', '--config', berth.config] });
} finally {
  await berth.end();
}
process.exitCode = failed ? 1 : 0;

function row(client, tools, calls, faults) {
  console.log(`| ${client} | ${tools} tools | ${calls} calls | ${faults.length} faults |`);
  faults.forEach((fault) => console.log(`FAULT  ${fault}`));
  failed ||= faults.length > 0;
}

async function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err, code: child.exitCode };
}

// The official inspector, which also judges whether other makers' models could use the schemas.
async function inspect(era) {
  const options = ['--cli', '--server-url', berth.url, '--transport', 'http', '--protocol-era', era];
  const ask = (...args) => run(node, [inspector, ...options, ...args]);
  const listed = await ask('--method', 'tools/list', '--strict');
  const called = await ask('--method', 'tools/call', '--tool-name', 'list_sessions');
  const faults = [listed, called].flatMap(({ err, code }) => [...err.split('\n').filter(Boolean), ...(code ? [`exit ${code}`] : [])]);
  row(`Inspector --strict, ${era}`, JSON.parse(listed.out).tools.length, 1, faults);
}

async function visit(client, command, args) {
  const { out, err } = await run(command, args);
  if (!out) return row(client, 0, 0, [err]);
  const { tools, calls, refused, faults } = JSON.parse(out);
  const unexpected = refused.filter((why) => !EXPECTED.some((expected) => expected.test(why)));
  row(client, tools, calls, [...faults, ...unexpected]);
}

async function claude(client, server) {
  const stub = await startStub();
  const place = await makeHome({ url: stub.url });
  const servers = JSON.stringify({ mcpServers: { berth: server } });
  const faults = [];
  let tools;
  for (const [tool, input] of ASKED) {
    const args = ['-p', `@tool mcp__berth__${tool} ${JSON.stringify(input)}`, '--output-format', 'stream-json', '--verbose',
      '--mcp-config', servers, '--strict-mcp-config', '--allowedTools', 'mcp__berth'];
    const { out, err } = await run('claude', args, { cwd: place.project, env: place.env });
    const lines = out.split('\n').filter((line) => line.startsWith('{')).map(JSON.parse);
    tools = lines.find((line) => line.subtype === 'init')?.tools.filter((name) => name.startsWith('mcp__berth__')).length;
    const results = lines.flatMap((line) => (line.type === 'user' ? line.message.content : [])).filter((part) => part.type === 'tool_result');
    if (results.length !== 1 || results[0].is_error) faults.push(`${tool}: ${JSON.stringify(results)} ${err}`);
  }
  row(client, tools, ASKED.length, faults);
  stub.close();
  await place.remove();
}
