// Drives real agents of the Agent Client Protocol through a berth: node run.mjs PATH-OF-BERTH [AGENT…]
// It prints a table, and exits with 1 if anything in it is not as it must be.

import { agents } from './agents.mjs';
import { startBerth } from './berth.mjs';
import { makeHome } from './home.mjs';
import { startModels } from './models.mjs';
import { after, answered, ask, before, refusals } from './scenes.mjs';
import { Talk } from './talk.mjs';

const [, , program = 'target/debug/berth', ...named] = process.argv;
const tried = agents.filter(({ name }) => !named.length || named.includes(name));
const RESTART = 'what it asks is answered after berth was killed';
const misses = [];
// For each scene what came of it, for each agent.
const rows = new Map();

const models = await startModels();
const place = await makeHome({ url: models.url, projects: [...agents.map(({ name }) => name), ...refusals.map(([name]) => name)] });
try {
  const berth = await startBerth(program, place);
  try {
    const talks = tried.map((agent) => new Talk({ berth, place, agent, log: models.logs[agent.api] }));
    await Promise.all([
      ...talks.map((talk) => play(talk, before)),
      ...(named.length ? [] : refusals).map(([name, what, scene]) => {
        const talk = new Talk({ berth, place, agent: { name } });
        return attempt(talk, what, scene);
      }),
    ]);
    const asking = await Promise.all(talks.map((talk) => ask(talk).then(() => undefined, (error) => error.message)));
    await berth.killed();
    await Promise.all(talks.map((talk, number) => attempt(talk, RESTART, () => asking[number] ?? answered(talk))));
    await Promise.all(talks.map((talk) => play(talk, after)));
  } finally {
    await berth.end();
  }
} finally {
  models.close();
  await place.remove();
}
print();
console.log(misses.length ? `acp: ${misses.length} misses` : 'acp: everything was as it must be');
process.exitCode = misses.length ? 1 : 0;

async function play(talk, scenes) {
  for (const [name, scene] of scenes) {
    await attempt(talk, name, scene);
    // Nothing goes on without a session.
    if (!talk.id) return;
  }
}

async function attempt(talk, name, scene) {
  const trouble = await Promise.resolve().then(() => scene(talk)).catch((error) => error.message);
  const cell = trouble ? 'no' : trouble === null ? '–' : 'yes';
  rows.set(name, { ...rows.get(name), [talk.agent.name]: cell });
  if (!trouble) return;
  misses.push(trouble);
  console.log(`MISS  ${talk.agent.name}: ${name}: ${trouble}`);
}

function print() {
  const line = (cells) => console.log(`| ${cells.join(' | ')} |`);
  line(['what', ...tried.map(({ name, version }) => `${name} ${version}`)]);
  line(['---', ...tried.map(() => '---')]);
  for (const [name] of [...before, [RESTART], ...after]) line([name, ...tried.map((agent) => rows.get(name)?.[agent.name] ?? 'no')]);
  if (named.length) return;
  console.log();
  line(['agent', 'told as it must be']);
  line(['---', '---']);
  for (const [name, what] of refusals) line([`${name}: ${what}`, rows.get(what)?.[name] ?? 'no']);
}
