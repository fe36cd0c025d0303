// The newest Claude Code, in a temporary folder.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ends } from './ends.mjs';

const PACKAGE = '@anthropic-ai/claude-code';
const PATIENCE = 120_000;
const run = promisify(execFile);

export async function installNewest() {
  const folder = await mkdtemp(join(tmpdir(), 'claude-newest-'));
  const remove = ends(() => rm(folder, { recursive: true, force: true }));
  try {
    const version = (await run('npm', ['view', PACKAGE, 'version'], { timeout: PATIENCE })).stdout.trim();
    await run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--loglevel=error', `${PACKAGE}@${version}`], { timeout: PATIENCE });
    const program = join(folder, 'node_modules', `${PACKAGE}-${process.platform}-${process.arch}`);
    return { version, folder: program, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
