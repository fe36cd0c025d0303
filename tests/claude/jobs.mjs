// Runs and builds of Claude Code without a terminal, by the shipped backend `jobs`: asked for over plain HTTP, as `curl`
// does, and each with the end that it must have.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

const NAMES = ['app', 'api', 'docs', 'site'];
const [TURNS, USD] = [3, 1];
// More than the budget costs, whatever the model is.
const TOKENS = 1_000_000;
// The depth that a person's entry for this server says: deeper than any run may start another.
const DEEP = 8;
const run = promisify(execFile);

// How many there were, and the misses.
export async function tryJobs(program) {
  const tried = [];
  for (const [more, tries] of [[[], usual], [[['\nnested = false', '\nnested = true']], nested]]) {
    const stub = await startStub();
    const place = await makeHome({ url: stub.url, names: NAMES.map((name) => join('work', name)) });
    try {
      await makeRepository(place);
      const terms = { directories: [join(place.root, 'work')], changes: [...changes(place), ...more] };
      const berth = await startBerth(program, place, terms);
      try {
        tried.push(...await tries({ berth, stub, place, project: (name) => join(place.root, 'work', name) }));
      } finally {
        await berth.end();
      }
    } finally {
      stub.close();
      await place.remove();
    }
  }
  return { count: tried.length, misses: tried.filter(Boolean) };
}

function changes({ root }) {
  const tools = ['Bash(echo:*)', 'Bash(curl:*)', 'mcp__berth', 'mcp__mine'];
  return [
    // Nobody is asked: what is not allowed is denied.
    ['prompt_deadline = "12h"', 'prompt_deadline = "0s"'],
    ['\nturns = 300', `\nturns = ${TURNS}`],
    ['\nbudget_usd = 20', `\nbudget_usd = ${USD}`],
    ['\ntools = []', `\ntools = ${JSON.stringify(tools)}`],
    ['"~/projects/.berth-builds"', JSON.stringify(join(root, 'work', '.builds'))],
  ];
}

// What happens in one project happens one after the other, and a person's entries are for all of them.
async function usual(scene) {
  const atOnce = {
    app: [['a build', builds], ['an answer and a further one', answers]],
    api: [['a denial', denies], ['turns', turns], ['a budget', budget]],
    docs: [['a cancel', cancels], ['a deadline', deadline]],
    site: [500, 401, 429].map((status) => [`status ${status}`, fails(status)]),
  };
  const tried = await Promise.all(Object.entries(atOnce).map(([app, tries]) => each(scene, app, tries)));
  return [...tried.flat(), ...await each(scene, 'app', [
    ['a run that would start one', guards],
    ['its entry', knows('berth')],
    ["its entry beside a person's of this name", knows('berth', 'berth')],
    ["its entry beside a person's of another name", knows('berth', 'mine')],
    ["a person's entry of another name", knows('mine', 'mine')],
  ])];
}

// A run starts one by its own entry, although a person's of the same name would be too deep. What it starts is too deep.
function nested(scene) {
  return each(scene, 'app', [['a run that starts one', starts]]);
}

// For each the trouble with it, if there is some.
async function each(scene, app, tries) {
  const tried = [];
  for (const [name, one] of tries) {
    const trouble = await one({ ...scene, app }).catch((error) => error.message);
    tried.push(trouble && `jobs, ${name}: ${trouble}`);
  }
  return tried;
}

async function answers({ berth, stub, app, project }) {
  const first = await done(berth, app, '@say my word is heron');
  const next = await done(berth, app, '@say and yours?', { sessionId: first.sessionId });
  const said = [first, next].map(({ output }) => output).join('|');
  if (said !== 'my word is heron|and yours?') return `the outputs are ${said}`;
  if (next.sessionId !== first.sessionId) return 'the conversation is another one';
  const asked = JSON.stringify(stub.log(project(app)).asked.messages);
  if (!asked.includes('@say my word is heron')) return `the API was not told what was said before: ${asked}`;
  return next.cost_usd > first.cost_usd ? undefined : 'it has no cost';
}

