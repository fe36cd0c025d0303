// One session, and what is done in it: messages, prompts, work in the background.

import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { closing, untold } from './transcript.mjs';
import { until } from './wait.mjs';
import { ways } from './ways.mjs';

// A prompt must be found in this time.
const FOUND = 5_000;
// What is refused is sent again, as a client does, because nothing of it was entered.
const TRIES = 3;
const SHELL_SECONDS = 4;
// The agent takes seconds of the machine's time to draw a large message, so these are sent one after the other.
const LARGE = 10_000 - 100;
let large = Promise.resolve();
const BACKGROUND = [
  `@tool Bash ${JSON.stringify({ command: `sleep ${SHELL_SECONDS}`, run_in_background: true })}`,
  `@tool Agent ${JSON.stringify({ description: 'helper', prompt: '@slow 4 a b c d e f g h', subagent_type: 'general-purpose', run_in_background: true })}`,
];

export class Session {
  #berth;
  #stub;
  #tally;
  #sent = 0;
  // How many tools were allowed to run.
  #allowed = 0;

  // Starts it in this project, to be used in one of the ways.
  static async start({ berth, stub, tally, project, way }) {
    const { settings, backend } = ways[way];
    await mkdir(join(project, '.claude'), { recursive: true });
    await writeFile(join(project, '.claude', 'settings.json'), JSON.stringify(settings ?? {}));
    const { structured, text } = await berth.call('create_session', { working_dir: project, name: way, ...(backend && { backend }) });
    const id = structured?.session?.session_id;
    if (!id) throw new Error(`no session: ${text}`);
    const session = new Session({ berth, stub, tally, project, way, id });
    await session.#idle();
    return session;
  }

  constructor({ berth, stub, tally, project, way, id }) {
    [this.#berth, this.#stub, this.#tally] = [berth, stub, tally];
    [this.id, this.way, this.project, this.log] = [id, way, project, stub.log(project)];
  }

  // All of it; what breaks it off is a miss.
  async work({ messages, long, attachments, prompts }) {
    try {
      await this.#tryMessages(messages, this.#tally.messages);
      await this.#tryTranscript(messages, long);
      await this.#tryMessages(attachments, this.#tally.attached);
      await this.#tryPrompts(prompts);
      await this.#tryBackground();
      await this.#checkTools();
    } catch (error) {
      this.#miss(`${error.message}\n${(await this.#berth.call('get_logs', { session_id: this.id, view: 'screen' })).text}`);
    }
  }

  async end() {
    await this.#berth.call('terminate_session', { session_id: this.id });
  }

  // Each message is in the stub's log as it was sent, once.
  async #tryMessages(messages, count) {
    for (const message of messages) {
      await ways[this.way].before?.({ berth: this.#berth, id: this.id }, this.#sent);
      count.sent += 1;
      const arrived = await this.#inTurn(message).catch((error) => error.message);
      const wanted = message.arrives(arrived);
      if (arrived === wanted) count.exact += 1;
      else this.#miss(`message ${message.kind}, ${message.size} bytes: ${difference(arrived, wanted)}`);
    }
  }

  // The transcript tells each message; `long` are some that are known to have arrived only because of it.
  async #tryTranscript(messages, long) {
    const unconfirmed = this.#tally.unconfirmed;
    await this.#tryMessages([...long, closing], this.#tally.messages);
    if (long.length && this.#tally.unconfirmed > unconfirmed) this.#miss('a message higher than the screen is unconfirmed');
    const said = [...messages, ...long, closing];
    const missing = await untold(this.#berth, this.id, said);
    this.#tally.turns += said.length;
    this.#tally.untold += missing.length;
    missing.forEach((what) => this.#miss(`transcript: ${what}`));
  }

  #inTurn(message) {
    if (message.size < LARGE) return this.#message(message);
    const turn = large.then(() => this.#message(message));
    large = turn.catch(() => {});
    return turn;
  }

  async #message({ text, attachments }) {
    const before = this.log.messages.length;
    await this.#send(text, attachments);
    await until('the message', () => this.log.messages.length > before);
    await this.#idle();
    const arrived = this.log.messages.slice(before);
    return arrived.length === 1 ? arrived[0] : `${arrived.length} messages: ${arrived.join(' | ')}`;
  }

  // Each prompt is found, is what it should be, and is answered as asked.
  async #tryPrompts(prompts) {
    for (const prompt of prompts) {
      this.#tally.prompts += 1;
      const trouble = await this.#prompt(prompt).catch((error) => error.message);
      if (trouble === undefined) {
        this.#tally.answered += 1;
      } else {
        this.#miss(`prompt ${prompt.name}: ${trouble}`);
        await this.#leave();
      }
    }
    const widened = await access(join(this.project, '.claude', 'settings.local.json')).then(() => true, () => false);
    if (!widened) return;
    this.#tally.widened += 1;
    this.#miss('a prompt has widened what is allowed');
  }

  async #prompt({ name, play, message, kind, steps, outcome, runs }) {
    const results = this.log.results.length;
    const number = this.#sent;
    const key = `${this.id}-${number}`;
    this.#stub.plays[key] = play?.replaceAll('$NUMBER', String(number)).replaceAll('$PROJECT', this.project);
    this.#allowed += runs ? 1 : 0;
    await this.#send(message ?? `@play ${key}`);
    let last;
    for (const [question, answer] of steps) {
      const began = Date.now();
      const prompt = await until(`${name} asks ${question}`, async () => {
        const { structured } = await this.#berth.call('check_prompts', {});
        const ours = structured.prompts.filter(({ session_id }) => session_id === this.id);
        return ours.find(({ prompt_id, question: asked }) => prompt_id !== last && question.test(asked));
      }, FOUND);
      this.#tally.slowest = Math.max(this.#tally.slowest, Date.now() - began);
      last = prompt.prompt_id;
      if (prompt.kind !== kind) return `is ${prompt.kind}`;
      const { structured, text } = await this.#berth.call('respond_to_prompt', { session_id: this.id, prompt_id: last, ...answer });
      if (structured?.receipt !== 'confirmed') return `${JSON.stringify(answer)}: ${text}`;
    }
    if (outcome) await until('an outcome', () => this.log.results.length > results);
    await this.#idle();
    const said = this.log.results.slice(results).map(({ text }) => text).join(' | ');
    return (outcome ? outcome.test(said) : said === '') ? undefined : `the tool answered ${said}`;
  }

  // A shell and an agent work on when a turn has ended; the stub sees the agent, and a shell works for its time.
  async #tryBackground() {
    for (const message of BACKGROUND) {
      const results = this.log.results.length;
      this.#allowed += 1;
      await this.#send(message);
      const { at } = await until('something in the background', () => this.log.results[results]);
      if (message.startsWith('@tool Bash')) this.log.works.push({ from: at, to: at + 1000 * (SHELL_SECONDS - 1) });
      // The agent is told when it has ended.
      await until('the end of it', () => this.log.results.length > results + 1);
      await this.#idle();
    }
  }

