// What is sent: 40 kinds, each as it is and repeated up to four sizes.

const KINDS = [
  ['a word', 'hello'],
  ['a sentence', 'Please look at the tests, and tell me which of them fail.'],
  ['two lines', 'first line\nsecond line'],
  ['lines with empty ones', 'first line\n\n\nthird line'],
  ['many words', Array.from({ length: 30 }, (_, n) => `word${n}`).join(' ')],
  ['umlauts', 'Grüße aus Köln, señor, à bientôt'],
  ['Japanese', '日本語のメッセージです'],
  ['Korean', '안녕하세요 여러분'],
  ['Hindi', 'नमस्ते दुनिया'],
  ['Arabic', 'مرحبا بالعالم'],
  ['emoji', 'done 🎉 and 🚀'],
  ['emoji of several', 'a family 👩‍👧 and a hand 👍🏽 and a flag 🇩🇪'],
  ['marks that are composed', 'cafe\u0301 and u\u0308ber', { arrives: (text) => text.normalize('NFC') }],
  ['quotes', '“so” and ‘so’, "so" and \'so\' – an em dash — and …'],
  ['signs of a shell', 'echo "$HOME" `id` $(id) && rm -rf ./x; ls | wc'],
  ['a semicolon at the end', 'first; second;'],
  ['a backslash at the end', 'the folder C:\\work\\'],
  ['markdown', '**bold** _thin_ `code` # not a heading'],
  ['a heading', '# Plan'],
  ['a list', '- one\n- two\n1. three'],
  ['a table', '| a | b |\n|---|---|\n| 1 | 2 |'],
  ['code', 'def f(x):\n    if x:\n        return "y"'],
  ['a fence', '```sh\nmake test\n```'],
  ['a diff', '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new'],
  ['JSON', '{"a": [1, 2, {"b": null}], "c": "d\\n"}'],
  ['XML', '<tool name="x"><arg>1 &lt; 2</arg></tool>'],
  ['a path', '/etc/hostname is a file'],
  ['an address', 'https://example.org/a?b=c&d=%20#e'],
  ['a file that is named', '@README.md is where it stands'],
  ['a log', '12:00:01 ERROR [main] x=1\n12:00:02 INFO  [main] done'],
  ['blanks', 'a    b  c   d'],
  ['tabs', 'a\tb\t\tc', { arrives: (text) => text.replaceAll('\t', '    ') }],
  ['line ends of Windows', 'one\r\ntwo', { arrives: (text) => text.replaceAll('\r', '') }],
  ['control characters', 'a\u0007b \u001b[201~ c \u001b[0m d', { arrives: (text) => text.replace(/[\u0007\u001b]/g, '') }],
  ['formats of tmux', '#{pane_id} #(id) #S %0 ; kill-server'],
  ['names of keys', 'Enter Escape C-c'],
  ['a menu', '❯ 1. Yes, and 2. No'],
  ['words of a footer', 'press esc to interrupt, then Esc to cancel'],
  ['slow work', '@slow 1 I take my time', { between: '\n' }],
  ['a pause', '@stall 1', { between: '\n' }],
];
// In bytes; 0 is once.
const SIZES = [0, 300, 1_000, 10_000, 30_000];

// Each kind in each size.
export const all = KINDS.flatMap((kind) => SIZES.map((size) => message(kind, size)));
// Every other kind, each in one size.
export const some = KINDS.filter((_, number) => number % 2 === 1).map((kind, number) => message(kind, SIZES[(number + 1) % SIZES.length]));

// The parts are numbered, so that none can be lost or take another's place unseen.
function message([kind, part, { between = part.includes('\n') ? '\n' : ' ', arrives = (text) => text } = {}], size) {
  let text = part;
  for (let number = 2; ; number += 1) {
    const more = `${text}${between}${number} ${part}`;
    if (Buffer.byteLength(more) > size) return { kind, size: Buffer.byteLength(text), text, arrives: () => arrives(text) };
    text = more;
  }
}
