// A berth with the demo agent, which anyone on this machine may call.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { changed, listens } from '../claude/berth.mjs';

// Starts the binary `program`, with the shipped configuration changed as little as this needs.
export async function startBerth(program) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'berth-clients-')));
  const projects = join(folder, 'projects');
  await mkdir(join(projects, 'app', '.git'), { recursive: true });
  const config = join(folder, 'config.toml');
  await writeFile(config, await configuration(projects), { mode: 0o600 });
  const child = spawn(resolve(program), ['serve', '--config', config]);
  const ended = once(child, 'close');
  const url = `${await listens(child)}/mcp`;
  return {
    url,
    config,
    end: async () => {
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

async function configuration(projects) {
  const shipped = await readFile(new URL('../../config.toml', import.meta.url), 'utf8');
  return changed(shipped, [
    ['listen = "127.0.0.1:8787"', 'listen = "127.0.0.1:0"\ndata = "data"\ncache = "cache"'],
    ['open_on_loopback = false', 'open_on_loopback = true'],
    ['agents = ["claude", "demo"]', 'agents = ["demo"]'],
    ['directories = ["~/projects"]', `directories = [${JSON.stringify(projects)}]`],
  ]);
}
