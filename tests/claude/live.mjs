// Lets a person talk with the real Claude Code without a terminal, and writes what it prints: node live.mjs [NAME…]
// A scene is a list of steps: a line that is given to the agent, or a condition on what it printed that is waited for.
// What differs from run to run, and what nobody reads, is left out.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';

const PATIENCE = 20_000;
const ID = '11111111-2222-4333-8444-555555555555';
const COMMAND = [
  '-p', '--verbose', '--input-format', 'stream-json', '--output-format', 'stream-json', '--permission-prompt-tool', 'stdio',
  '--replay-user-messages',
];
const DROPPED = new Set([
  'uuid', 'usage', 'modelUsage', 'tools', 'mcp_servers', 'slash_commands', 'skills', 'agents', 'plugins', 'commands', 'models',
  'account', 'duration_ms', 'duration_api_ms', 'ttft_ms', 'memory_paths', 'output_style', 'available_output_styles', 'pid',
  'fast_mode_state', 'claude_code_version', 'apiKeySource', 'analytics_disabled', 'signature', 'stop_details', 'container',
]);

const message = (number, text) => ({
  type: 'user', uuid: `00000000-0000-4000-8000-00000000000${number}`, parent_tool_use_id: null,
  message: { role: 'user', content: text },
});
const control = (id, request) => ({ type: 'control_request', request_id: id, request });
const answer = (request, response) => ({ type: 'control_response', response: { subtype: 'success', request_id: request.request_id, response } });
const allow = (asked) => answer(asked, { behavior: 'allow', updatedInput: asked.request.input });
const deny = (asked, words) => answer(asked, { behavior: 'deny', message: words });

// What a step waits for.
const results = (count) => (seen) => seen.filter((line) => line.type === 'result').length >= count;
const asks = (seen) => seen.filter((line) => line.type === 'control_request');
const asked = (count) => (seen) => asks(seen).length >= count;
const said = (type, state) => (seen) => seen.some((line) => (line.subtype ?? line.type) === type && (!state || line.state === state));
const responded = (id) => (seen) => seen.some((line) => line.type === 'control_response' && line.response.request_id === id);

const question = (name, multiSelect) => ({
  question: `Which ${name}?`, header: name, multiSelect,
  options: [{ label: 'Red', description: 'Warm' }, { label: 'Blue', description: 'Cold' }],
});
const ask = (...questions) => `@tool AskUserQuestion ${JSON.stringify({ questions })}`;
const scenes = {
  'message': [control('a', { subtype: 'initialize' }), responded('a'), message(1, '@say hello there'), results(1)],
  'two-messages': [message(1, '@slow 2 one two three'), said('assistant'), message(2, '@say second'), results(2)],
  'allowed': [message(1, '@bash touch made'), asked(1), (seen) => [allow(asks(seen)[0])], results(1)],
  'denied': [message(1, '@bash touch made'), asked(1), (seen) => [deny(asks(seen)[0], 'not that file')], results(1)],
  'write': [message(1, '@tool Write {"file_path": "$PROJECT/a.txt", "content": "one\\ntwo\\n"}'), asked(1), (seen) => [allow(asks(seen)[0])], results(1)],
  'question': [message(1, ask(question('colour', false))), asked(1),
    (seen) => [answer(asks(seen)[0], { behavior: 'allow', updatedInput: { ...asks(seen)[0].request.input, answers: { 'Which colour?': 'Blue' } } })], results(1)],
  'questions': [message(1, ask(question('colour', false), question('shades', true))), asked(1),
    (seen) => [answer(asks(seen)[0], { behavior: 'allow', updatedInput: { ...asks(seen)[0].request.input, answers: { 'Which colour?': 'Blue', 'Which shades?': 'Red, Blue' } } })], results(1)],
  'plan': [message(1, '@tool ExitPlanMode {"plan": "1. Do it"}'), asked(1), (seen) => [allow(asks(seen)[0])], results(1), { terms: { args: ['--permission-mode=plan'] } }],
  'two-at-once': [message(1, `@tools ${JSON.stringify([['Bash', { command: 'touch a' }], ['Bash', { command: 'touch b' }]])}`), asked(1),
    control('again', { subtype: 'initialize' }), responded('again'), (seen) => [allow(asks(seen)[0])], asked(2), (seen) => [deny(asks(seen)[1], 'no')], results(1)],
  'interrupted': [message(1, '@slow 9 one two three'), said('command_lifecycle', 'started'), message(2, '@say second'), said('command_lifecycle', 'queued'),
    control('stop', { subtype: 'interrupt' }), responded('stop'), results(2)],
  'interrupted-all': [message(1, '@slow 9 one two three'), said('command_lifecycle', 'started'), message(2, '@say second'), said('command_lifecycle', 'queued'),
    control('stop', { subtype: 'interrupt', cancel_queued: true }), responded('stop'), results(1)],
  'interrupted-prompt': [message(1, '@bash touch made'), asked(1), control('stop', { subtype: 'interrupt' }), responded('stop'), results(1)],
  'cancelled-message': [message(1, '@slow 3 one two three'), said('command_lifecycle', 'started'), message(2, '@say second'), said('command_lifecycle', 'queued'),
    control('back', { subtype: 'cancel_async_message', message_uuid: message(2).uuid }), responded('back'), results(1)],
  'options': [control('a', { subtype: 'initialize' }), responded('a'), control('model', { subtype: 'set_model', model: 'opus' }), responded('model'),
    control('mode', { subtype: 'set_permission_mode', mode: 'acceptEdits' }), responded('mode'), control('bad', { subtype: 'set_permission_mode', mode: 'nope' }), responded('bad'),
    control('worse', { subtype: 'no_such_thing' }), responded('worse'), message(1, '@say x'), results(1)],
  'image': [{ ...message(1), message: { role: 'user', content: [
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==' } },
    { type: 'text', text: '@say seen' }] } }, results(1)],
  'same-message-twice': [message(1, '@say once'), results(1), message(1, '@say once'), control('a', { subtype: 'initialize' }), responded('a'), message(2, '@say two'), results(2)],
  'api-500': [message(1, '@status 500'), results(1)],
  'usage-limit': [message(1, '@limit 4102444800'), results(1), message(2, '@say it works again'), results(2), { terms: { account: true } }],
};

