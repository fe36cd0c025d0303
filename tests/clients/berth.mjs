// A berth with the demo agent, which anyone on this machine may call.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const PATIENCE = 60_000;

// Starts the binary `program`, with the shipped configuration changed as little as this needs.
export async function startBerth(program) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'berth-clients-')));
  const projects = join(folder, 'projects');
  await mkdir(join(projects, 'app', '.git'), { recursive: true });
  const config = join(folder, 'config.toml');
  await writeFile(config, await configuration(projects), { mode: 0o600 });
  const child = spawn(resolve(program), ['serve', '--config', config]);
  const ended = once(child, 'close');
  const url = await address(child);
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
  const changes = [
    ['listen = "127.0.0.1:8787"', 'listen = "127.0.0.1:0"\ndata = "data"\ncache = "cache"'],
    ['open_on_loopback = false', 'open_on_loopback = true'],
    ['agents = ["claude", "demo"]', 'agents = ["demo"]'],
    ['directories = ["~/projects"]', `directories = [${JSON.stringify(projects)}]`],
  ];
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the shipped configuration has no ${from}`);
    return text.replace(from, () => to);
  }, shipped);
}

function address(child) {
  const lines = [];
  return new Promise((found, gaveUp) => {
    const late = setTimeout(() => gaveUp(new Error(`berth does not listen:\n${lines.join('\n')}`)), PATIENCE);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const url = line.match(/ listens on (\S+)$/)?.[1];
        if (url) { clearTimeout(late); found(url); }
      });
    }
    child.on('close', () => gaveUp(new Error(`berth ended:\n${lines.join('\n')}`)));
  });
}
