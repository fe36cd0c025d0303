// Tasks for Claude Code on a host, by `ask_claude` of the shipped example `[backends.remote]`: the host is this machine by a
// real sshd, of which berth knows no more than of any other.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startSshd } from './sshd.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

// How many there were, and the misses.
export async function tryDelegation(program) {
  const stub = await startStub();
  const place = await makeHome({ url: stub.url, names: ['work/app', 'work/web'] });
  const sshd = await startSshd(place.env);
  try {
    const end = [['[backends.local]\nplugin', `${example(place, sshd)}\n[backends.local]\nplugin`]];
    const berth = await startBerth(program, place, { directories: [join(place.root, 'work')], changes: end });
    try {
      const tries = { 'an answer, and a further one': answers, 'a permission': permits, 'an error': fails, 'a cut link': cut };
      const tried = [];
      for (const [name, one] of Object.entries(tries)) {
        const trouble = await one({ berth, stub, place, sshd }).catch((error) => error.message);
        tried.push(trouble && `delegation, ${name}: ${trouble}`);
      }
      return { count: tried.length, misses: tried.filter(Boolean) };
    } finally {
      await berth.end();
    }
  } finally {
    await sshd.end();
    stub.close();
    await place.remove();
  }
}

// The example as it stands, without remote control, which needs an account. The API's address is a variable of the login.
function example({ root, env }, sshd) {
  const shipped = readFileSync(new URL('../../config.toml', import.meta.url), 'utf8');
  const lines = shipped.slice(shipped.indexOf('# [backends.remote]'), shipped.indexOf('# [tools.alias.start_session]'));
  const text = lines.split('\n').map((line) => line.replace(/^# ?/, '')).join('\n')
    .replace('hosts = ["mac", "linux"]', 'hosts = ["there"]')
    .replace('agents = ["remote-control", "remote-talk", "claude"]', 'agents = ["claude"]')
    .replace('directories = ["~/projects"]', 'directories = ["~/work"]')
    .replace('"XDG_*"]', '"XDG_*", "ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_AUTOUPDATER"]');
  const program = env.PATH.split(':')[0];
  return `${text}
[hosts.there]
destination = "${sshd.destination}"
port = ${sshd.port}
identity_file = "${sshd.key}"
known_hosts = "${sshd.known}"
path = [${JSON.stringify(program)}]
`.replaceAll('~/work', join(root, 'work'));
}

async function answers({ berth, stub, place }) {
  const first = await asked(berth, { task: '@say never', context: '@say my word is heron', project: 'app' });
  if (first.answer !== 'my word is heron' || first.is_error) return `it is ${told(first)}`;
  const { messages } = stub.log(place.projects[0]);
  if (messages.at(-1) !== '@say my word is heron\n\n@say never') return `it read ${messages.at(-1)}`;
  const next = await asked(berth, { task: '@say and yours?', resume_session_id: first.session_id });
  if (next.answer !== 'and yours?' || next.session_id !== first.session_id) return `the next is ${told(next)}`;
  const known = JSON.stringify(stub.log(place.projects[0]).asked.messages);
  if (!known.includes('my word is heron')) return `the API was not told what was said before: ${known}`;
  return next.cost_usd > first.cost_usd && next.duration_ms > 0 && next.turns ? undefined : `it took ${told(next)}`;
}

async function permits({ berth, place, stub }) {
  const begun = await asked(berth, { task: '@bash touch made', project: 'app' });
  if (begun.questions !== 1) return `it asks nothing: ${told(begun)}`;
  const session_id = `remote/${begun.session_id}`;
  const { prompts } = (await berth.call('get_session_status', { session_id })).structured.session;
  const answered = await berth.call('respond_to_prompt', { session_id, prompt_id: prompts[0].prompt_id, response: 'yes' });
  if (answered.failed) return answered.text;
  const { state } = await ended(berth, session_id);
  const ran = [...stub.log(place.projects[0]).tools.values()].at(-1);
  return state === 'done' && ran ? undefined : `it is ${state}, and the tool ran: ${ran}`;
}

async function fails({ berth }) {
  const { text, failed, structured } = await berth.call('ask_claude', { task: '@status 500', project: 'web', wait_seconds: 50 });
  return failed && structured.is_error && text.includes('the stub answers 500') ? undefined : `it is ${text}`;
}

// What Claude Code does goes on while its host cannot be reached, and its answer is there afterwards.
async function cut({ berth, stub, place, sshd }) {
  const begun = await asked(berth, { task: `@slow 15 ${'word '.repeat(30)}end`, project: 'web', wait_seconds: 0 });
  const { works } = stub.log(place.projects[1]);
  await until('work', () => works.some(({ to }) => !to));
  await sshd.stop();
  const session_id = `remote/${begun.session_id}`;
  await until('that it is unreachable', async () => (await session(berth, session_id)).state === 'unreachable');
  await sshd.start();
  const { state, last_output } = await ended(berth, session_id);
  return state === 'done' && last_output.endsWith('end') ? undefined : `it is ${state}: ${last_output}`;
}

async function asked(berth, input) {
  const { text, structured, failed } = await berth.call('ask_claude', { wait_seconds: 50, ...input });
  if (failed) throw new Error(text);
  return structured;
}

async function session(berth, session_id) {
  const { text, structured, failed } = await berth.call('get_session_status', { session_id });
  if (failed) throw new Error(text);
  return structured.session;
}

function ended(berth, session_id) {
  return until('the end of a task', async () => {
    const now = await session(berth, session_id);
    return ['done', 'failed', 'cancelled', 'interrupted'].includes(now.state) ? now : undefined;
  });
}

const told = (facts) => JSON.stringify(facts);
