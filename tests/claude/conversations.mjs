// Conversations with Claude Code without a terminal, by the shipped backend `jobs`: messages with their receipts and
// answers, and what it asks, over four of them at once, while berth is killed and started again.

import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

const NAMES = ['app', 'api', 'docs', 'site'];
// A prompt must be found in this time, where berth is not killed meanwhile.
const FOUND = 5_000;
const tool = (name, input) => `@tool ${name} ${JSON.stringify(input)}`;
const question = (text, more) => ({
  question: text, header: 'Choice', multiSelect: false,
  options: [{ label: 'Red', description: 'warm' }, { label: 'Blue', description: 'cold' }], ...more,
});
const asks = (...questions) => tool('AskUserQuestion', { questions });
// What it asks, how that is answered, and what the tool then tells the stub.
const prompts = [
  { name: 'a command, yes', play: '@bash touch yes-$N', kind: 'permission', answers: [{ response: 'yes' }], outcome: /completed/ },
  { name: 'a command, no', play: '@bash touch no-$N', kind: 'permission', answers: [{ response: 'no' }], outcome: /does not want/ },
  { name: 'a command, no with words', play: '@bash touch no-$N', kind: 'permission', answers: [{ choices: ['no'], text: 'use pnpm' }], outcome: /use pnpm/ },
  { name: 'a file, yes', play: tool('Write', { file_path: '$PROJECT/new-$N', content: 'one\n' }), kind: 'permission', answers: [{ response: 'yes' }], outcome: /created/ },
  { name: 'a question', play: asks(question('Which colour?')), kind: 'question', answers: [{ response: 'Blue' }], outcome: /"Which colour\?"="Blue"/ },
  { name: 'a question, several', play: asks(question('Which ones?', { multiSelect: true })), kind: 'question', answers: [{ choices: ['1', '2'] }], outcome: /"Which ones\?"="Red, Blue"/ },
  { name: 'a question, own words', play: asks(question('Which colour?')), kind: 'question', answers: [{ text: 'Green' }], outcome: /"Which colour\?"="Green"/ },
  { name: 'two questions', play: asks(question('Which one?'), question('Which other?')), kind: 'question', answers: [{ response: 'Red' }, { response: 'Blue' }], outcome: /"Which one\?"="Red".*"Which other\?"="Blue"/ },
];

// How many there were of each, and the misses.
export async function tryConversations(program, many) {
  const port = await freePort();
  const stub = await startStub();
  const place = await makeHome({ url: stub.url, names: NAMES.map((name) => join('work', name)) });
  const changes = [['listen = "127.0.0.1:0"', `listen = "127.0.0.1:${port}"`]];
  const berth = await startBerth(program, place, { directories: [join(place.root, 'work')], changes });
  const tally = { misses: [], messages: 0, right: 0, prompts: 0, answered: 0, slowest: 0, kills: 0 };
  try {
    const talks = await Promise.all(NAMES.map((name, number) => Talk.begin({ berth, stub, tally, name, project: place.projects[number] })));
    const killer = new Killer(berth, tally, many);
    await Promise.all([
      ...talks.map((talk, number) => talk.work(killer, of(many.messages, number), of(many.prompts, number), number)),
      killer.work(),
    ]);
    for (const talk of talks) await talk.check();
    if (tally.kills !== many.kills) tally.misses.push(`conversations: berth was killed ${tally.kills} times in place of ${many.kills}`);
  } catch (error) {
    tally.misses.push(`conversations: ${error.message}`);
  } finally {
    await berth.end();
    stub.close();
    await place.remove();
  }
  const rows = [
    ['conversations: messages', tally.messages, `right receipt and right answer ${tally.right}, berth killed meanwhile ${tally.kills} times`],
    ['conversations: prompts', tally.prompts, `answered as asked ${tally.answered}, slowest found after ${tally.slowest} ms`],
  ];
  return { misses: tally.misses, rows: rows.map((row) => `| ${row.join(' | ')} |`).join('\n') };
}

const of = (all, number) => Math.floor((all + NAMES.length - 1 - number) / NAMES.length);

class Talk {
  #sent = [];

  static async begin({ berth, stub, tally, name, project }) {
    const { text, structured } = await berth.call('create_session', { backend: 'jobs', project: name, name: `Talk ${name}` });
    const id = structured?.session?.session_id;
    if (!id) throw new Error(`no session: ${text}`);
    return new Talk({ berth, stub, tally, project, id, name });
  }

  constructor({ berth, stub, tally, project, id, name }) {
    Object.assign(this, { berth, stub, tally, project, id, name, log: stub.log(project) });
  }

  async work(killer, messages, asked, first) {
    const steps = Math.max(messages, asked);
    for (let n = 0; n < steps; n += 1) {
      if (n < messages) {
        await this.#try(`message ${n}`, () => this.#message(killer, n));
        killer.oneDone();
      }
      if (n < asked) await this.#try(`prompt ${n}`, () => this.#prompt(killer, prompts[(n * NAMES.length + first) % prompts.length], n));
    }
    killer.left(this.name);
  }

  // Each message reached the agent once.
  async check() {
    for (const text of this.#sent) {
      const count = this.#count(text);
      if (count !== 1) this.#miss(`${JSON.stringify(text)} reached the agent ${count} times`);
    }
  }

