// Drives the real Claude Code through a berth: node run.mjs PATH-OF-BERTH. Without FULL=1 a tenth of it. With FULL=1 or
// NEWEST=1 also the newest Claude Code, of which misses are only printed.
// It prints a table, and exits with 1 if anything in it is not as it must be.

import { attachments } from './attachments.mjs';
import { startBerth } from './berth.mjs';
import { tryConversations } from './conversations.mjs';
import { tryDelegation } from './delegation.mjs';
import { tryFirst } from './first.mjs';
import { folderOfClaude, makeHome } from './home.mjs';
import { tryJobs } from './jobs.mjs';
import { tryScenes } from './live-scenes.mjs';
import * as messages from './messages.mjs';
import { installNewest } from './newest.mjs';
import { prompts } from './prompts.mjs';
import { sample } from './sample.mjs';
import { Session } from './session.mjs';
import { startStub } from './stub.mjs';
import { Tally } from './tally.mjs';
import { tryTasks } from './tasks.mjs';
import { long } from './transcript.mjs';
import { ways } from './ways.mjs';

const { FULL, NEWEST } = process.env;
const NAMES = ['app', 'api', 'docs', 'site'];
const [, , program = 'target/debug/berth'] = process.argv;

// Four sessions at once: with FULL=1 in each way, and otherwise one in each way.
const tallies = FULL
  ? await drive(folderOfClaude(), Object.keys(ways).map((way) => [way, NAMES.map(() => way)]), everything)
  : await drive(folderOfClaude(), [['all ways', Object.keys(ways)]], aTenth);
const first = await tryFirst(program);
first.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(`| first messages behind a question | ${first.count} | kept, and arrived once ${first.count - first.misses.length} |`);
const jobs = await tryJobs(program);
jobs.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(`| runs and builds without a terminal | ${jobs.count} | as they must end ${jobs.count - jobs.misses.length} |`);
const tasks = await tryTasks(program);
tasks.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(`| runs that Claude Code starts as a client | ${tasks.count} | answered and told as they must be ${tasks.count - tasks.misses.length} |`);
const delegation = await tryDelegation(program);
delegation.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(`| tasks on a host | ${delegation.count} | as they must end ${delegation.count - delegation.misses.length} |`);
const talks = await tryConversations(program, FULL ? { messages: 100, prompts: 50, kills: 10 } : { messages: 12, prompts: 8, kills: 1 });
talks.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(talks.rows);
const scenes = await tryScenes(program);
scenes.misses.forEach((miss) => console.log(`MISS  ${miss}`));
console.log(scenes.rows);
const misses = [...tallies, first, jobs, tasks, delegation, talks, scenes].flatMap((tally) => tally.misses);
if (FULL || NEWEST) await tryNewest();
console.log(misses.length ? `claude: ${misses.length} misses` : 'claude: everything was as it must be');
process.exitCode = misses.length ? 1 : 0;

// Prompts and attachments of every kind for each session.
function everything(share) {
  return { messages: share(messages.all), long: [long], attachments, prompts };
}

function aTenth(share) {
  return { messages: share(messages.some), long: share([long]), attachments: share(attachments), prompts: share(prompts) };
}

// Each round has a home of its own: what was made in one would change what is asked for in the next.
async function drive(folder, rounds, work) {
  const tallies = [];
  for (const [name, used] of rounds) {
    const stub = await startStub();
    const place = await makeHome({ url: stub.url, names: NAMES, program: folder });
    const berth = await startBerth(program, place);
    const tally = new Tally(name);
    tallies.push(tally);
    try {
      await round(berth, stub, place, { used, work, tally });
      console.log(tally.rows());
    } finally {
      await berth.end();
      stub.close();
      await place.remove();
    }
  }
  return tallies;
}

// One session in each project, all at work at the same time.
async function round(berth, stub, place, { used, work, tally }) {
  const begun = used.map((way, number) => Session.start({ berth, stub, tally, project: place.projects[number], way }));
  const sessions = await Promise.all(begun);
  const end = sample(berth, sessions, tally);
  await Promise.all(sessions.map((session, number) => {
    const share = (list) => list.filter((_, n) => n % sessions.length === number);
    return session.work(work(share));
  }));
  await end();
  for (const session of sessions) await session.end();
}

async function tryNewest() {
  const newest = await installNewest().catch((error) => console.log(`the newest version is not tried: ${error.message}`));
  if (!newest) return;
  try {
    await drive(newest.folder, [[`newest, ${newest.version}`, Object.keys(ways)]], aTenth);
  } catch (error) {
    console.log(`newest: ${error.message}`);
  } finally {
    await newest.remove();
  }
}
