// Drives the real Claude Code through a berth: node run.mjs PATH-OF-BERTH. With FULL=1 ten times as much.
// It prints a table, and exits with 1 if anything in it is not as it must be.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { attachments } from './attachments.mjs';
import { startBerth } from './berth.mjs';
import { first } from './first.mjs';
import { makeHome } from './home.mjs';
import { messages } from './messages.mjs';
import { prompts } from './prompts.mjs';
import { startStub } from './stub.mjs';

const PATIENCE = 30_000;
// A prompt must be found in this time, and idle may be told for so long after work began.
const FOUND = 5_000;
const GRACE = 300;
const EVERY = 100;
const ROUNDS = process.env.FULL ? 10 : 1;
const [, , program = 'target/debug/berth'] = process.argv;

const misses = [];
const stub = await startStub();
const place = await makeHome({ url: stub.url });
const berth = await startBerth(program, place);
try {
  const session = await begin();
  const sampling = sample(session);
  await tryMessages(session);
  await tryTranscript(session);
  await tryAttachments(session);
  await tryPrompts(session);
  const { samples, wrong } = await sampling.end();
  row('state sampled', samples, `false idle ${wrong}`);
} finally {
  await berth.end();
  stub.close();
  await place.remove();
}
await tryFirst();
misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(misses.length ? `claude: ${misses.length} misses` : 'claude: everything was as it must be');
process.exitCode = misses.length ? 1 : 0;

function row(what, count, result) {
  console.log(`| ${what} | ${count} | ${result} |`);
}

function miss(what) {
  misses.push(what);
}

async function begin() {
  const { structured, text } = await berth.call('create_session', { working_dir: place.project, name: 'real' });
  const id = structured?.session?.session_id;
  if (!id) throw new Error(`no session: ${text}`);
  await idle(id);
  return id;
}

async function status(id) {
  return (await berth.call('get_session_status', { session_id: id })).structured.session;
}

function idle(id) {
  return until(`${id} is idle`, async () => (await status(id)).state === 'idle');
}

async function until(what, look, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    const found = await look();
    if (found) return found;
    await sleep(50);
  }
  throw new Error(`${what}: that never came`);
}

// Each message is in the stub's log as it was sent.
async function tryMessages(session) {
  let exact = 0;
  const sent = Array.from({ length: ROUNDS }, () => messages).flat();
  for (const [kind, text, expected = text] of sent) {
    await idle(session);
    const before = stub.messages.length;
    const answer = await berth.call('send_message', { session_id: session, message: text });
    const arrived = await until('a message', () => stub.messages[before], FOUND).catch(() => undefined);
    if (arrived?.text === expected) exact += 1;
    else miss(`message ${kind}: ${JSON.stringify(arrived?.text ?? answer.text).slice(0, 300)}`);
  }
  row('messages', sent.length, `exact ${exact}`);
}

// What was said is told from the agent's own file, and a message whose beginning no screen showed is known to have arrived.
async function tryTranscript(session) {
  await idle(session);
  const long = Array.from({ length: 400 }, (_, n) => `line ${n} of a long message`).join('\n');
  const { structured: sent, text } = await berth.call('send_message', { session_id: session, message: long });
  if (sent?.receipt !== 'submitted') miss(`a long message: ${text.slice(0, 300)}`);
  await idle(session);
  const { structured: told } = await berth.call('get_logs', { session_id: session, view: 'transcript', lines: 500 });
  const said = [...messages.map(([, message, expected = message]) => expected), long];
  const missing = said.filter((message) => !told.text.includes(message.trim()));
  if (told.note || missing.length) miss(`the transcript: ${told.note ?? JSON.stringify(missing[0]).slice(0, 300)}`);
  const { task, last_output: last, facts } = await status(session);
  if (!/^[0-9a-f-]{36}$/.test(facts.conversation)) miss(`the conversation is ${facts.conversation}`);
  if (!task?.startsWith('line 0 of') || !last?.startsWith('I have read')) miss(`the session tells ${task} and ${last}`);
  row('turns of the transcript', said.length, `found ${said.length - missing.length}`);
}

// Each message is the user's own words, and each text that goes with it has the agent's mark for what was pasted.
async function tryAttachments(session) {
  let exact = 0;
  const sent = Array.from({ length: ROUNDS }, () => attachments).flat();
  for (const [kind, message, texts] of sent) {
    await idle(session);
    const before = stub.messages.length;
    const attached = texts.map(([name, text]) => ({ name, media_type: 'text/plain', text }));
    const answer = await berth.call('send_message', { session_id: session, message, attachments: attached });
    const arrived = await until('a message', () => stub.messages[before], FOUND).catch(() => undefined);
    if (arrived?.text === expected(message, texts, arrived?.text)) exact += 1;
    else miss(`attachment ${kind}: ${JSON.stringify(arrived?.text ?? answer.text).slice(0, 600)}`);
  }
  row('messages with attachments', sent.length, `exact ${exact}`);
}