const folder = fileURLToPath(new URL('../../plugins/agents/tests/live/', import.meta.url));
await mkdir(folder, { recursive: true });
const wanted = process.argv.slice(2);
for (const [name, steps] of Object.entries(scenes)) if (wanted.length === 0 || wanted.includes(name)) await capture(name, steps);

async function capture(name, steps) {
  const stub = await startStub();
  const { args: more = [], account } = steps.find((step) => step.terms)?.terms ?? {};
  const place = await makeHome({ url: stub.url, account });
  const child = spawn('claude', [...COMMAND, '--session-id', ID, ...more], {
    env: { ...place.env, CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: '1' }, cwd: place.project,
  });
  const [seen, all] = [[], []];
  const clean = (text) => text.replaceAll(place.root, '/home/dev').replaceAll(stub.url.slice(7), '127.0.0.1:8080');
  let rest = '';
  child.stdout.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      seen.push(JSON.parse(line));
      all.push(`< ${clean(JSON.stringify(kept(seen.at(-1))))}\n`);
    }
  });
  child.stderr.on('data', (data) => all.push(`! ${clean(String(data)).trimEnd()}\n`));
  const give = (line) => {
    const text = JSON.stringify(line).replaceAll('$PROJECT', place.project);
    child.stdin.write(`${text}\n`);
    all.push(`> ${clean(text)}\n`);
  };
  let failed;
  for (const step of steps.filter((step) => !step.terms)) {
    if (typeof step !== 'function') { give(step); continue; }
    failed = await until(() => {
      const now = step(seen);
      if (Array.isArray(now)) now.forEach(give);
      return now;
    });
    if (failed) break;
  }
  child.stdin.end();
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  const [status] = await once(child, 'close');
  clearTimeout(late);
  await writeFile(join(folder, `${name}.txt`), all.join(''));
  console.log(`${name}: status ${status}, ${seen.length} lines${failed ? ', A STEP WAITED IN VAIN' : ''}`);
  stub.close();
  await place.remove();
}

async function until(is) {
  const end = Date.now() + PATIENCE;
  while (!is()) {
    if (Date.now() > end) return true;
    await new Promise((done) => { setTimeout(done, 20); });
  }
  return false;
}

function kept(value) {
  if (Array.isArray(value)) return value.map(kept);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([key, inner]) => !DROPPED.has(key) || (key === 'uuid' && String(inner).startsWith('00000000'))).map(([key, inner]) => [key, kept(inner)]));
}