async function builds({ berth, app, project }) {
  const commit = ['git add made.txt', 'git commit -q -m made'].map((command) => ['Bash', { command }]);
  const tools = [['Write', { file_path: 'made.txt', content: 'made\n' }], ...commit];
  const spec = `@tools ${JSON.stringify(tools)}`;
  const built = await ended(berth, 'claude_build', { project: app, spec, branch: 'fix/it' });
  if (built.state !== 'done') return `it is ${told(built)}`;
  const git = async (...args) => (await run('git', args, { cwd: project(app) })).stdout.trim();
  const sha = await git('rev-parse', 'refs/heads/fix/it');
  if (built.commitSha !== sha || !built.output.endsWith(`\nFINAL COMMIT: ${sha}`)) return `git has ${sha}: ${told(built)}`;
  const file = await git('cat-file', '-p', 'fix/it:made.txt');
  return file === 'made' ? undefined : `the file has ${file}`;
}

async function denies({ berth, app }) {
  const { denied } = await done(berth, app, '@bash touch made-by-a-run');
  return `${denied}`.includes('touch made-by-a-run') ? undefined : `denied is ${denied}`;
}

// A request with a tool takes two turns, so that one is left for the next request, which needs two.
async function turns({ berth, app }) {
  const { sessionId, ...first } = await done(berth, app, '@bash echo one');
  if (first.turns !== TURNS - 1) return `the first took ${first.turns} turns`;
  const next = await ended(berth, 'claude_run', { project: app, prompt: '@bash echo two', sessionId });
  if (next.state !== 'failed' || !next.error.includes('limit of turns')) return `the next is ${told(next)}`;
  return refuses(berth, { project: app, prompt: '@say x', sessionId }, `the ${TURNS} turns`);
}

async function budget({ berth, app }) {
  const { sessionId, ...spent } = await ended(berth, 'claude_run', { project: app, prompt: `@spend ${TOKENS} echo much` });
  if (spent.state !== 'failed' || !spent.error.includes('limit of its cost')) return `it is ${told(spent)}`;
  if (!(spent.cost_usd > USD)) return `it cost ${spent.cost_usd}`;
  return refuses(berth, { project: app, prompt: '@say x', sessionId }, `the ${USD} US dollars`);
}

async function cancels({ berth, stub, app, project }) {
  const { jobId } = await answered(berth, 'claude_run', { project: app, prompt: `@slow 50 ${'word '.repeat(100)}` });
  const { works } = stub.log(project(app));
  await until('work', () => works.length > 0);
  const { ok } = await answered(berth, 'claude_cancel_job', { jobId });
  const cancelled = await endOf(berth, jobId);
  if (!ok || cancelled.state !== 'cancelled') return `it is ${told(cancelled)}`;
  await until('the end of the agent', () => works.every(({ to }) => to));
}

async function deadline({ berth, stub, app, project }) {
  const { works } = stub.log(project(app));
  const before = works.length;
  const late = await ended(berth, 'claude_run', { project: app, prompt: '@stall 50', timeoutMs: 5_000 });
  if (works.length === before) return 'it never began';
  if (late.state !== 'failed' || !late.error.includes('longer than the 5 s')) return `it is ${told(late)}`;
  await until('the end of the agent', () => works.every(({ to }) => to));
}

function fails(status) {
  const words = { 500: 'answered 500: API Error: 500 the stub answers 500', 401: 'log in', 429: 'usage limit' }[status];
  return async ({ berth, app }) => {
    const failed = await ended(berth, 'claude_run', { project: app, prompt: `@status ${status}` });
    return failed.state === 'failed' && failed.error.includes(words) ? undefined : `it is ${told(failed)}`;
  };
}

// A run that calls `claude_run` as `curl` does gets the guard's answer, and starts nothing.
async function guards({ berth, stub, app, project }) {
  const { jobId } = await done(berth, app, `@bash ${curl(berth, app)}`);
  const answer = stub.log(project(app)).results.at(-1).text;
  const chain = `runs of backend \`jobs\` go to depth 1; the chain is a person → jobs/${jobId}.`;
  if (!answer.includes('recursion_limit_exceeded') || !answer.includes(chain)) return `it got ${answer}`;
  const { jobs } = await answered(berth, 'claude_list_jobs', { project: app });
  return jobs.some(({ task }) => task === '@say never') ? 'a run was started' : undefined;
}

