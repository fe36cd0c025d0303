// What happens in conversations with Claude Code without a terminal beside messages and single prompts, each in a session
// of its own, all at once: a usage limit and other errors of the API, a plan, attachments, an interrupt while messages wait,
// several prompts at once, an agent that is killed, and one that says nothing.

import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

const scenes = [
  ['a usage limit', limit],
  ['errors of the API', errors],
  ['a plan', plan],
  ['attachments', attachments],
  ['an interrupt while messages wait', interrupt],
  ['several prompts at once', several],
  ['an agent that is killed', killed],
  ['silence', silence],
];
const HOUR = 3_600;
// Seconds for which an agent that says nothing is looked at.
const SILENT = 4;
const POINT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

// The misses, and a row for each.
export async function tryScenes(program) {
  const stub = await startStub();
  const names = scenes.map((_, number) => `scene-${number}`);
  const place = await makeHome({ url: stub.url, names: names.map((name) => join('work', name)), account: true });
  const tried = [];
  try {
    const berth = await startBerth(program, place, { directories: [join(place.root, 'work')] });
    try {
      tried.push(...await Promise.all(scenes.map(([name, scene], number) => {
        const talk = new Talk({ berth, stub, place, name: names[number], project: place.projects[number] });
        return attempt(name, talk, scene);
      })));
    } finally {
      await berth.end();
    }
  } finally {
    stub.close();
    await place.remove();
  }
  const rows = tried.map(({ name, trouble }) => `| conversations: ${name} | 1 | as it must be ${trouble ? 0 : 1} |`);
  const misses = tried.filter(({ trouble }) => trouble).map(({ name, trouble }) => `conversations, ${name}: ${trouble}`);
  return { misses, rows: rows.join('\n') };
}

async function attempt(name, talk, scene) {
  try {
    await talk.begin();
    return { name, trouble: await scene(talk) };
  } catch (error) {
    return { name, trouble: error.message };
  }
}

// An account is told until when its limit holds. The next message works as soon as the API answers again.
async function limit(talk) {
  const end = Math.floor(Date.now() / 1000) + HOUR;
  await talk.told(`@limit ${end}`);
  const { state, attention } = await talk.session();
  if (state !== 'idle') return `the state is ${state}`;
  if (attention?.kind !== 'limit' || !/usage limit.* resets /.test(attention.reason)) return `it says ${shown(attention)}`;
  if (Date.parse(attention.until) !== end * 1000) return `it holds until ${attention.until}, not ${end}`;
  const { text } = await talk.told('@say it works again');
  if (text !== 'it works again') return `the next answer is ${text}`;
  const after = await talk.session();
  return after.attention && `afterwards it says ${shown(after.attention)}`;
}

// Each says what a person can do, and none stays when the next message is answered.
async function errors(talk) {
  const wanted = [[429, 'limit', /too fast \(429\)/], [401, 'login', /log in/], [529, 'error', /overloaded/], [500, 'error', /answered 500/]];
  for (const [status, kind, words] of wanted) {
    await talk.told(`@status ${status}`);
    const { attention } = await talk.session();
    if (attention?.kind !== kind || !words.test(attention.reason)) return `${status}: it says ${shown(attention)}`;
    await talk.told(`@say it works after ${status}`);
    const after = await talk.session();
    if (after.attention) return `after ${status} it says ${shown(after.attention)}`;
  }
}

// The plan is read whole in the prompt; what is refused stays a plan, and what is allowed is carried out.
async function plan(talk) {
  const mode = async () => (await talk.session()).facts.mode;
  await talk.done('set_session', { options: { mode: 'plan' } });
  const steps = Array.from({ length: 60 }, (_, n) => `${n + 1}. Paint wall ${n + 1} blue`).join('\n');
  const play = (text) => `@tools ${JSON.stringify([['Write', { file_path: '$PLAN', content: text }], ['ExitPlanMode', {}]])}`;
  const answers = [
    [`# Plan A\n\n${steps}`, { choices: ['no'], text: 'paint it green instead' }, /^paint it green instead$/, 'plan'],
    [`# Plan B\n\n${steps}`, { response: 'yes' }, /^User has approved your plan/, 'default'],
  ];
  for (const [text, answer, outcome, after] of answers) {
    const results = talk.log.results.length;
    await talk.send(talk.play(play(text)));
    const [prompt, ...more] = await talk.prompts(1);
    if (more.length || prompt.kind !== 'plan' || prompt.cut) return `it asks ${shown(prompt)}`;
    if (!prompt.detail.includes(text)) return `the plan reads ${prompt.detail}`;
    await talk.done('respond_to_prompt', { prompt_id: prompt.prompt_id, ...answer });
    await talk.rest();
    const said = talk.log.results.slice(results).map((result) => result.text);
    if (said.length !== 1 || !outcome.test(said[0])) return `the tool answered ${said.join(' | ')}`;
    if (await mode() !== after) return `the mode is ${await mode()}, not ${after}`;
  }
}

