// The ways in which a session is used: its backend, the settings of its project, and what a person does at its terminal
// before each message.

import { visit } from './person.mjs';
import { until } from './wait.mjs';

const VISIT_EVERY = 10;

export const ways = {
  plain: {},
  vim: { settings: { editorMode: 'vim' }, before: modeOfVim },
  small: { backend: 'small' },
  attached: { before: ({ berth, id }, number) => number % VISIT_EVERY === 0 && visit(berth, id) },
};

// Every other message meets the mode NORMAL.
async function modeOfVim({ berth, id }, number) {
  const inserts = async () => (await berth.tmux(id, 'capture-pane', '-p')).includes('-- INSERT --');
  const wanted = number % 2 === 0;
  if (await inserts() === wanted) return;
  // It begins in INSERT, where `i` would be text; its line may not show that yet.
  if (number > 0) await berth.tmux(id, 'send-keys', wanted ? 'i' : 'Escape');
  await until('the mode of vim', async () => await inserts() === wanted);
}
