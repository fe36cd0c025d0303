// One conversation with an agent, in a project of its own.

import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { until } from '../claude/wait.mjs';

const ANSWERED = 40;
const run = promisify(execFile);

export class Talk {
  // `agent` has its `name` and what it offers; `log` is that of its model, if that is at the stub.
  constructor({ berth, place, agent, log }) {
    Object.assign(this, { berth, place, agent, log, project: join(place.root, 'projects', agent.name) });
  }

  async begin(message) {
    const { name } = this.agent;
    const answer = await this.berth.call('create_session', { project: name, agent: name, message, wait_seconds: ANSWERED });
    if (answer.failed) throw new Error(answer.text);
    this.id = answer.structured.session.session_id;
    return answer;
  }

  call(tool, input) {
    return this.berth.call(tool, { session_id: this.id, ...input });
  }

  // A call that must not be refused.
  async done(tool, input) {
    const answer = await this.call(tool, input);
    if (answer.failed) throw new Error(`${tool} ${JSON.stringify(input)}: ${answer.text}`);
    return answer;
  }

  // Sends a message that is not waited for.
  async send(message) {
    return (await this.done('send_message', { message })).structured;
  }

  // Sends one, and waits for its end.
  async told(message, more = {}) {
    return (await this.done('send_message', { message, wait_seconds: ANSWERED, ...more })).structured;
  }

  // Lets it run this command, and answers what it asks.
  async asked(command) {
    await this.send(`@run ${command}`);
    const [prompt] = await this.prompts();
    return prompt;
  }

  prompts() {
    return until('what it asks', async () => {
      const { prompts, state } = await this.session();
      if (state === 'idle') throw new Error('it is at rest and has asked nothing');
      return prompts?.length && prompts;
    });
  }

  // Takes the choice that does this and nothing more.
  async answer({ prompt_id, choices }, effect) {
    const { key } = choices.find((choice) => choice.effect === effect);
    await this.done('respond_to_prompt', { prompt_id, choices: [key] });
  }

  async session() {
    return (await this.done('get_session_status', {})).structured.session;
  }

  rest() {
    return until('rest', async () => (await this.session()).state === 'idle');
  }

  says(words) {
    return until(words, async () => (await this.session()).last_output?.includes(words));
  }

  async transcript() {
    return (await this.done('get_logs', { view: 'transcript', lines: 200 })).text;
  }

  // The messages that it was given.
  async reached() {
    if (this.log) return this.log.told.map((text) => text.trim());
    const { text } = await this.told('@recall');
    return text.match(/^I was told: (.*); I am/)[1].split(' | ');
  }

  async remembers(word) {
    return this.log ? this.log.body.includes(word) : (await this.reached()).some((text) => text.includes(word));
  }

  has(file) {
    return access(join(this.project, file)).then(() => true, () => false);
  }

  // The ids of its processes: they have its mark, and this home.
  async processes() {
    const { stdout } = await run('ps', ['axeww', '-o', 'pid=,command='], { maxBuffer: 64 << 20 });
    const marks = [`HOME=${this.place.root}`, `BERTH_SESSION=${this.agent.name}`];
    const lines = stdout.split('\n').filter((line) => marks.every((mark) => ` ${line} `.includes(` ${mark} `)));
    return lines.map((line) => Number(line.trim().split(' ')[0]));
  }

  async kill() {
    const pids = await this.processes();
    if (!pids.length) throw new Error('it has no process');
    for (const pid of pids) {
      // One may end with another one.
      try { process.kill(pid, 'SIGKILL'); } catch (error) { if (error.code !== 'ESRCH') throw error; }
    }
    await until('their end', async () => !(await this.processes()).length);
  }
}