// The model is given the picture and the text, whole and once, beside the message.
async function attachments(talk) {
  const text = Array.from({ length: 500 }, (_, n) => `line ${n}: "quoted" <tag> & more`).join('\n');
  await talk.told('@say seen', {
    attachments: [
      { name: 'point.png', media_type: 'image/png', data: POINT },
      { name: 'app.log', media_type: 'text/plain', text },
    ],
  });
  const parts = talk.log.asked.messages.flatMap(({ content }) => content);
  const pictures = parts.filter(({ type }) => type === 'image').map(({ source }) => source);
  if (pictures.length !== 1 || pictures[0].media_type !== 'image/png') return `the model saw ${shown(pictures)}`;
  // The agent may write it again in its own way; it stays a picture.
  if (!pictures[0].data.startsWith('iVBORw0KGgo')) return 'the picture is not a PNG';
  const texts = parts.filter((part) => part.text?.includes(text));
  if (texts.length !== 1 || !texts[0].text.includes('app.log')) return `the model read the text ${texts.length} times`;
  return talk.log.messages.at(-1).trim() === '@say seen' ? undefined : `the message is ${talk.log.messages.at(-1)}`;
}

// What was taken back is never sent, what waited is sent once, and what was interrupted says so.
async function interrupt(talk) {
  const first = await talk.send('@slow 100 one two three four', 'submitted');
  const second = await talk.send('@say second', 'queued');
  const third = await talk.send('@say third', 'queued');
  const waits = (await talk.session()).queue.map(({ message_id }) => message_id);
  if (waits.join() !== [second, third].join()) return `the queue is ${waits}`;
  await talk.done('interrupt_session', { message_id: second });
  const left = (await talk.session()).queue.map(({ message_id }) => message_id);
  if (left.join() !== third) return `after one was taken back, the queue is ${left}`;
  const late = await talk.call('interrupt_session', { message_id: first });
  if (!late.failed) return 'one that the agent has begun with was taken back';
  await talk.done('interrupt_session', {});
  await until('the third message', () => talk.log.messages.includes('@say third'));
  await talk.rest();
  const { attention, queue } = await talk.session();
  if (attention || queue?.length) return `at rest it says ${shown({ attention, queue })}`;
  const reached = talk.log.messages.join(' | ');
  if (reached !== '@slow 100 one two three four | @say third') return `the agent was told ${reached}`;
  const { text } = await talk.done('get_logs', { view: 'transcript', lines: 50 });
  const turns = text.replace(/ at [^\]]*\]/g, ']').split('\n\n').map((turn) => turn.replaceAll('\n', ' '));
  const wanted = [/^\[person\] @slow 100 one two three four$/, /^\[agent\] one/, /^\[system \(failed\)\] It was interrupted\.$/, /^\[person\] @say third$/, /^\[agent\] third$/];
  const tells = turns.length === wanted.length && wanted.every((words, number) => words.test(turns[number]));
  return tells ? undefined : `the transcript tells ${turns.join(' | ')}`;
}

// Three tools that ask at the same time; they are answered from the last one to the first.
async function several(talk) {
  const files = ['a', 'b', 'c'].map((name) => join(talk.place.root, `${name}.txt`));
  for (const file of files) await writeFile(file, `this is ${file}\n`);
  await talk.send(talk.play(`@tools ${JSON.stringify(files.map((file_path) => ['Read', { file_path }]))}`));
  const prompts = await talk.prompts(files.length);
  const asked = prompts.map(({ question }) => files.findIndex((file) => question.includes(file)));
  if ([...asked].sort().join() !== '0,1,2') return `it asks ${prompts.map(({ question }) => question).join(' | ')}`;
  // The second one is refused.
  for (const number of [2, 1, 0]) {
    const { prompt_id } = prompts[asked.indexOf(number)];
    const answer = number === 1 ? { choices: ['no'], text: 'not that one' } : { response: 'yes' };
    await talk.done('respond_to_prompt', { prompt_id, ...answer });
    const again = await talk.call('respond_to_prompt', { prompt_id, response: number === 1 ? 'yes' : 'no' });
    if (!again.failed) return 'an answered prompt took a second answer';
  }
  await talk.rest();
  const parts = talk.log.asked.messages.flatMap(({ content }) => content);
  const uses = parts.filter(({ type }) => type === 'tool_use').map(({ id }) => id);
  const told = uses.map((id) => parts.filter(({ tool_use_id }) => tool_use_id === id).map(shown).join(' and again '));
  const wanted = [`this is ${files[0]}`, 'not that one', `this is ${files[2]}`];
  const fits = told.length === wanted.length && wanted.every((words, number) => told[number].includes(words) && !told[number].includes('and again'));
  return fits ? undefined : `the tools answered ${told.join(' | ')}`;
}

