// What is done in a conversation with an agent of the Agent Client Protocol, as an operator does it. A scene answers what is
// not as it must be, or nothing.


import { until } from '../claude/wait.mjs';

// Before berth is killed, and after it was started again; a scene has the agents for which it holds.
export const before = [
  ['a message with its session is answered', first],
  ['the transcript tells what was said', transcript],
  ['a command is asked for and allowed', allowed],
  ['a command is asked for and denied', denied],
  ['a long command is shown whole', long],
  ['a text goes with a message', attachment],
  ['messages wait for their turn, and one is taken back', queue],
  ['an interrupt stops the work', interrupt],
  ['the model is set', model],
  ['the mode is set, and not to more than a client may', mode],
  ['files and terminals are refused', machine],
];
export const after = [
  ['killed at rest: the next message goes on', killedAtRest],
  ['killed at work: that is told, and the next message goes on', killedAtWork],
  ['its end leaves no process', ended],
];

async function first(talk) {
  const { structured } = await talk.begin(`@say the word is heron`);
  if (!structured.text?.includes('the word is heron')) return `the answer is ${structured.text}`;
  return structured.session.state === 'idle' ? undefined : `it is ${structured.session.state}`;
}

async function transcript(talk) {
  await talk.told('@say the other word is crane');
  const text = await talk.transcript();
  const turns = ['the word is heron', 'the other word is crane'].map((words) => text.split(words).length - 1);
  // What a person said may be told as well, as a turn of its own.
  const said = text.split('\n\n[').filter((turn) => /^\[?agent/.test(turn) && /is heron|is crane/.test(turn));
  return said.length === 2 && turns.every((count) => count >= 1) ? undefined : `it tells ${text}`;
}

async function allowed(talk) {
  const prompt = await talk.asked('touch allowed-1');
  if (prompt.kind !== 'permission') return `it asks about ${prompt.kind}`;
  if (!shownBy(prompt).includes('touch allowed-1') || !prompt.facts.tool) return `it asks ${JSON.stringify(prompt)}`;
  const { prompts } = (await talk.berth.call('check_prompts', {})).structured;
  if (!prompts.some(({ prompt_id, session_id }) => prompt_id === prompt.prompt_id && session_id === talk.id)) return 'check_prompts does not have it';
  if (await talk.has('allowed-1')) return 'it ran before it was allowed';
  await talk.answer(prompt, 'accepts');
  await talk.rest();
  if (!await talk.has('allowed-1')) return 'the command did not run';
  const again = await talk.call('respond_to_prompt', { prompt_id: prompt.prompt_id, choices: [prompt.choices[0].key] });
  return again.failed ? undefined : 'an answered prompt took a second answer';
}

async function denied(talk) {
  const prompt = await talk.asked('touch denied-1');
  await talk.answer(prompt, 'declines');
  await talk.rest();
  return await talk.has('denied-1') ? 'the command ran' : undefined;
}

// Nobody may be asked to allow what is not shown.
async function long(talk) {
  const command = `echo ${'x'.repeat(150)} ${'y'.repeat(150)} && touch long-1`;
  const prompt = await talk.asked(command);
  const isShown = shownBy(prompt).includes(command);
  await talk.answer(prompt, 'declines');
  await talk.rest();
  if (await talk.has('long-1')) return 'the command ran';
  return isShown || prompt.cut ? undefined : `it is asked as ${shownBy(prompt)}`;
}

async function attachment(talk) {
  await talk.told('@say I have read it', { attachments: [{ name: 'colours.txt', media_type: 'text/plain', text: 'the wall is mauve\n' }] });
  if (!talk.log) return undefined;
  return talk.log.body.includes('the wall is mauve') ? undefined : 'the model did not get it';
}

async function queue(talk) {
  const begun = await talk.send('@slow 4 one two three four');
  if (begun.receipt !== 'submitted') return `the receipt of the first one is ${begun.receipt}`;
  const second = await talk.send('@say second');
  const third = await talk.send('@say third');
  if (second.receipt !== 'queued' || third.receipt !== 'queued') return `the receipts are ${second.receipt} and ${third.receipt}`;
  const waiting = (await talk.session()).queue.map(({ message_id }) => message_id);
  if (waiting.join() !== [second.message_id, third.message_id].join()) return `the queue is ${waiting}`;
  await talk.done('interrupt_session', { message_id: third.message_id });
  await talk.rest();
  const text = await talk.transcript();
  if (!/one two three four[^]*second/.test(text)) return `the transcript tells ${text}`;
  const reached = await talk.reached();
  return reached.slice(-2).join(' | ') === '@slow 4 one two three four | @say second' ? undefined : `the agent was told ${reached.join(' | ')}`;
}

async function interrupt(talk) {
  await talk.send('@slow 100 five six seven eight');
  await talk.says('five');
  const { structured } = await talk.done('interrupt_session', {});
  if (structured.receipt !== 'confirmed') return `the receipt is ${structured.receipt}`;
  await talk.rest();
  const { attention } = await talk.session();
  if (attention) return `it says ${JSON.stringify(attention)}`;
  const { text } = await talk.told('@say and on');
  return text?.includes('and on') ? undefined : `the next answer is ${text}`;
}

async function model(talk) {
  const { model: wanted } = talk.agent;
  if (!wanted) {
    const refused = await talk.call('set_session', { options: { model: 'any' } });
    return refused.failed && /model/.test(refused.text) ? undefined : `without models it says ${refused.text}`;
  }
  const unknown = await talk.call('set_session', { options: { model: 'a-model-that-nobody-has' } });
  if (!unknown.failed) return `one that nobody has is set: ${unknown.text}`;
  await talk.done('set_session', { options: { model: wanted } });
  const { facts } = await talk.session();
  if (facts.model !== wanted) return `it is ${facts.model}`;
  const { text } = await talk.told(talk.log ? '@say with another model' : '@recall');
  const used = talk.log ? talk.log.model : text.match(/ and (\w+)\.$/)?.[1];
  return wanted.endsWith(used) ? undefined : `the model that answered is ${used}`;
}

async function mode(talk) {
  const { modes, wider } = talk.agent;
  const refused = await talk.call('set_session', { options: { mode: wider } });
  if (!refused.failed || !/the person can change it/.test(refused.text)) return `more than a client may is answered ${refused.text}`;
  for (const wanted of modes) {
    await talk.done('set_session', { options: { mode: wanted } });
    const { facts } = await talk.session();
    if (facts.mode !== wanted) return `it is ${facts.mode}, and not ${wanted}`;
  }
  const { text } = await talk.told('@say in that mode');
  return text?.includes('in that mode') ? undefined : `the answer is ${text}`;
}

// Only a stand-in asks for what it was not offered.
async function machine(talk) {
  if (talk.log) return null;
  const { text } = await talk.told('@machine');
  return text === 'I got -32601, -32601, -32601' ? undefined : `it says ${text}`;
}

// What waits for an answer waits for a person, not for berth: both of these are for all agents at once.
export async function ask(talk) {
  talk.open = await talk.asked('touch after-restart');
}

export async function answered(talk) {
  const [prompt] = await talk.prompts();
  if (prompt.prompt_id !== talk.open.prompt_id) return `the prompt is ${JSON.stringify(prompt)}`;
  await talk.answer(prompt, 'accepts');
  await talk.rest();
  return await talk.has('after-restart') ? undefined : 'the command did not run';
}

async function killedAtRest(talk) {
  await talk.kill();
  if (!talk.agent.loads) {
    await until('that it is lost', async () => /lost/.test((await talk.session()).attention?.reason));
    const refused = await talk.call('send_message', { message: '@say hello' });
    return refused.failed && /create a new session/.test(refused.text) ? undefined : `a message is answered ${refused.text}`;
  }
  const { text } = await talk.told('@say I am back');
  const { attention } = await talk.session();
  if (talk.agent.loads === 'sometimes' && !text) return unloaded(attention);
  if (!text?.includes('I am back')) return `the answer is ${text}`;
  if (attention) return `it says ${JSON.stringify(attention)}`;
  return await talk.remembers('heron') ? undefined : 'it does not know what was said before';
}

// Gemini CLI 0.61.0 loses a conversation that it loads in the minute in which it began it.
function unloaded(attention) {
  const says = /did not load the conversation again.*create a new session/.test(attention?.reason);
  return says ? undefined : `it says ${JSON.stringify(attention)}`;
}

async function killedAtWork(talk) {
  if (!talk.agent.loads) return null;
  if (talk.agent.loads === 'sometimes') {
    await talk.done('terminate_session', {});
    await talk.begin('@say my word is heron');
  }
  await talk.send('@slow 100 nine ten eleven twelve');
  await talk.says('nine');
  await talk.kill();
  const { attention } = await until('the end of its process', async () => {
    const now = await talk.session();
    return now.state === 'idle' && now.attention && now;
  });
  if (!/not known whether/.test(attention.reason)) return `it says ${JSON.stringify(attention)}`;
  const { text } = await talk.told('@say and here I am');
  if (talk.agent.loads === 'sometimes' && !text) return unloaded((await talk.session()).attention);
  if (!text?.includes('and here I am')) return `the next answer is ${text}`;
  const reached = await talk.reached();
  const times = reached.filter((message) => message.startsWith('@slow 100 nine')).length;
  return times <= 1 ? undefined : `what it had begun with was given to it ${times} times`;
}

async function ended(talk) {
  const { structured } = await talk.done('terminate_session', {});
  if (structured.receipt !== 'confirmed') return `the receipt is ${structured.receipt}`;
  await until('the end of its processes', async () => !(await talk.processes()).length);
}

// What an operator reads of an agent that cannot begin.
export const refusals = [
  ['locked', 'wants a login', login(/Authentication required.*A key that nobody has/)],
  ['gemini-without-key', 'wants a login', login(/key is missing.*Log in with Google/i)],
  ['codex-without-login', 'wants a login', login(/Authentication required.*ChatGPT/)],
  ['absent', 'is not installed', absent],
];

function login(words) {
  return async (talk) => {
    const { structured } = await talk.begin('@say hello');
    const { attention, queue: waits } = structured.session;
    if (attention?.kind !== 'login' || !words.test(attention.reason)) return `it says ${JSON.stringify(attention)}`;
    if (waits?.length !== 1) return `the queue is ${JSON.stringify(waits)}`;
    return /still at work/.test(structured.note) ? `the call waited all its time: ${structured.note}` : ended(talk);
  };
}

async function absent(talk) {
  const error = await talk.begin('@say hello').then(() => 'nothing', ({ message }) => message);
  return /agent absent is not installed/.test(error) && !/sessionId/.test(error) ? undefined : `it says ${error}`;
}

const shownBy = ({ question, detail }) => `${question}\n${detail}`;

