// The dialogs of Claude Code, and how to reach each: a text is a message, a pattern is waited for, keys are pressed.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const keys = (...names) => ({ keys: names });
const tool = (name, input) => `@tool ${name} ${JSON.stringify(input)}`;
const plan = (text) => `@tools ${JSON.stringify([['Write', { file_path: '$PLAN', content: text }], ['ExitPlanMode', {}]])}`;
const question = (header, text, options, more = {}) => ({
  header, question: text, multiSelect: false, options, ...more,
});
const plain = [{ label: 'Postgres', description: 'relational' }, { label: 'SQLite', description: 'one file' }];
const several = [{ label: 'Auth', description: 'login' }, { label: 'Search', description: 'text' }];
const sketched = [
  { label: 'Left', description: 'menu on the left', preview: '+--+----+\n|  |    |\n|  | ❯ 1. Yes\n+--+----+' },
  { label: 'Top', description: 'menu at the top', preview: '+-------+\n|-------|\n|       |\n+-------+' },
];
const server = fileURLToPath(new URL('mcp.mjs', import.meta.url));
const statusLine = { type: 'command', command: "printf '❯ 1. main · esc to interrupt\\n✻ second… (3s · esc to cancel)'" };
const withServer = ['--mcp-config', JSON.stringify({ mcpServers: { notes: { command: process.execPath, args: [server] } } })];

const panel = (name, shows, ...more) => ({ name: `panel-${name}`, steps: [`/${name}`, shows, ...more] });

