// What berth tells from the agent's own file: each message, and of a message of which no screen shows the beginning that
// it arrived.

const LINES = 400;
const TURNS = 500;
const LONG = Array.from({ length: LINES }, (_, n) => `line ${n} of a long message`).join('\n');

// A message that is higher than every screen.
export const long = { kind: `${LINES} lines`, size: Buffer.byteLength(LONG), text: LONG, arrives: () => LONG };

// A message whose answer is known.
export const closing = { kind: 'a last word', size: 0, text: 'What was said?', arrives: () => 'What was said?' };

// What the transcript of a session does not tell of the messages that it was sent, and the session of the last of them,
// `closing`.
export async function untold(berth, id, messages) {
  const { structured: logs } = await berth.call('get_logs', { session_id: id, view: 'transcript', lines: TURNS, mobile_format: false });
  if (logs.note) return [logs.note];
  const missing = messages.filter(({ arrives }) => !logs.text.includes(arrives('').trim())).map(({ kind }) => `it has no ${kind}`);
  const { structured } = await berth.call('get_session_status', { session_id: id });
  const { task, last_output: answer, facts } = structured.session;
  if (!/^[0-9a-f-]{36}$/.test(facts.conversation)) missing.push(`the conversation is ${facts.conversation}`);
  if (task !== closing.text) missing.push(`the task is ${task}`);
  if (!answer?.startsWith('I have read')) missing.push(`the last output is ${answer}`);
  return missing;
}
