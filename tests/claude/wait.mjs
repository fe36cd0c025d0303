// Waiting for what must come.

import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE = 60_000;
const EVERY = 100;

// What `look` finds, as soon as it is something.
export async function until(what, look, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: that did not come in ${patience / 1000} s`);
    await sleep(EVERY);
  }
}
