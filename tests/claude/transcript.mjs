// What berth tells from the agent's own file: each message, and of a message of which no screen shows the beginning that
// it arrived.

const LINES = 400;
const TURNS = 500;
const BEFORE_ALL = '2026-01-01T00:00:00Z';
const LONG = Array.from({ length: LINES }, (_, n) => `line ${n} of a long message`).join('\n');

// A message that is higher than every screen.
export const long = { kind: `${LINES} lines`, size: Buffer.byteLength(LONG), text: LONG, arrives: () => LONG };

// A message whose answer is known.
export const closing = { kind: 'a last word', size: 0, text: 'What was said?', arrives: () => 'What was said?' };

// What the transcript of a session does not tell of the messages that it was sent, and the session of the last of them,
// `closing`.
export async function untold(berth, id, messages) {
  const { text, note } = await wholeTranscript(berth, id);
  if (note) return [note];
  const missing = messages.filter(({ arrives }) => !text.includes(arrives('').trim())).map(({ kind }) => `it has no ${kind}`);
  const { structured } = await berth.call('get_session_status', { session_id: id });
  const { task, last_output: answer, facts } = structured.session;
  if (!/^[0-9a-f-]{36}$/.test(facts.conversation)) missing.push(`the conversation is ${facts.conversation}`);
  if (task !== closing.text) missing.push(`the task is ${task}`);
  if (!answer?.startsWith('I have read')) missing.push(`the last output is ${answer}`);
  return missing;
}

// It is longer than one answer.
async function wholeTranscript(berth, id) {
  const texts = [];
  let from = { since: BEFORE_ALL };
  for (;;) {
    const { structured: logs } = await berth.call('get_logs', { session_id: id, view: 'transcript', lines: TURNS, mobile_format: false, ...from });
    texts.push(logs.text);
    if (logs.note || logs.gap || !logs.more) return { text: texts.join('\n'), note: logs.note ?? (logs.gap ? 'there is a gap' : undefined) };
    from = { after: logs.next };
  }
}
