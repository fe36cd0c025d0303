// Drives the real Claude Code to each of its dialogs, and writes their screens: node capture.mjs [NAME…]
// Each scene begins in a home of its own. A screen is taken once it shows what the scene waits for, and stands still.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { makeHome } from './home.mjs';
import { scenes } from './scenes.mjs';
import { startStub } from './stub.mjs';

const PATIENCE = 20_000;
const STEADY = 300;
const folder = fileURLToPath(new URL('../../plugins/agents/tests/dialogs/', import.meta.url));
const run = promisify(execFile);

await mkdir(folder, { recursive: true });
const wanted = process.argv.slice(2);
let failed = 0;
for (const scene of scenes.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const trouble = await capture(scene).catch((error) => error.message);
  console.log(`${trouble ? 'FAIL' : 'ok  '}  ${scene.name}${trouble ? `: ${trouble}` : ''}`);
  failed += trouble ? 1 : 0;
}
process.exitCode = failed ? 1 : 0;

async function capture({ name, args = [], steps, prepare = async () => {}, size = [120, 50], env = {}, ...home }) {
  const stub = await startStub();
  const place = await makeHome({ url: stub.url, ...home });
  const socket = join(place.root, 'tmux');
  const tmux = async (...command) => (await run('tmux', ['-u', '-S', socket, '-f', '/dev/null', ...command], {
    env: { ...place.env, ...env }, cwd: place.project, maxBuffer: 1 << 24,
  })).stdout;
  try {
    await prepare(place);
    const [columns, rows] = size.map(String);
    await tmux('new-session', '-d', '-x', columns, '-y', rows, 'env', 'claude', ...args);
    const screen = () => tmux('capture-pane', '-p');
    for (const [number, step] of steps.entries()) {
      if (step instanceof RegExp) {
        await until(screen, step);
      } else if (step.keys) {
        await steady(screen);
        await tmux('send-keys', ...step.keys);
      } else if (step.startsWith('@')) {
        stub.plays[number] = step.replaceAll('$PROJECT', place.project);
        await message(tmux, screen, `@play ${number}`);
      } else {
        await message(tmux, screen, step);
      }
    }
    const taken = await steady(screen);
    await writeFile(join(folder, `${name}.txt`), clean(taken, place, stub));
  } finally {
    await tmux('kill-server').catch(() => {});
    stub.close();
    await place.remove();
  }
}

// Types a message at an idle composer, and enters it once it is there.
async function message(tmux, screen, text) {
  await until(screen, /^❯[\s\u00a0]*(Try "|$)/m);
  await steady(screen);
  await tmux('send-keys', '-l', '--', text);
  await until(screen, new RegExp(`^❯\\s${text}$`, 'm'));
  await steady(screen);
  await tmux('send-keys', 'Enter');
}

async function until(screen, pattern) {
  const deadline = Date.now() + PATIENCE;
  let shown = '';
  while (Date.now() < deadline) {
    shown = await screen();
    if (pattern.test(shown)) return;
    await sleep(50);
  }
  throw new Error(`${pattern} did not show:\n${shown.trimEnd()}`);
}

// The screen once it has not changed for a while.
async function steady(screen) {
  const deadline = Date.now() + PATIENCE;
  let [shown, since] = [await screen(), Date.now()];
  while (Date.now() < deadline && Date.now() - since < STEADY) {
    await sleep(50);
    const now = await screen();
    if (now !== shown) [shown, since] = [now, Date.now()];
  }
  return shown;
}

// Without what differs from one machine to the next.
function clean(screen, place, stub) {
  return `${screen
    .replaceAll(place.root, '/home/dev')
    .replaceAll(stub.url, 'http://127.0.0.1:8080')
    .replace(/[ \t]+$/gm, '')
    .trimEnd()}\n`;
}
