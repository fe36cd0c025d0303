// A model for each agent: the APIs of OpenAI (completions for opencode, responses for Codex) and of Gemini. It does what the
// newest message says, and keeps every message as it came, for each agent.
//
// A message's first line may be a directive; any other message is answered in a few words:
//   @say TEXT            answers TEXT
//   @slow SECONDS TEXT   answers word by word, over so many seconds
//   @run COMMAND         calls the agent's tool that runs commands
// Where a tool has answered, it says what that was.

import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const apis = { completions: completions(), responses: responses(), gemini: gemini() };

export async function startModels() {
  const logs = Object.fromEntries(Object.keys(apis).map((api) => [api, { told: [], body: '', model: undefined }]));
  const server = createServer(async (request, response) => {
    const name = Object.keys(apis).find((api) => apis[api].path.test(request.url));
    const body = await read(request);
    if (!name || request.method !== 'POST') {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error": {"message": "there is nothing here"}}');
      return;
    }
    const api = apis[name];
    const asked = JSON.parse(body);
    // What an agent asks for itself, such as a title, has no tools.
    const itself = !api.tools(asked);
    const { text, outcome } = api.newest(asked);
    if (!itself) Object.assign(logs[name], { body, model: api.model(asked, request) });
    if (!itself && outcome === undefined) logs[name].told.push(text);
    const directive = itself ? '@say {"title": "stub"}' : outcome === undefined ? text : `@say The tool answered: ${outcome.replace(/\s+/g, ' ').slice(0, 200)}`;
    await answer(api, asked, request, response, directive.trim()).catch(() => response.destroy());
  });
  await new Promise((listens) => { server.listen(0, '127.0.0.1', listens); });
  return {
    // Of each API what people wrote, in order, and the newest request: as it came, and its model.
    logs,
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function answer(api, asked, request, response, text) {
  const [, name, rest] = text.match(/^@(\w+) ?(.*)/) ?? [undefined, 'say', `I have read ${text.length} characters.`];
  const [, seconds, words] = rest.match(/^(\S*)\s*(.*)/);
  // Nobody waits for what its caller does not wait for any more.
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const stream = api.begin(asked, request, response);
  if (name === 'slow') {
    const parts = words.split(/(?<= )/);
    for (const part of parts) {
      stream.say(part);
      await sleep(1000 * Number(seconds) / parts.length, undefined, { signal: gone.signal });
    }
  } else if (name === 'run') {
    stream.run(rest);
  } else {
    stream.say(name === 'say' ? rest : 'I do not know that.');
  }
  stream.end();
}

const events = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  return (data, type) => response.write(`${type ? `event: ${type}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
};
const unique = (kind) => `${kind}_${Math.random().toString(36).slice(2)}`;
const textOf = (content) => [content].flat().map((part) => part?.text ?? part ?? '').join('');

// Chat completions, as makers of other models have them too.
function completions() {
  return {
    path: /\/chat\/completions/,
    tools: ({ tools }) => tools?.length,
    model: ({ model }) => model,
    newest({ messages }) {
      const { role, content } = messages.at(-1);
      return role === 'tool' ? { outcome: textOf(content) } : { text: textOf(content) };
    },
    begin({ model, tools }, _request, response) {
      const send = events(response);
      const chunk = (delta, finish_reason = null) => send({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason }] });
      let ends = 'stop';
      chunk({ role: 'assistant', content: '' });
      return {
        say: (content) => chunk({ content }),
        run(command) {
          ends = 'tool_calls';
          const { name } = tools.map((tool) => tool.function).find((tool) => tool.parameters.properties?.command);
          const call = { name, arguments: JSON.stringify({ command, description: 'what was asked for' }) };
          chunk({ tool_calls: [{ index: 0, id: unique('call'), type: 'function', function: call }] });
        },
        end() {
          chunk({}, ends);
          send('[DONE]');
          response.end();
        },
      };
    },
  };
}

// Responses, as Codex reads them.
function responses() {
  return {
    path: /\/responses/,
    tools: ({ tools }) => tools?.length,
    model: ({ model }) => model,
    newest({ input }) {
      const last = input.at(-1);
      return last.type.endsWith('_output') ? { outcome: textOf(last.output) } : { text: textOf(last.content?.at(-1)) };
    },
    begin({ model }, _request, response) {
      const send = events(response);
      const event = (type, more) => send({ type, ...more }, type);
      const output = [];
      let message;
      const about = (status) => ({ response: { id: 'resp_1', object: 'response', status, model, output, usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15, input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } } } });
      event('response.created', about('in_progress'));
      return {
        say(text) {
          if (!message) {
            message = { type: 'message', id: unique('msg'), role: 'assistant', status: 'in_progress', content: [] };
            event('response.output_item.added', { output_index: 0, item: message });
          }
          message.content[0] = { type: 'output_text', text: (message.content[0]?.text ?? '') + text, annotations: [] };
          event('response.output_text.delta', { item_id: message.id, output_index: 0, content_index: 0, delta: text });
        },
        run(command) {
          const item = { type: 'function_call', id: unique('fc'), call_id: unique('call'), ...commandCall(command), status: 'completed' };
          output.push(item);
          event('response.output_item.done', { output_index: 0, item });
        },
        end() {
          if (message) {
            message.status = 'completed';
            output.push(message);
            event('response.output_item.done', { output_index: 0, item: message });
          }
          event('response.completed', about('completed'));
          response.end();
        },
      };
    },
  };
}

// The command is for outside of the sandbox, as of a model that was refused within it.
function commandCall(command) {
  const input = { cmd: command, sandbox_permissions: 'require_escalated', justification: 'what was asked for' };
  return { name: 'exec_command', arguments: JSON.stringify(input) };
}

function gemini() {
  return {
    path: /enerateContent/,
    tools: ({ tools }) => tools?.length,
    model: (_asked, { url }) => url.match(/models\/([^:]+):/)?.[1],
    newest({ contents }) {
      const parts = contents.at(-1).parts;
      const result = parts.find((part) => part.functionResponse);
      return result ? { outcome: JSON.stringify(result.functionResponse.response) } : { text: parts.filter(({ text }) => text).at(-1)?.text ?? '' };
    },
    begin({ tools }, request, response) {
      const streams = request.url.includes('streamGenerateContent');
      const send = streams ? events(response) : undefined;
      const all = [];
      const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
      const part = (one) => {
        all.push(one);
        send?.({ candidates: [{ content: { role: 'model', parts: [one] }, index: 0 }] });
      };
      return {
        say: (text) => part({ text }),
        run(command) {
          const declared = (tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []);
          const { name } = declared.find((tool) => (tool.parametersJsonSchema ?? tool.parameters)?.properties?.command);
          part({ functionCall: { name, args: { command, description: 'what was asked for' } } });
        },
        end() {
          if (streams) {
            send({ candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 }], usageMetadata });
            response.end();
          } else {
            response.writeHead(200, { 'content-type': 'application/json' });
            response.end(JSON.stringify({ candidates: [{ content: { role: 'model', parts: all }, finishReason: 'STOP', index: 0 }], usageMetadata }));
          }
        },
      };
    },
  };
}
