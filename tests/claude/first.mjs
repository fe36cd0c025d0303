// The first messages of sessions in which Claude Code asks before it takes one: each is kept until that is answered, and
// then arrives once.

import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startStub } from './stub.mjs';
import { until } from './wait.mjs';

const WORDS = 'my first words';
// What is asked: its name, the home in which it is, and how it is answered.
const QUESTIONS = [
  // Clients may not trust a folder.
  ['trust', { untrusted: true }, (berth, id) => berth.tmux(id, 'send-keys', 'Up', 'Enter')],
  [
    'auto mode offered',
    { state: { hasSeenAutoDefaultNudge: undefined, hasSeenAutoDefaultNotice: undefined } },
    (berth, id, prompt) => berth.call('respond_to_prompt', { session_id: id, prompt_id: prompt, response: 'No, keep manual mode' }),
  ],
];

// How many there were, and the misses.
export async function tryFirst(program) {
  const misses = [];
  for (const [kind, home, answer] of QUESTIONS) {
    const stub = await startStub();
    const place = await makeHome({ url: stub.url, ...home });
    try {
      const trouble = await tryOne(program, { stub, place, answer }).catch((error) => error.message);
      if (trouble) misses.push(`first message, ${kind}: ${trouble}`);
    } finally {
      stub.close();
      await place.remove();
    }
  }
  return { count: QUESTIONS.length, misses };
}

async function tryOne(program, { stub, place, answer }) {
  const berth = await startBerth(program, place);
  try {
    const { messages } = stub.log(place.project);
    const { structured, text } = await berth.call('create_session', { working_dir: place.project, message: WORDS, wait_seconds: 30 });
    const { session_id: id, prompts, queue } = structured?.session ?? {};
    if (structured?.receipt !== 'queued' || queue?.length !== 1 || messages.length > 0) return `it was not kept: ${text}`;
    await answer(berth, id, prompts[0].prompt_id);
    await until('the first message', () => messages.length > 0);
    const state = async () => (await berth.call('get_session_status', { session_id: id })).structured?.session.state;
    await until('rest after the first message', async () => await state() === 'idle');
    const arrived = messages.join('|');
    return arrived === WORDS ? undefined : `${JSON.stringify(arrived)} arrived`;
  } finally {
    await berth.end();
  }
}
