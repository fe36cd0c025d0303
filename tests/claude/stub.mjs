// A Messages API that answers what the newest message tells it to, and keeps every message as it came, for each folder
// in which an agent works.
//
// A message's first line may be a directive; any other message is answered in a few words:
//   @say TEXT            answers TEXT
//   @slow SECONDS TEXT   answers word by word, over so many seconds
//   @stall SECONDS       answers after so many seconds
//   @tool NAME JSON      calls this tool of the agent's; @bash COMMAND is short for Bash
//   @tools JSON          calls several: [[NAME, INPUT], …]
//   @status NUMBER       answers with this HTTP status
//   @limit TIME          answers that the account's usage limit holds until then, in seconds since 1970
//   @spend TOKENS COMMAND  says that the answer has so many tokens, and runs the command
//   @play NAME           what `plays` has of this name
// Of what a build is told only its task counts.
// `$PLAN` stands for the file into which the agent was told to write its plan.

import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export async function startStub() {
  const [plays, logs] = [{}, new Map()];
  // What came from the agent that works in this folder.
  const log = (folder) => logs.get(folder) ?? logs.set(folder, new Log()).get(folder);
  const server = createServer(async (request, response) => {
    const body = await read(request);
    if (request.method !== 'POST' || !request.url.startsWith('/v1/messages?')) {
      response.writeHead(request.method === 'HEAD' ? 200 : 404).end();
      return;
    }
    const asked = JSON.parse(body);
    const text = newest(asked);
    // What the agent asks for itself, such as a title, is not work that anyone waits for.
    const itself = !asked.tools?.length;
    const folder = body.match(/Primary working directory: ([^\s"\\]+)/)?.[1];
    if (!itself) log(folder).add(asked, text, { response, helper: 'x-claude-code-agent-id' in request.headers });
    const [, name] = text?.match(/^@play (\S+)/) ?? [];
    const directive = name ? plays[name] : text?.split('\n\nThe task:\n\n').at(-1) ?? `@say The tool answered: ${outcome(asked).slice(0, 60)}`;
    const plan = body.match(/[^\s"\\]+\/plans\/[\w-]+\.md/)?.[0];
    await answer(response, itself ? '@say {"title": "stub"}' : directive.replaceAll('$PLAN', plan))
      .catch(() => response.destroy());
  });
  await new Promise((listens) => { server.listen(0, '127.0.0.1', listens); });
  return {
    plays,
    log,
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}

class Log {
  // The newest request.
  asked;
  // What people wrote, in order.
  messages = [];
  // When work began and ended, in milliseconds; what is not at its end has none.
  works = [];
  // What tools answered: `{ at, text }`.
  results = [];
  // For each use of a tool whether it ran; what was refused did not.
  tools = new Map();

  // `helper` says that an agent asks which the agent itself started.
  add(asked, text, { response, helper }) {
    const work = { from: Date.now(), to: undefined };
    this.works.push(work);
    response.on('close', () => { work.to = Date.now(); });
    const parts = asked.messages.flatMap(({ content }) => content);
    for (const { type, tool_use_id, is_error } of parts) if (type === 'tool_result') this.tools.set(tool_use_id, !is_error);
    if (helper) return;
    this.asked = asked;
    if (text === undefined) this.results.push({ at: work.from, text: outcome(asked) });
    else this.messages.push(text);
  }
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

// The agent adds messages of its own, of the role `system`, also at the end.
const last = (messages) => messages.findLast(({ role }) => role === 'user');

// The text of the newest message, if a person wrote it. What the agent adds to it stands in parts of its own, and the
// result of a tool that was refused may come before it.
function newest({ messages }) {
  const { content } = last(messages);
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const after = parts.slice(parts.findLastIndex(({ type }) => type === 'tool_result') + 1);
  const added = /^<system-reminder>|^\[Request interrupted by user|^\[Image: source: /;
  return after.filter(({ type, text }) => type === 'text' && !added.test(text)).at(-1)?.text;
}

// The newest tool's result, on one line.
function outcome({ messages }) {
  const results = [last(messages).content].flat().filter((part) => part?.type === 'tool_result');
  const text = [results.at(-1)?.content].flat().map((part) => part?.text ?? part).join(' ');
  return text.replace(/\s+/g, ' ');
}

async function answer(response, text) {
  const [, name, rest] = text.match(/^@(\w+) ?(.*)/) ?? [undefined, 'say', `I have read ${text.length} characters.`];
  const [, first, words] = rest.match(/^(\S*)\s*(.*)/);
  // Nobody waits for what its caller does not wait for any more.
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const wait = (milliseconds) => sleep(milliseconds, undefined, { signal: gone.signal });
  const run = {
    say: () => stream(response, [said(rest)]),
    slow: () => stream(response, [said(words)], { pause: (parts) => wait(1000 * Number(first) / parts) }),
    stall: () => wait(1000 * Number(first)).then(() => stream(response, [said('Here I am again.')])),
    bash: () => stream(response, [said('I will run it.'), called('Bash', { command: rest })]),
    tool: () => stream(response, [said('I will use a tool.'), called(first, JSON.parse(words))]),
    tools: () => stream(response, JSON.parse(rest).map(([tool, input]) => called(tool, input))),
    spend: () => stream(response, [called('Bash', { command: words })], { tokens: Number(first) }),
    status: () => refuse(response, Number(first)),
    limit: () => refuse(response, 429, limited(first)),
  }[name];
  await (run ?? (() => stream(response, [said('I do not know that.')])))();
}

const said = (text) => ({ type: 'text', text });
const called = (name, input) => ({ type: 'tool_use', id: `toolu_${Math.random().toString(36).slice(2)}`, name, input });

// What tells an account of its usage limit; to one with a key only the status counts.
const limited = (until) => Object.fromEntries(Object.entries({
  status: 'rejected', reset: until, 'representative-claim': 'five_hour', '5h-status': 'rejected', '5h-reset': until,
  '5h-utilization': '1.0', fallback: 'unavailable', 'overage-status': 'rejected', 'overage-disabled-reason': 'org_level_disabled',
}).map(([name, value]) => [`anthropic-ratelimit-unified-${name}`, value]));

function refuse(response, status, headers = {}) {
  const type = { 401: 'authentication_error', 429: 'rate_limit_error', 529: 'overloaded_error' }[status] ?? 'api_error';
  const error = { type: 'error', error: { type, message: `the stub answers ${status}` } };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(error));
}

// Streams blocks as the API does; after each of so many parts of a text comes a `pause`, and all of it has `tokens`.
async function stream(response, blocks, { pause, tokens = 20 } = {}) {
  const send = (type, event) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...event })}\n\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const usage = { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const id = `msg_${Math.random().toString(36).slice(2)}`;
  const message = { id, type: 'message', role: 'assistant', model: 'claude-opus-5-5', content: [], usage };
  send('message_start', { message: { ...message, stop_reason: null, stop_sequence: null } });
  for (const [index, block] of blocks.entries()) {
    const tool = block.type === 'tool_use';
    const empty = tool ? { ...block, input: {} } : { type: 'text', text: '' };
    send('content_block_start', { index, content_block: empty });
    const parts = tool ? [JSON.stringify(block.input)] : pause ? block.text.split(/(?<= )/) : [block.text];
    for (const part of parts) {
      const delta = tool ? { type: 'input_json_delta', partial_json: part } : { type: 'text_delta', text: part };
      send('content_block_delta', { index, delta });
      await pause?.(parts.length);
    }
    send('content_block_stop', { index });
  }
  const stop_reason = blocks.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn';
  send('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: tokens } });
  send('message_stop', {});
  response.end();
}
