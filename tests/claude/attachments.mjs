// Text that goes with a message: what is attached, as [name, text].

const line = (n) => `2026-11-26T08:00:${String(n % 60).padStart(2, '0')} request ${n} "GET /path/${n}" 200`;
const lines = (count) => Array.from({ length: count }, (_, n) => line(n)).join('\n');

export const attachments = [
  ['one text', 'Why does this fail?', [['app.log', lines(40)]]],
  ['two texts', 'Compare the two:\nwhat differs?', [['before.txt', lines(30)], ['after.txt', lines(31)]]],
  ['a short text', 'What is this?', [['note.txt', 'one line']]],
  ['a long text', 'Summarise it.', [['long.log', lines(500)]]],
  ['a long message with a text', Array.from({ length: 600 }, (_, n) => `word${n}`).join(' '), [['app.log', lines(20)]]],
];