// Its prompt is closed, why is told, and the next message goes on with the conversation.
async function killed(talk) {
  await talk.told('@say my word is heron');
  await talk.send('@bash touch made');
  const [{ prompt_id }] = await talk.prompts(1);
  process.kill(await pid(talk), 'SIGKILL');
  const session = await until('the end of the process', async () => {
    const now = await talk.session();
    return now.state !== 'waiting' && now;
  });
  if (session.state !== 'idle' || session.prompts?.length) return `the session is ${session.state} with ${shown(session.prompts)}`;
  const { kind, reason } = session.attention ?? {};
  if (kind !== 'error' || !/signal 9.*next message brings it back.*not known whether/.test(reason)) return `it says ${shown(session.attention)}`;
  const late = await talk.call('respond_to_prompt', { prompt_id, response: 'yes' });
  if (!late.failed) return 'a prompt of the process that died was answered';
  const { text } = await talk.told('@say and here I am');
  if (text !== 'and here I am') return `the next answer is ${text}`;
  const before = JSON.stringify(talk.log.asked.messages);
  if (!before.includes('my word is heron')) return 'the conversation was not brought back';
  const made = await access(join(talk.project, 'made')).then(() => true, () => false);
  if (made) return 'the command was carried out';
  const after = await talk.session();
  if (after.attention) return `afterwards it says ${shown(after.attention)}`;
  const reached = talk.log.messages.join(' | ');
  return reached === '@say my word is heron | @bash touch made | @say and here I am' ? undefined : `the agent was told ${reached}`;
}

// The id of the agent's process, of which it keeps a record.
async function pid({ place, project }) {
  const folder = join(place.root, '.claude', 'sessions');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const records = await Promise.all(files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))));
  return records.find(({ cwd }) => cwd === project).pid;
}

// A model that does not answer, and one that stops in the middle of its answer: the session is at work until it is told to
// stop, and a call that waits says so.
async function silence(talk) {
  for (const message of ['@stall 300', '@slow 300 one two']) {
    const waited = await talk.done('send_message', { message, wait_seconds: 2 });
    if (!/\bbusy\b/.test(waited.text)) return `${message}: a call that waited says ${waited.text}`;
    const end = Date.now() + SILENT * 1000;
    while (Date.now() < end) {
      const { state, attention } = await talk.session();
      if (state !== 'busy' || attention) return `${message}: it is ${state} with ${shown(attention)}`;
    }
    if (talk.log.works.at(-1).to) return `${message}: the model was not silent`;
    await talk.done('interrupt_session', {});
    await talk.rest();
    await until('the end of the request', () => talk.log.works.at(-1).to);
  }
  const { text } = await talk.told('@say here I am');
  return text === 'here I am' ? undefined : `the next answer is ${text}`;
}

const shown = (value) => JSON.stringify(value);

// One conversation.
class Talk {
  #played = 0;

  constructor({ berth, stub, place, name, project }) {
    Object.assign(this, { berth, stub, place, name, project, log: stub.log(project) });
  }

  async begin() {
    const { text, structured } = await this.berth.call('create_session', { backend: 'jobs', project: this.name, name: this.name });
    this.id = structured?.session?.session_id;
    if (!this.id) throw new Error(`no session: ${text}`);
  }

  call(tool, input) {
    return this.berth.call(tool, { session_id: this.id, ...input });
  }

  // A call that must not be refused.
  async done(tool, input) {
    const answer = await this.call(tool, input);
    if (answer.failed) throw new Error(`${tool} ${shown(input)}: ${answer.text}`);
    return answer;
  }

  // A message that makes the agent do this.
  play(directive) {
    const key = `${this.name}-${this.#played += 1}`;
    this.stub.plays[key] = directive;
    return `@play ${key}`;
  }

  // Sends a message that is not waited for, and answers its id.
  async send(message, receipt = 'submitted') {
    const { structured } = await this.done('send_message', { message });
    if (structured.receipt !== receipt) throw new Error(`the receipt of ${message} is ${structured.receipt}`);
    return structured.message_id;
  }

  // Sends one, and waits for its end.
  async told(message, more = {}) {
    const { structured, text } = await this.done('send_message', { message, wait_seconds: 40, ...more });
    if (structured.receipt !== 'submitted') throw new Error(`the receipt of ${message} is ${structured.receipt}`);
    return { text: structured.text ?? text };
  }

  async session() {
    return (await this.done('get_session_status', {})).structured.session;
  }

  // So many prompts, as soon as they are open.
  prompts(count) {
    return until(`${count} prompts`, async () => {
      const { prompts } = await this.session();
      return prompts?.length === count && prompts;
    });
  }

  rest() {
    return until('rest', async () => (await this.session()).state === 'idle');
  }
}