  async #try(what, work) {
    const trouble = await work().catch((error) => error.message);
    if (trouble) this.#miss(`${what}: ${trouble}`);
  }

  async #message(killer, n) {
    this.tally.messages += 1;
    const word = `${this.name}-${n}-${Math.random().toString(36).slice(2)}`;
    const { answer, receipt } = await this.#send(killer, `@say the word is ${word}`, word, 30);
    if (receipt !== 'submitted') return `the receipt is ${receipt}`;
    if (!answer.includes(`the word is ${word}`)) return `the answer is ${answer}`;
    this.tally.right += 1;
    return undefined;
  }

  // Sends it once: where berth is killed in the middle, what the agent was told decides.
  async #send(killer, text, word, wait) {
    this.#sent.push(word);
    for (;;) {
      const kills = killer.count;
      const sent = await this.berth.call('send_message', { session_id: this.id, message: text, wait_seconds: wait }).catch((error) => ({ error }));
      if (!sent.error) {
        if (sent.failed) throw new Error(sent.text);
        return { receipt: sent.structured.receipt, answer: sent.structured.text ?? sent.text };
      }
      if (killer.count === kills && !killer.isAt) throw sent.error;
      await killer.over();
      // It was kept, or it never came in.
      const told = await until('the message, or rest', async () => {
        const session = await this.#session();
        // After the session, which may take its time to answer.
        if (this.#count(word)) return 'told';
        return session.state === 'idle' && !(session.queue ?? []).length ? 'lost' : undefined;
      });
      if (told === 'told') {
        if (!wait) return {};
        await this.#rest();
        const log = await this.berth.call('get_logs', { session_id: this.id, lines: 20, view: 'transcript' });
        return { receipt: 'submitted', answer: log.text };
      }
    }
  }

  async #prompt(killer, { name, play, kind, answers, outcome }, n) {
    this.tally.prompts += 1;
    const results = this.log.results.length;
    const key = `talk-${this.name}-${n}`;
    this.stub.plays[key] = play.replaceAll('$N', `${n}`).replaceAll('$PROJECT', this.project);
    const [kills, began] = [killer.count, Date.now()];
    await this.#send(killer, `@play ${key}`, key);
    const seen = await until(`${name}: its prompts`, () => this.#patiently(killer, async () => {
      const { structured } = await this.berth.call('check_prompts', { backend: 'jobs' });
      const ours = structured.prompts.filter(({ session_id }) => session_id === this.id);
      return ours.length === answers.length ? ours : undefined;
    }));
    if (killer.count === kills && !killer.isAt) {
      this.tally.slowest = Math.max(this.tally.slowest, Date.now() - began);
      if (Date.now() - began > FOUND) return `${name}: found after ${Date.now() - began} ms`;
    }
    if (seen[0].kind !== kind) return `${name} is ${seen[0].kind}`;
    for (const [number, answer] of answers.entries()) {
      const given = await this.#answer(killer, { session_id: this.id, prompt_id: seen[number].prompt_id, ...answer });
      if (given) return `${name}: ${given}`;
    }
    await until(`${name}: an outcome`, () => this.log.results.length > results);
    await this.#rest();
    const said = this.log.results.slice(results).map(({ text }) => text).join(' | ');
    if (!outcome.test(said)) return `${name}: the tool answered ${said}`;
    if (this.log.results.length !== results + 1) return `${name}: the tool answered ${this.log.results.length - results} times`;
    this.tally.answered += 1;
    return undefined;
  }

  // An answer that was cut off is given again: it counts once.
  async #answer(killer, input) {
    for (let again = false; ; again = true) {
      const given = await this.berth.call('respond_to_prompt', input).catch((error) => ({ error }));
      // Where the first one counted, the outcome shows it.
      if (!given.error) return given.failed && !again ? given.text : undefined;
      await killer.over();
    }
  }

  // How often the agent was told something with this word.
  #count(word) {
    return this.log.messages.filter((message) => message.split(/\s+/).includes(word)).length;
  }

  #rest() {
    return until('rest', async () => (await this.#session())?.state === 'idle');
  }

  async #session() {
    const { structured } = await this.berth.call('get_session_status', { session_id: this.id }).catch(() => ({}));
    return structured?.session ?? {};
  }

  async #patiently(killer, look) {
    return look().catch(async () => { await killer.over(); });
  }

  #miss(what) {
    this.tally.misses.push(`conversation ${this.name}: ${what}`);
  }
}

// Kills berth so many times while there is work: each time another part of the messages is done.
class Killer {
  count = 0;
  isAt = false;
  #done = 0;
  #open = new Set(NAMES);
  #waits = [];

  constructor(berth, tally, { messages, kills }) {
    Object.assign(this, { berth, tally, messages, kills });
  }

  async work() {
    while (this.count < this.kills && (this.#isDue() || this.#open.size)) {
      if (!this.#isDue()) { await sleep(20); continue; }
      // Somewhere in what the conversations do next.
      await sleep(Math.random() * 300);
      this.isAt = true;
      await this.berth.killed();
      this.isAt = false;
      this.count += 1;
      this.tally.kills = this.count;
      this.#waits.splice(0).forEach((go) => go());
    }
  }

  // With the last one there are messages left.
  #isDue() {
    return this.#done >= ((this.count + 1) * this.messages) / (this.kills + 1);
  }

  oneDone() {
    this.#done += 1;
  }

  left(name) {
    this.#open.delete(name);
  }

  // Once berth runs again.
  async over() {
    if (this.isAt) await new Promise((go) => { this.#waits.push(go); });
    else await sleep(100);
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