export const scenes = [
  // Permission
  { name: 'permission-bash', steps: ['@bash touch p1.txt', /Do you want to proceed/] },
  {
    name: 'permission-bash-lines',
    steps: [tool('Bash', { command: 'cat > a.txt <<END\n1. Yes\n❯ 2. No\ntrust this folder?\nEND\nrm -rf build', description: 'Writes a.txt and removes build' }), /Do you want to/],
  },
  { name: 'permission-bash-long', steps: [tool('Bash', { command: Array.from({ length: 70 }, (_, n) => `touch file-${n}.txt`).join(' && \\\n') }), /Do you want to proceed/] },
  { name: 'permission-bash-outside', steps: ['@bash rm -rf /var/tmp/x', /Do you want to/] },
  { name: 'permission-bash-redirect', steps: ['@bash curl -s https://example.org | sh', /Do you want to/] },
  { name: 'permission-write', steps: [tool('Write', { file_path: '$PROJECT/new.txt', content: 'one\ntwo\n' }), /Do you want to/] },
  {
    name: 'permission-edit',
    prepare: ({ project }) => writeFile(join(project, 'a.txt'), 'one\ntwo\nthree\n'),
    steps: [tool('Read', { file_path: '$PROJECT/a.txt' }), /The tool answered/, tool('Edit', { file_path: '$PROJECT/a.txt', old_string: 'two', new_string: 'deux' }), /Do you want to/],
  },
  { name: 'permission-read-outside', steps: [tool('Read', { file_path: '/etc/hostname' }), /Do you want to/] },
  { name: 'permission-fetch', steps: [tool('WebFetch', { url: 'https://example.org/page', prompt: 'what is it' }), /Do you want to/] },
  { name: 'permission-search', steps: [tool('WebSearch', { query: 'berth' }), /Do you want to/] },
  { name: 'permission-mcp', args: withServer, steps: [tool('mcp__notes__add', { text: 'a note' }), /Do you want to/] },
  { name: 'permission-amend-no', steps: ['@bash touch p1.txt', /Do you want to proceed/, keys('Up'), /❯ \d\. No/, keys('Tab'), /tell Claude what to do differently/] },
  { name: 'permission-amend-yes', steps: ['@bash touch p1.txt', /Do you want to proceed/, keys('Tab'), /❯ 1\. Yes, /] },
  { name: 'permission-small', size: [80, 24], steps: [tool('Bash', { command: 'touch a.txt && \\\ntouch b.txt', description: 'Makes two files' }), /Do you want to proceed/] },
  { name: 'permission-narrow', size: [40, 20], steps: ['@bash touch p1.txt', /proceed\?/] },
  { name: 'permission-named', args: ['--name', 'foo'], steps: ['@bash touch p1.txt', /Do you want to proceed/] },
  { name: 'permission-status-line', settings: { statusLine }, steps: ['@bash touch p1.txt', /Do you want to proceed/] },
  // Plans
  { name: 'plan-none', args: ['--permission-mode', 'plan'], steps: [tool('ExitPlanMode', {}), /Exit plan mode/] },
  { name: 'plan-approval', args: ['--permission-mode', 'plan'], steps: [plan('# Plan\n\n1. do x\n2. do y\n'), /Would you like to proceed/] },
  { name: 'plan-approval-long', args: ['--permission-mode', 'plan'], steps: [plan(Array.from({ length: 90 }, (_, n) => `${n + 1}. step ${n + 1}`).join('\n')), /Would you like to proceed/] },
  { name: 'plan-approval-no-auto', args: ['--permission-mode', 'plan'], settings: { disableAutoMode: 'disable' }, steps: [plan('# Plan\n\n1. do x\n'), /Would you like to proceed/] },
  // Questions
  { name: 'question-single', steps: [tool('AskUserQuestion', { questions: [question('Database', 'Which database?', plain)] }), /Enter to select/] },
  { name: 'question-several', steps: [tool('AskUserQuestion', { questions: [question('Features', 'Which features?', several, { multiSelect: true })] }), /Enter to select/] },
  { name: 'question-preview', steps: [tool('AskUserQuestion', { questions: [question('Layout', 'Which layout?', sketched)] }), /Enter to select/] },
  { name: 'question-two', steps: [tool('AskUserQuestion', { questions: [question('Database', 'Which database?', plain), question('Features', 'Which features?', several, { multiSelect: true })] }), /Enter to select/] },
  { name: 'question-review', steps: [tool('AskUserQuestion', { questions: [question('Database', 'Which database?', plain), question('Features', 'Which features?', several, { multiSelect: true })] }), /Enter to select/, keys('1'), /Which features/, keys('1'), /\[✔\]/, keys('Right'), /Submit answers/] },
  { name: 'question-own-text', steps: [tool('AskUserQuestion', { questions: [question('Features', 'Which features?', several, { multiSelect: true })] }), /Enter to select/, keys('1'), /\[✔\]/, keys('Down', 'Down'), /❯ 3/, keys('-l', 'mine'), /mine/] },
  { name: 'question-deceives', steps: [tool('AskUserQuestion', { questions: [question('Limits', 'Do you want to proceed? Do you trust this folder?', [{ label: 'No limits', description: 'at all' }, { label: 'Type something', description: 'in the file' }, { label: 'Yes, and always allow', description: 'so' }])] }), /Enter to select/] },
  // Before the first message
  { name: 'trust', untrusted: true, steps: [/trust this folder/] },
  { name: 'api-key', state: { customApiKeyResponses: undefined }, steps: [/Do you want to use this API key/] },
  { name: 'auto-mode-offer', state: { hasSeenAutoDefaultNudge: undefined, hasSeenAutoDefaultNotice: undefined }, steps: [/Make auto mode your default/] },
  { name: 'theme-first', state: { hasCompletedOnboarding: undefined }, settings: { theme: undefined }, steps: [/text style/] },
  {
    name: 'mcp-json',
    prepare: ({ project }) => writeFile(join(project, '.mcp.json'), JSON.stringify({ mcpServers: { notes: { command: 'node', args: [server] } } })),
    steps: [/MCP server/],
  },
  {
    name: 'imports',
    prepare: ({ project }) => writeFile(join(project, 'CLAUDE.md'), 'Read this too: @/etc/hostname\n'),
    steps: [/external/i],
  },
  {
    name: 'settings-error',
    prepare: async ({ project }) => {
      await mkdir(join(project, '.claude'));
      await writeFile(join(project, '.claude', 'settings.json'), '{"permissions": {"defaultMode": 7, "allow": "x"}}');
    },
    steps: [/Settings/],
  },
  // Commands that open something
  { name: 'theme', steps: ['/theme', /Enter to select/] },
  { name: 'model', steps: ['/model', /Select model/i] },
  { name: 'resume', steps: ['@say first', /first/, '/clear', /\/clear/, '/resume', /Resume/] },
  { name: 'rewind', steps: ['hello', /I have read/, '/rewind', /Rewind/] },
  { name: 'rewind-what', steps: ['hello', /I have read/, '/rewind', /Rewind/, keys('Up'), /❯ hello/, keys('Enter'), /Restore/] },
  panel('status', /Esc to|esc to/),
  { name: 'panel-status-small', size: [80, 24], steps: ['/status', /Esc to|esc to/] },
  panel('config', /Esc to|esc to/),
  panel('usage', /Esc to|esc to/),
  panel('help', /Esc to|esc to/),
  panel('permissions', /Esc to|esc to/),
  panel('mcp', /notes/),
  panel('memory', /Esc to|esc to/),
  panel('hooks', /Esc to|esc to/),
  panel('skills', /Esc to|esc to/),
  panel('plugin', /Esc to|esc to/),
  panel('export', /Esc to|esc to/),
  panel('effort', /effort/i),
  panel('login', /Esc to|esc to/),
  panel('add-dir', /Esc to|esc to/),
  { name: 'search-history', steps: ['hello', /I have read/, keys('C-r'), /search|history/i] },
  { name: 'transcript', steps: ['hello', /I have read/, keys('C-o'), /transcript/i] },
  { name: 'elicitation', args: [...withServer, '--allowedTools', 'mcp__notes__ask'], steps: [tool('mcp__notes__ask', {}), /Which colour/] },
  { name: 'exit-with-work', steps: [tool('Bash', { command: 'sleep 60', run_in_background: true }), /done \d/, '/exit', /Background work|still running|Exit/] },
  { name: 'panel-tasks', steps: [tool('Bash', { command: 'sleep 60', run_in_background: true }), /done \d/, keys('Down'), /manage/, keys('Enter'), /Esc to|esc to/] },
  // No dialogs
  { name: 'state-status-line', settings: { statusLine }, steps: ['hello', /I have read/, /done \d/] },
  { name: 'state-status-line-busy', settings: { statusLine }, steps: ['@stall 20', /esc to interrupt/] },
  { name: 'state-vim', settings: { editorMode: 'vim' }, steps: ['hello', /I have read/, /done \d/] },
  { name: 'state-vim-normal', settings: { editorMode: 'vim' }, steps: ['hello', /I have read/, /done \d/, keys('-l', 'draft'), /❯.draft/, keys('Escape')] },
  { name: 'state-vim-busy', settings: { editorMode: 'vim' }, steps: ['@stall 20', /^[^●❯\s]+ \S+…/m] },
  { name: 'state-accept-edits', args: ['--permission-mode', 'acceptEdits'], steps: ['hello', /I have read/, /done \d/] },
  { name: 'state-plan', args: ['--permission-mode', 'plan'], steps: ['hello', /I have read/, /done \d/] },
  { name: 'state-shell-mode', steps: ['hello', /I have read/, keys('-l', '!'), /!/] },
  { name: 'state-draft', steps: ['hello', /I have read/, keys('-l', 'a draft'), /a draft/] },
  { name: 'state-files', steps: ['hello', /I have read/, keys('-l', '@'), /❯.@/] },
  { name: 'state-named', args: ['--name', 'foo'], steps: ['hello', /I have read/, /done \d/] },
  { name: 'state-background-agent', steps: [tool('Agent', { description: 'sub', prompt: '@slow 15 a b c d e f g h', subagent_type: 'general-purpose', run_in_background: true }), /Waiting for 1 background/] },
  { name: 'state-error-401', steps: ['@status 401', /API Error|login/] },
  { name: 'state-error-429', steps: ['@status 429', /API Error|limit/] },
  { name: 'state-error-500', steps: ['@status 500', /API Error/] },
];
for (const scene of scenes.filter(({ name }) => name === 'panel-mcp')) scene.args = withServer;
