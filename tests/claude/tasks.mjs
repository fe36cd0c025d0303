// The real Claude Code as a client of berth: a run that it starts becomes a task of its own where it takes tasks, what the
// run asks opens as a form at its terminal, and the end of the run wakes its model.

import { execFile } from 'node:child_process';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { startBerth } from './berth.mjs';
import { ends } from './ends.mjs';
import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

// The clients work in folders that are no projects.
const NAMES = ['work/app', 'work/api', 'work/site', 'work/docs', 'client', 'printing'];
const TOOL = 'mcp__berth__claude_run';
const TMUX = 20_000;
const PACE = 2_000;
const [COLUMNS, ROWS] = [120, 50];
const run = promisify(execFile);

// How many there were, and the misses.
export async function tryTasks(program) {
  const stub = await startStub();
  const place = await makeHome({ url: stub.url, names: NAMES, settings: { permissions: { defaultMode: 'default', allow: ['mcp__berth'] } } });
  try {
    const berth = await startBerth(program, place, { directories: [join(place.root, 'work')] });
    try {
      await knowsBerth(place, berth);
      const tried = await Promise.all([atTerminal(stub, place, berth), printed(stub, place)]);
      return { count: tried.flat().length, misses: tried.flat().filter(Boolean) };
    } finally {
      await berth.end();
    }
  } finally {
    stub.close();
    await place.remove();
  }
}

// A person's entry for the server, once it has the tool.
async function knowsBerth({ root }, berth) {
  await until('the tools of the backend', () => berth.call('claude_list_projects', {}).then(({ failed }) => !failed, () => false));
  const file = join(root, '.claude.json');
  const state = JSON.parse(await readFile(file, 'utf8'));
  const headers = { Authorization: `Bearer ${await berth.token()}` };
  await writeFile(file, JSON.stringify({ ...state, mcpServers: { berth: { type: 'http', url: berth.address, headers } } }));
}

// For each answer at one terminal the trouble with it, if there is some.
async function atTerminal(stub, place, berth) {
  const terminal = new Terminal(stub, place, join(place.root, 'client'));
  const answers = [
    ['app', 'Yes', ({ denied }, made) => made && !denied],
    ['api', 'No', ({ denied }, made) => !made && `${denied}`.includes('touch made')],
    // The form closes and answers nothing, so another client still can.
    ['site', 'Decline', ({ denied }, made) => made && !denied],
  ];
  const tried = [];
  try {
    await terminal.open();
    for (const [project, choice, isRight] of answers) {
      const trouble = await answered(terminal, place, berth, { project, choice, isRight }).catch(async (error) => `${error.message}\n${await terminal.screen()}`);
      tried.push(trouble && `tasks, ${choice}: ${trouble}`);
    }
  } catch (error) {
    tried.push(`tasks: ${error.message}`);
  } finally {
    await terminal.close();
  }
  return tried;
}

async function answered(terminal, { root }, berth, { project, choice, isRight }) {
  const { log } = terminal;
  const before = log.results.length;
  await terminal.say(asks(terminal.stub, project));
  const { text } = await until('the answer to the call', () => log.results[before]);
  if (!text.includes('started server-side task')) return `the call is no task: ${text}`;
  const shown = choice === 'Decline' ? await terminal.decline() : await terminal.fill(choice);
  if (!shown.includes(join(root, 'work', project))) return `the form does not tell where: ${shown}`;
  if (choice === 'Decline') {
    const { structured } = await berth.call('check_prompts', {});
    const [prompt] = structured.prompts;
    if (!prompt) return 'declined, it asks no more';
    await berth.call('respond_to_prompt', { session_id: prompt.session_id, prompt_id: prompt.prompt_id, response: 'yes' });
  }
  const told = await until('the word that the run has ended', () => notice(log, before + 1));
  const outcome = JSON.parse(told.match(/<result>\s*(\{.*\})\s*<\/result>/s)[1]);
  const made = await exists(join(root, 'work', project, 'made'));
  return outcome.state === 'done' && isRight(outcome, made) ? undefined : `made: ${made}, and it is told ${told}`;
}

