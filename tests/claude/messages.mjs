// What is sent: [kind, text, what must arrive if that is something else].

const words = (count) => Array.from({ length: count }, (_, n) => `word${n}`).join(' ');

export const messages = [
  ['a word', 'hello'],
  ['a sentence', 'Please look at the tests, and tell me which of them fail.'],
  ['two lines', 'first line\nsecond line'],
  ['three lines', 'first line\n\nthird line'],
  ['umlauts', 'Grüße aus Köln, señor, à bientôt'],
  ['Japanese', '日本語のメッセージです'],
  ['Arabic', 'مرحبا بالعالم'],
  ['emoji', 'done 🎉 and 🚀'],
  ['shell signs', 'echo "$HOME" `id` $(id) && rm -rf ./x; ls | wc'],
  ['markdown', '**bold** _thin_ `code` # not a heading'],
  ['JSON', '{"a": [1, 2, {"b": null}], "c": "d\\n"}'],
  ['a path', '/etc/hostname is a file'],
  ['a semicolon at the end', 'first; second;'],
  ['a name of a key', 'Enter'],
  ['a number', '1'],
  ['a menu', '❯ 1. Yes, and 2. No'],
  ['words of a footer', 'press esc to interrupt, then Esc to cancel'],
  ['slow work', '@slow 2 I take my time with this answer'],
  ['a pause', '@stall 2'],
  ['600 characters', words(80).slice(0, 600).trim()],
];
