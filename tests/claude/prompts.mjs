// What the agent asks: `play` is what the stub makes it do, `steps` are a question and its answer, `outcome` is what the
// tool then tells the stub; none if the turn ends without a result.

const tool = (name, input) => `@tool ${name} ${JSON.stringify(input)}`;
const ask = (question) => tool('AskUserQuestion', { questions: [{ header: 'Choice', multiSelect: false, ...question }] });
const option = (label, more) => ({ label, description: `about ${label}`, ...more });
const plain = [option('Postgres'), option('SQLite')];

export const prompts = [
  { name: 'a command, yes', kind: 'permission', play: '@bash touch yes-$NUMBER.txt', steps: [[/proceed/, { response: 'yes' }]], outcome: /completed/ },
  { name: 'a command, no', kind: 'permission', play: '@bash touch no-$NUMBER.txt', steps: [[/proceed/, { response: 'no' }]] },
  { name: 'a command, no with words', kind: 'permission', play: '@bash touch no-$NUMBER.txt', steps: [[/proceed/, { response: 'no, use pnpm' }]], outcome: /use pnpm/ },
  { name: 'a file, yes', kind: 'permission', play: tool('Write', { file_path: '$PROJECT/new-$NUMBER.txt', content: 'one\n' }), steps: [[/create new-/, { response: 'yes' }]], outcome: /created/ },
  { name: 'a file, dismissed', kind: 'permission', play: tool('Write', { file_path: '$PROJECT/not-$NUMBER.txt', content: 'one\n' }), steps: [[/create not-/, { response: 'dismiss' }]] },
  { name: 'a page, no', kind: 'permission', play: tool('WebFetch', { url: 'https://example.org/$NUMBER', prompt: 'what' }), steps: [[/fetch/, { response: 'no' }]] },
  { name: 'a question', kind: 'question', play: ask({ question: 'Which database?', options: plain }), steps: [[/Which database/, { response: 'SQLite' }]], outcome: /"Which database\?"="SQLite"/ },
  { name: 'a question, own words', kind: 'question', play: ask({ question: 'Which database?', options: plain }), steps: [[/Which database/, { response: 'MariaDB' }]], outcome: /"Which database\?"="MariaDB"/ },
  { name: 'a question, several and own words', kind: 'question', play: ask({ question: 'Which ones?', options: [option('Auth'), option('Search')], multiSelect: true }), steps: [[/Which ones/, { choices: ['1'], text: 'mine' }]], outcome: /"Which ones\?"="Auth, mine"/ },
  { name: 'a question, several', kind: 'question', play: ask({ question: 'Which ones?', options: [option('Auth'), option('Search')], multiSelect: true }), steps: [[/Which ones/, { response: '1, 2' }]], outcome: /"Which ones\?"="Auth, Search"/ },
  { name: 'a question with pictures', kind: 'question', play: ask({ question: 'Which layout?', options: [option('Left', { preview: '+-+\n| |' }), option('Top', { preview: '+-+\n|-|' })] }), steps: [[/Which layout/, { response: 'Top' }]], outcome: /"Which layout\?"="Top"/ },
  { name: 'a panel, closed', kind: 'other', message: '/status', steps: [[/Settings/, { response: 'dismiss' }]] },
];
