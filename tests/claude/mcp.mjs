// A server with two tools, over stdio: `add` takes a note, `ask` asks the person for a colour.

import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const schema = (properties) => ({ type: 'object', properties });
const tools = [
  { name: 'add', description: 'Takes a note.', inputSchema: schema({ text: { type: 'string' } }) },
  { name: 'ask', description: 'Asks for a colour.', inputSchema: schema({}) },
];
const done = (id) => send({ id, result: { content: [{ type: 'text', text: 'done' }] } });
let asked;

createInterface(process.stdin).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    const serverInfo = { name: 'notes', version: '1' };
    send({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } });
  } else if (method === 'tools/list') {
    send({ id, result: { tools } });
  } else if (method === 'tools/call' && params.name === 'ask') {
    asked = id;
    const colour = { type: 'string', title: 'Colour', enum: ['red', 'blue'] };
    send({ id: 'asked', method: 'elicitation/create', params: { message: 'Which colour?', requestedSchema: { ...schema({ colour }), required: ['colour'] } } });
  } else if (method === 'tools/call') {
    done(id);
  } else if (id === 'asked') {
    done(asked);
  } else if (id !== undefined) {
    send({ id, error: { code: -32601, message: `no method ${method}` } });
  }
});