  // No tool ran that nobody allowed. What became of the last one, the stub hears with the next message.
  async #checkTools() {
    await this.#message({ text: 'the end' });
    const ran = [...this.log.tools.values()].filter(Boolean).length;
    if (ran <= this.#allowed) return;
    this.#tally.accidental += ran - this.#allowed;
    this.#miss(`${ran} tools ran, and ${this.#allowed} were allowed`);
  }

  async #send(message, attachments) {
    this.#sent += 1;
    for (let tries = 1; ; tries += 1) {
      await this.#idle();
      const { failed, text, structured } = await this.#berth.call('send_message', { session_id: this.id, message, attachments });
      if (!failed) {
        this.#tally.unconfirmed += structured.receipt === 'unconfirmed' ? 1 : 0;
        return;
      }
      if (tries === TRIES) throw new Error(`refused: ${text}`);
      this.#tally.again += 1;
    }
  }

  #idle() {
    return until(`${this.way}: the session is idle`, async () => await this.#state() === 'idle');
  }

  async #state() {
    return (await this.#berth.call('get_session_status', { session_id: this.id })).structured.session.state;
  }

  // Leaves whatever is open after a miss, so that the next one can be tried.
  async #leave() {
    await until('the session is idle again', async () => {
      if (await this.#state() === 'idle') return true;
      await this.#berth.call('respond_to_prompt', { session_id: this.id, response: 'dismiss' });
      return false;
    });
  }

  #miss(what) {
    this.#tally.miss(`${this.way}: ${what}`);
  }
}

// Where two texts begin to differ.
function difference(arrived, expected) {
  const at = [...expected].findIndex((_, n) => arrived[n] !== expected[n]);
  const [from, shown] = [Math.max(0, at - 20), (text) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 100))];
  return `from character ${from} it is ${shown(arrived)} and not ${shown(expected)}`;
}
