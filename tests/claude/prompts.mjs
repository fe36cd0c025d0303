// What the agent asks: `play` is what the stub makes it do, `steps` are a question and its answer, `outcome` is what the
// tool then tells the stub; none if the turn ends without a result. `runs` says that the answer lets the tool run.

const tool = (name, input) => `@tool ${name} ${JSON.stringify(input)}`;
const ask = (question) => tool('AskUserQuestion', { questions: [{ header: 'Choice', multiSelect: false, ...question }] });
const option = (label, more) => ({ label, description: `about ${label}`, ...more });
const plain = [option('Postgres'), option('SQLite')];

export const prompts = [
  { name: 'a command, yes', kind: 'permission', play: '@bash touch yes-$NUMBER.txt', steps: [[/proceed/, { response: 'yes' }]], outcome: /completed/, runs: true },
  { name: 'a command, no', kind: 'permission', play: '@bash touch no-$NUMBER.txt', steps: [[/proceed/, { response: 'no' }]] },
  { name: 'a command, no with words', kind: 'permission', play: '@bash touch no-$NUMBER.txt', steps: [[/proceed/, { response: 'no, use pnpm' }]], outcome: /use pnpm/ },
  { name: 'a file, yes', kind: 'permission', play: tool('Write', { file_path: '$PROJECT/new-$NUMBER.txt', content: 'one\n' }), steps: [[/create new-/, { response: 'yes' }]], outcome: /created/, runs: true },
  { name: 'a file, dismissed', kind: 'permission', play: tool('Write', { file_path: '$PROJECT/not-$NUMBER.txt', content: 'one\n' }), steps: [[/create not-/, { response: 'dismiss' }]] },
  { name: 'a page, no', kind: 'permission', play: tool('WebFetch', { url: 'https://example.org/$NUMBER', prompt: 'what' }), steps: [[/fetch/, { response: 'no' }]] },
  { name: 'a question', kind: 'question', play: ask({ question: 'Which database?', options: plain }), steps: [[/Which database/, { response: 'SQLite' }]], outcome: /"Which database\?"="SQLite"/, runs: true },
  { name: 'a question, own words', kind: 'question', play: ask({ question: 'Which database?', options: plain }), steps: [[/Which database/, { response: 'MariaDB' }]], outcome: /"Which database\?"="MariaDB"/, runs: true },
  { name: 'a question, several and own words', kind: 'question', play: ask({ question: 'Which ones?', options: [option('Auth'), option('Search')], multiSelect: true }), steps: [[/Which ones/, { choices: ['1'], text: 'mine' }]], outcome: /"Which ones\?"="Auth, mine"/, runs: true },
  { name: 'a question, several', kind: 'question', play: ask({ question: 'Which ones?', options: [option('Auth'), option('Search')], multiSelect: true }), steps: [[/Which ones/, { response: '1, 2' }]], outcome: /"Which ones\?"="Auth, Search"/, runs: true },
  { name: 'a question with pictures', kind: 'question', play: ask({ question: 'Which layout?', options: [option('Left', { preview: '+-+\n| |' }), option('Top', { preview: '+-+\n|-|' })] }), steps: [[/Which layout/, { response: 'Top' }]], outcome: /"Which layout\?"="Top"/, runs: true },
  { name: 'a question that looks like others', kind: 'question', play: ask({ question: 'Do you want to proceed?', options: [option('Yes, and always allow'), option('No')] }), steps: [[/want to proceed/, { response: 'No' }]], outcome: /"Do you want to proceed\?"="No"/, runs: true },
  { name: 'two questions', kind: 'question', play: tool('AskUserQuestion', { questions: [{ header: 'First', multiSelect: false, question: 'Which one?', options: plain }, { header: 'Second', multiSelect: false, question: 'Which other?', options: plain }] }), steps: [[/Which one/, { response: 'SQLite' }], [/Which other/, { response: 'Postgres' }], [/Review your answers/, { response: '1' }]], outcome: /"Which one\?"="SQLite".*"Which other\?"="Postgres"/, runs: true },
  { name: 'a file outside, no', kind: 'permission', play: tool('Read', { file_path: '/etc/hostname' }), steps: [[/proceed|read/i, { response: 'no' }]] },
  { name: 'a panel, closed', kind: 'other', message: '/status', steps: [[/Settings|Session name/, { response: 'dismiss' }]] },
];
