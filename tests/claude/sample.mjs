// Looks at all sessions all the time. One is told as idle falsely if work in it has been going on for a while.

import { setTimeout as sleep } from 'node:timers/promises';

// How long idle may be told after work began.
const GRACE = 300;
const EVERY = 100;

export function sample(berth, sessions, tally) {
  let going = true;
  const work = (async () => {
    while (going) {
      const from = Date.now();
      const { structured } = await berth.call('list_sessions', {});
      const to = Date.now();
      const goesOn = ({ from: began, to: ended }) => began <= from - GRACE && (ended === undefined || ended > to);
      for (const { id, log, way } of sessions) {
        const { state } = structured.sessions.find(({ session_id }) => session_id === id) ?? {};
        tally.samples += 1;
        if (state !== 'idle') continue;
        const at = log.works.find(goesOn);
        if (!at) continue;
        tally.idle += 1;
        tally.miss(`${way}: idle was told ${from - at.from} ms after work began`);
      }
      await sleep(Math.max(0, from + EVERY - Date.now()));
    }
  })();
  // What breaks it off is told at the end.
  work.catch(() => {});
  return async () => { going = false; await work; };
}