// What the agent makes of it; the id is its own.
function expected(message, texts, arrived = '') {
  const [, id] = arrived.match(/<pasted_content id="(\w+)">/) ?? [];
  const pasted = texts.map(([name, text]) => `\n\n\n<pasted_content id="${id}">\n${name}:\n\n\n${text}\n</pasted_content id="${id}">\n`);
  return message + pasted.join('');
}

// A first message is kept until what is asked before it is answered, and then arrives once.
async function tryFirst() {
  let once = 0;
  for (const [kind, home, answer] of first) {
    const own = await startStub();
    const theirs = await makeHome({ url: own.url, ...home });
    const berth = await startBerth(program, theirs);
    try {
      const wanted = { working_dir: theirs.project, message: 'my first words', wait_seconds: 30 };
      const { structured, text } = await berth.call('create_session', wanted);
      const { session_id: id, prompts, queue } = structured?.session ?? {};
      const kept = structured?.receipt === 'queued' && queue?.length === 1 && own.messages.length === 0;
      if (kept) await answer(berth, id, prompts[0].prompt_id);
      await until('the first message', () => own.messages[0], FOUND).catch(() => undefined);
      await until('rest', async () => (await berth.call('get_session_status', { session_id: id })).structured?.session.state === 'idle');
      const arrived = own.messages.map(({ text: words }) => words).join('|');
      if (kept && arrived === 'my first words') once += 1;
      else miss(`first message, ${kind}: ${JSON.stringify(arrived)}: ${text}`);
    } finally {
      await berth.end();
      own.close();
      await theirs.remove();
    }
  }
  row('first messages behind a question', first.length, `kept, and arrived once ${once}`);
}

// Each prompt is found, is what it should be, and is answered as asked; nothing is allowed beyond the request.
async function tryPrompts(session) {
  let [answered, slowest, asked] = [0, 0, 0];
  for (const prompt of Array.from({ length: ROUNDS }, () => prompts).flat()) {
    asked += 1;
    const trouble = await tryPrompt(session, prompt, asked).catch((error) => error.message);
    if (typeof trouble === 'number') {
      answered += 1;
      slowest = Math.max(slowest, trouble);
    } else {
      miss(`prompt ${prompt.name}: ${trouble}`);
      await leave(session);
    }
  }
  const widened = await access(join(place.project, '.claude', 'settings.local.json')).then(() => 1, () => 0);
  if (widened) miss('a prompt has widened what is allowed');
  row('prompts', asked, `answered as asked ${answered}, slowest found after ${slowest} ms, widened ${widened}`);
}

async function tryPrompt(session, { name, play, message, kind, steps, outcome }, number) {
  await idle(session);
  const results = stub.results.length;
  stub.plays[number] = play?.replaceAll('$NUMBER', String(number)).replaceAll('$PROJECT', place.project);
  const sent = await berth.call('send_message', { session_id: session, message: message ?? `@play ${number}` });
  if (sent.structured?.receipt !== 'submitted') return `the message was not submitted: ${sent.text}`;
  let began = Date.now();
  let slowest = 0;
  let last;
  for (const [question, answer] of steps) {
    const prompt = await until(`${name} asks ${question}`, async () => {
      const { structured } = await berth.call('check_prompts', {});
      return structured.prompts.find((found) => found.prompt_id !== last && question.test(found.question));
    }, FOUND);
    slowest = Math.max(slowest, Date.now() - began);
    last = prompt.prompt_id;
    if (prompt.kind !== kind) return `is ${prompt.kind}`;
    const { structured, text } = await berth.call('respond_to_prompt', { session_id: session, prompt_id: last, ...answer });
    if (structured?.receipt !== 'confirmed') return `${JSON.stringify(answer)}: ${text}`;
    began = Date.now();
  }
  await idle(session);
  if (!outcome) return stub.results.length === results ? slowest : `the tool answered ${stub.results.at(-1)}`;
  const result = await until('an outcome', () => stub.results[results], FOUND).catch(() => undefined);
  return outcome.test(result) ? slowest : `the tool answered ${result}`;
}

// Leaves whatever is open after a miss, so that the next one can be tried.
async function leave(session) {
  await until('the session is idle again', async () => {
    if ((await status(session)).state === 'idle') return true;
    await berth.call('respond_to_prompt', { session_id: session, response: 'dismiss' });
    return false;
  });
}

// Looks at the session all the time. It is told as idle falsely if the stub has had an open request for a while.
function sample(session) {
  let [samples, wrong, going] = [0, 0, true];
  const work = (async () => {
    while (going) {
      const from = Date.now();
      const { state } = await status(session);
      const to = Date.now();
      const open = ({ from: began, to: ended }) => began <= from - GRACE && (ended === undefined || ended > to);
      samples += 1;
      if (state === 'idle' && stub.requests.some(open)) {
        wrong += 1;
        miss('idle was told of a session at work');
      }
      await sleep(Math.max(0, from + EVERY - Date.now()));
    }
  })();
  return { end: async () => { going = false; await work; return { samples, wrong }; } };
}