function curl(berth, project) {
  const params = { name: 'claude_run', arguments: { project, prompt: '@say never' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return `curl -s -H 'Content-Type: application/json' -d '${body}' ${berth.address}`;
}

// A run that calls by the entry called `used`, while a person's settings have one called `theirs` with a token that may
// do everything: it sees itself alone, and no tool is there that starts a run.
function knows(used, theirs) {
  return async ({ berth, stub, place, app, project }) => {
    await personsEntry(place, berth, theirs);
    const { jobId } = await done(berth, app, `@tool mcp__${used}__claude_list_jobs {}`);
    const log = stub.log(project(app));
    const answer = log.results.at(-1).text;
    const ids = [...answer.matchAll(/"jobId":\s*"([^"]+)"/g)].map(([, id]) => id);
    if (ids.join() !== jobId) return `${jobId} got ${answer}`;
    const known = JSON.stringify(log.asked);
    if (!known.includes(`mcp__${used}__claude_job_status`)) return 'it does not know the tools that look';
    return known.includes(`mcp__${used}__claude_run`) ? 'it knows a tool that starts a run' : undefined;
  };
}

async function starts({ berth, stub, place, app, project }) {
  await personsEntry(place, berth, 'berth', { 'x-mcp-depth': `${DEEP}` });
  const asked = JSON.stringify({ project: 'api', prompt: `@bash ${curl(berth, app)}` });
  const parent = await done(berth, app, `@tool mcp__berth__claude_run ${asked}`);
  const { jobs } = await answered(berth, 'claude_list_jobs', { project: 'api' });
  if (jobs.length !== 1) return `it got ${stub.log(project(app)).results.at(-1).text}`;
  const child = await endOf(berth, jobs[0].jobId);
  const answer = stub.log(project('api')).results.at(-1)?.text;
  const chain = `the chain is a person → jobs/${parent.jobId} → jobs/${child.jobId}.`;
  return answer?.includes('recursion_limit_exceeded') && answer.includes(chain) ? undefined : `the second one got ${answer}`;
}

// A person's entry for the same address; none: no entry.
async function personsEntry({ root }, berth, name, more = {}) {
  const file = join(root, '.claude.json');
  const state = JSON.parse(await readFile(file, 'utf8'));
  const headers = { Authorization: `Bearer ${await berth.token()}`, ...more };
  const mcpServers = name ? { [name]: { type: 'http', url: berth.address, headers } } : {};
  await writeFile(file, JSON.stringify({ ...state, mcpServers }));
}

// What a run took counts a moment after its end.
function refuses(berth, input, words) {
  return until('a refusal', async () => {
    const { failed, text } = await berth.call('claude_run', input);
    if (failed && !text.includes(words)) throw new Error(`a further run is refused: ${text}`);
    return failed;
  }).then(() => undefined);
}

async function done(berth, project, prompt, more = {}) {
  const status = await ended(berth, 'claude_run', { project, prompt, ...more });
  if (status.state !== 'done') throw new Error(`${prompt} is ${told(status)}`);
  return status;
}

// The status of a run or build that this tool starts, once it has ended.
async function ended(berth, tool, input) {
  const { jobId } = await answered(berth, tool, input);
  return endOf(berth, jobId);
}

function endOf(berth, jobId) {
  return until('the end of a run', async () => {
    const status = await answered(berth, 'claude_job_status', { jobId });
    return ['queued', 'running'].includes(status.state) ? undefined : status;
  });
}

// The JSON that a tool answers.
async function answered(berth, tool, input) {
  const { text, failed } = await berth.call(tool, input);
  if (failed) throw new Error(`${tool}: ${text}`);
  return JSON.parse(text);
}

const told = (status) => JSON.stringify(status);

// The first project is one of git, whose person is known to it.
async function makeRepository({ root, project }) {
  await writeFile(join(root, '.gitconfig'), '[user]\nname = T\nemail = t@example.org\n');
  await writeFile(join(project, 'a.txt'), 'one\n');
  const git = (...args) => run('git', args, { cwd: project, env: { ...process.env, HOME: root } });
  await git('init', '-q', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '-q', '-m', 'first');
}