// What woke the model after so many results of tools; nothing yet, if nothing did.
function notice(log, results) {
  if (log.results.length <= results) return undefined;
  const texts = log.asked.messages.flatMap(({ content }) => content).map((part) => part.text ?? part);
  return texts.findLast((text) => `${text}`.includes('<task-notification>'));
}

// Without a terminal it takes no tasks, and has its answer while the run still waits for a person.
async function printed(stub, { root, env }) {
  const folder = join(root, 'printing');
  const printing = run('claude', ['-p', asks(stub, 'docs')], { cwd: folder, env, timeout: 60_000 });
  printing.child.stdin.end();
  await printing;
  const { text } = stub.log(folder).results.at(-1) ?? {};
  const { jobId, state } = text?.startsWith('{') ? JSON.parse(text) : {};
  return jobId && ['queued', 'running'].includes(state) ? [undefined] : [`tasks, without a terminal: it got ${text}`];
}

// A message by which the client starts a run that needs a permission.
function asks(stub, project) {
  stub.plays[project] = `@tool ${TOOL} ${JSON.stringify({ project, prompt: '@bash touch made' })}`;
  return `@play ${project}`;
}

const exists = (file) => access(file).then(() => true, () => false);

// Claude Code at a terminal, and the person there.
class Terminal {
  #tmux;

  constructor(stub, { root, env }, folder) {
    [this.stub, this.log] = [stub, stub.log(folder)];
    const options = { env, cwd: folder, timeout: TMUX };
    this.#tmux = async (...command) => (await run('tmux', ['-u', '-S', join(root, 'tmux'), '-f', '/dev/null', ...command], options)).stdout;
    this.close = ends(() => this.#tmux('kill-server').catch(() => {}));
  }

  // Until the agent knows the tool: it connects while it is already used.
  async open() {
    await this.#tmux('new-session', '-d', '-x', `${COLUMNS}`, '-y', `${ROWS}`, 'env', 'claude');
    await until('the tool', async () => {
      await this.say('@say hello');
      return JSON.stringify(this.log.asked).includes(TOOL);
    });
  }

  screen() {
    return this.#tmux('capture-pane', '-p');
  }

  // Enters a message, and sees that the agent took it.
  async say(text) {
    const before = this.log.messages.length;
    await this.#shows(/^❯[\s\u00a0]*(Try "|$)/m);
    await this.#tmux('send-keys', '-l', '--', text);
    await this.#shows(new RegExp(`^❯\\s${text}$`, 'm'));
    await this.#tmux('send-keys', 'Enter');
    await until(`the message ${text}`, () => this.log.messages.length > before);
  }

  // Takes this choice in the form that opens, and gives what the form showed.
  async fill(choice) {
    const form = await this.#shows(/requests your input[^]*❯\s+\*?\s*Your choice/);
    await this.#press('Right', /❯ ◯ Yes/);
    if (choice !== 'Yes') await this.#press('Down', new RegExp(`❯ ◯ ${choice}`));
    await this.#press('Enter', new RegExp(`Your choice: ${choice}`));
    await this.#press('Down', /❯ Accept/);
    await this.#accept();
    return form;
  }

  // Declines the form that opens, and gives what it showed.
  async decline() {
    const form = await this.#shows(/requests your input[^]*❯\s+\*?\s*Your choice/);
    await until('Decline', async () => {
      await this.#tmux('send-keys', 'Down');
      return /❯ Decline/.test(await this.screen()) || undefined;
    });
    await this.#accept();
    return form;
  }

  // The form takes no Enter that comes faster than a person's, and each that does makes it wait again.
  async #accept() {
    const isClosed = async () => !(await this.screen()).includes('requests your input');
    await until('the end of the form', async () => {
      await this.#tmux('send-keys', 'Enter');
      return until('its end', isClosed, PACE).catch(() => false);
    });
  }

  async #press(key, shows) {
    await this.#tmux('send-keys', key);
    await this.#shows(shows);
  }

  #shows(pattern) {
    return until(`${pattern} on the screen`, async () => {
      const screen = await this.screen();
      return pattern.test(screen) ? screen : undefined;
    });
  }
}
