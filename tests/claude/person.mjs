// A person who opens a session at a terminal that is smaller than it, and leaves. The terminal is a tmux of its own.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ends } from './ends.mjs';
import { until } from './wait.mjs';

const TMUX = 20_000;
const [COLUMNS, ROWS] = [60, 20];
const run = promisify(execFile);

export async function visit(berth, id) {
  const folder = await mkdtemp(join(tmpdir(), 'person-'));
  const terminal = (...command) => run('tmux', ['-S', join(folder, 'tmux'), '-f', '/dev/null', ...command], { env: berth.env, timeout: TMUX });
  const leave = ends(async () => {
    await terminal('kill-server').catch(() => {});
    await rm(folder, { recursive: true, force: true });
  });
  const size = () => berth.tmux(id, 'display-message', '-p', '#{window_width}x#{window_height}');
  try {
    const before = await size();
    await terminal('new-session', '-d', '-x', `${COLUMNS}`, '-y', `${ROWS}`, 'env', '-u', 'TMUX', ...berth.attach(id));
    await until('the session has the size of the terminal', async () => (await size()).startsWith(`${COLUMNS}x`));
    await terminal('send-keys', 'C-b', 'd');
    await until('the session has its own size again', async () => await size() === before);
  } finally {
    await leave();
  }
}
