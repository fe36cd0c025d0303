// A berth as an operator makes one in a home: `berth config init`, what that writes is edited, and `berth serve`.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { ask, listens } from '../claude/berth.mjs';
import { ends } from '../claude/ends.mjs';

const ENDED = 10_000;

export async function startBerth(program, { root, env, configuration }) {
  await promisify(execFile)(resolve(program), ['config', 'init'], { env });
  await writeFile(join(root, '.config', 'berth', 'config.toml'), configuration);
  let child, ended, base;
  const begin = async () => {
    child = spawn(resolve(program), ['serve'], { env });
    ended = once(child, 'close');
    base = await listens(child);
  };
  const call = (tool, input) => ask(`${base}/mcp`, tool, input);
  // Ends it as a power cut would, and starts it again.
  const killed = async () => {
    child.kill('SIGKILL');
    await ended;
    await begin();
  };
  const end = ends(async () => {
    const { structured } = await call('list_sessions', {}).catch(() => ({}));
    for (const { session_id } of structured?.sessions ?? []) await call('terminate_session', { session_id }).catch(() => {});
    child.kill();
    const late = setTimeout(() => child.kill('SIGKILL'), ENDED);
    await ended;
    clearTimeout(late);
  });
  await begin().catch(async (error) => { await end(); throw error; });
  return { call, killed, end };
}
