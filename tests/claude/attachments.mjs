// Messages with text that goes with them, and what the agent makes of them.

const line = (n) => `2026-11-26T08:00:${String(n % 60).padStart(2, '0')} request ${n} "GET /path/${n}" 200`;
const lines = (count) => Array.from({ length: count }, (_, n) => line(n)).join('\n');

export const attachments = [
  attached('one text', 'Why does this fail?', [['app.log', lines(40)]]),
  attached('two texts', 'Compare the two:\nwhat differs?', [['before.txt', lines(30)], ['after.txt', lines(31)]]),
  attached('a short text', 'What is this?', [['note.txt', 'one line']]),
  attached('a long text', 'Summarise it.', [['long.log', lines(500)]]),
  attached('a long message with a text', Array.from({ length: 600 }, (_, n) => `word${n}`).join(' '), [['app.log', lines(20)]]),
];

function attached(kind, text, texts) {
  return {
    kind: `with ${kind}`,
    size: Buffer.byteLength(text),
    text,
    attachments: texts.map(([name, content]) => ({ name, media_type: 'text/plain', text: content })),
    arrives: (arrived) => marked(text, texts, arrived),
  };
}

// Each text has the agent's mark for what was pasted; the id is its own.
function marked(text, texts, arrived) {
  const [, id] = arrived.match(/<pasted_content id="(\w+)">/) ?? [];
  const pasted = texts.map(([name, content]) => `\n\n\n<pasted_content id="${id}">\n${name}:\n\n\n${content}\n</pasted_content id="${id}">\n`);
  return text + pasted.join('');
}
