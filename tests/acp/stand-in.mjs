// An agent over the protocol's own library: what berth writes is read, and what it reads is written, by the library's rules.
// It does what a message says, and keeps its conversations in ~/.stand-in.
//   --forgetful   cannot load a conversation
//   --locked      wants a login
//   --plain       has modes; without it, it has options of a session in their place, as newer agents do
//
//   @say TEXT            answers TEXT
//   @slow SECONDS TEXT   answers word by word, over so many seconds
//   @run COMMAND         asks for a permission, and runs the command if it gets that
//   @recall              answers with what it was told before
//   @machine             asks its client for a file and a terminal, and answers with what came back

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import * as acp from '@agentclientprotocol/sdk';

const [forgetful, locked, plain] = ['--forgetful', '--locked', '--plain'].map((word) => process.argv.includes(word));
const folder = join(homedir(), '.stand-in');
const sessions = new Map();
const MODES = ['careful', 'bold'];
const MODELS = ['small', 'large'];
const { session } = acp.methods.agent;

acp.agent({ name: 'stand-in' })
  .onRequest(acp.methods.agent.initialize, () => ({
    protocolVersion: acp.PROTOCOL_VERSION,
    agentInfo: { name: 'stand-in', title: 'Stand-in', version: '1' },
    agentCapabilities: { loadSession: !forgetful, promptCapabilities: { image: true, embeddedContext: true } },
    authMethods: locked ? [{ id: 'key', name: 'A key that nobody has' }] : [],
  }))
  .onRequest(session.new, ({ params: { cwd } }) => {
    if (locked) throw acp.RequestError.authRequired();
    const sessionId = randomUUID();
    sessions.set(sessionId, { cwd, mode: MODES[0], model: MODELS[0], told: [] });
    return { sessionId, ...choices(sessions.get(sessionId)) };
  })
  .onRequest(session.load, async ({ params: { sessionId }, client }) => {
    const kept = await readFile(join(folder, sessionId), 'utf8').catch(() => { throw acp.RequestError.resourceNotFound(sessionId); });
    sessions.set(sessionId, JSON.parse(kept));
    for (const text of sessions.get(sessionId).told) {
      await client.notify(acp.methods.client.session.update, { sessionId, update: chunk('user_message_chunk', text) });
      await client.notify(acp.methods.client.session.update, { sessionId, update: chunk('agent_message_chunk', 'long ago') });
    }
    return choices(sessions.get(sessionId));
  })
  .onRequest(session.setMode, ({ params: { sessionId, modeId } }) => {
    sessions.get(sessionId).mode = known(MODES, modeId);
    return {};
  })
  .onRequest(session.setConfigOption, ({ params: { sessionId, configId, value } }) => {
    const talk = sessions.get(sessionId);
    if (configId === 'effort') talk.mode = known(MODES, value);
    else talk.model = known(MODELS, value);
    return { configOptions: choices(talk).configOptions };
  })
  .onRequest(session.prompt, async ({ params: { sessionId, prompt }, client }) => {
    const talk = sessions.get(sessionId);
    // The library refuses what the protocol does not have; that one message is at work at a time is for berth to see to.
    if (talk.work) throw acp.RequestError.invalidRequest(undefined, 'a message is at work');
    talk.work = new AbortController();
    try {
      const text = prompt.map((part) => part.text ?? '').join('');
      await turn(client, sessionId, talk, text);
      talk.told.push(text);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, sessionId), JSON.stringify({ ...talk, work: undefined }));
      return { stopReason: 'end_turn' };
    } catch (error) {
      if (talk.work.signal.aborted) return { stopReason: 'cancelled' };
      throw error;
    } finally {
      talk.work = undefined;
    }
  })
  .onNotification(session.cancel, ({ params: { sessionId } }) => sessions.get(sessionId)?.work?.abort())
  .connect(acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));

const chunk = (sessionUpdate, text) => ({ sessionUpdate, content: { type: 'text', text } });

function known(values, value) {
  if (!values.includes(value)) throw acp.RequestError.invalidParams(undefined, `${value} is not one of ${values}`);
  return value;
}

function choices({ mode, model }) {
  if (plain) return { modes: { currentModeId: mode, availableModes: MODES.map((id) => ({ id, name: id })) } };
  const select = (id, category, currentValue, values) => ({ id, name: id, category, type: 'select', currentValue, options: values.map((value) => ({ value, name: value })) });
  return { configOptions: [select('effort', 'mode', mode, MODES), select('llm', 'model', model, MODELS)] };
}

async function turn(client, sessionId, talk, text) {
  const { signal } = talk.work;
  const update = (about) => client.notify(acp.methods.client.session.update, { sessionId, update: about });
  const say = (words) => update(chunk('agent_message_chunk', words));
  const [, name, rest] = text.match(/^@(\w+) ?(.*)/) ?? [];
  if (name === 'say') await say(rest);
  else if (name === 'recall') await say(`I was told: ${talk.told.join(' | ')}; I am ${talk.mode} and ${talk.model}.`);
  else if (name === 'machine') await say(`I got ${await machine(client, sessionId)}`);
  else if (name === 'run') await run(client, update, say, { sessionId, talk, command: rest });
  else if (name === 'slow') {
    const [, seconds, words] = rest.match(/^(\S*)\s*(.*)/);
    const parts = words.split(/(?<= )/);
    for (const part of parts) {
      await say(part);
      await sleep(1000 * Number(seconds) / parts.length, undefined, { signal });
    }
  } else await say(`I have read ${text.length} characters.`);
}

async function run(client, update, say, { sessionId, talk, command }) {
  const toolCall = { toolCallId: randomUUID(), title: `Run ${command}`, kind: 'execute', status: 'pending', rawInput: { command } };
  await update({ sessionUpdate: 'tool_call', ...toolCall });
  const options = ['allow_always', 'allow_once', 'reject_once', 'reject_always'].map((kind) => ({ optionId: `id-${kind}`, name: kind.replace('_', ' '), kind }));
  const { outcome } = await client.request(acp.methods.client.session.requestPermission, { sessionId, toolCall, options });
  talk.work.signal.throwIfAborted();
  const allowed = outcome.outcome === 'selected' && outcome.optionId.startsWith('id-allow');
  if (!allowed) {
    await update({ sessionUpdate: 'tool_call_update', toolCallId: toolCall.toolCallId, status: 'failed' });
    await say(`I did not run it: ${outcome.optionId ?? outcome.outcome}.`);
    return;
  }
  await new Promise((ended) => { execFile('sh', ['-c', command], { cwd: talk.cwd }, ended); });
  await update({ sessionUpdate: 'tool_call_update', toolCallId: toolCall.toolCallId, status: 'completed' });
  await say(`I ran it: ${outcome.optionId}.`);
}

// The codes of what it is refused, or what it got although it must not.
async function machine(client, sessionId) {
  const { fs, terminal } = acp.methods.client;
  const asked = [
    [fs.readTextFile, { sessionId, path: '/etc/passwd' }],
    [fs.writeTextFile, { sessionId, path: join(homedir(), 'written'), content: 'x' }],
    [terminal.create, { sessionId, command: 'sh', args: ['-c', 'true'] }],
  ];
  const got = await Promise.all(asked.map(([method, params]) => client.request(method, params).then(JSON.stringify, ({ code }) => code)));
  return got.join(', ');
}
