// A home of its own for all agents, each set up as for somebody who has used it before, with its model at the stub; and the
// configuration of an operator who has them.

import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ends } from '../claude/ends.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const standIn = (...words) => [process.execPath, join(here, 'stand-in.mjs'), ...words];

// Agents beside those that berth ships, and how each is run by `env`: stand-ins, agents without a login, and one that is not
// installed.
const further = {
  'stand-in': standIn(),
  plain: standIn('--plain'),
  forgetful: standIn('--forgetful'),
  locked: standIn('--locked'),
  'gemini-without-key': ['GEMINI_API_KEY=', 'gemini', '--acp'],
  'codex-without-login': ['CODEX_HOME=@home/.codex-empty', 'codex-acp'],
  absent: ['an-agent-that-nobody-has', 'acp'],
};

export async function makeHome({ url, projects }) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'berth-acp-')));
  const remove = ends(() => rm(root, { recursive: true, force: true, maxRetries: 20 }));
  for (const name of projects) await mkdir(join(root, 'projects', name), { recursive: true });
  await mkdir(join(root, '.codex-empty'));
  for (const [path, text] of Object.entries(agents(url))) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode: 0o600 });
  }
  const env = {
    HOME: root,
    PATH: `${join(here, 'node_modules', '.bin')}:${process.env.PATH}`,
    LANG: 'C.UTF-8',
    TMPDIR: tmpdir(),
    GEMINI_API_KEY: 'nobody-pays-for-this-key-of-the-stub',
    GOOGLE_GEMINI_BASE_URL: url,
    STUB_KEY: 'nobody-pays-for-this-key-of-the-stub',
    // It would fetch a list of models.
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  };
  return { root, env, configuration: configuration(root), remove };
}

// What each agent's own files say.
function agents(url) {
  const model = (name) => ({ name });
  return {
    '.config/opencode/opencode.json': JSON.stringify({
      provider: {
        stub: {
          npm: '@ai-sdk/openai-compatible', name: 'Stub', options: { baseURL: `${url}/v1`, apiKey: 'none' },
          models: { one: model('One'), two: model('Two') },
        },
      },
      model: 'stub/one', autoupdate: false, share: 'disabled',
    }),
    '.gemini/settings.json': JSON.stringify({
      security: { auth: { selectedType: 'gemini-api-key' } }, general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false }, telemetry: { enabled: false },
    }),
    '.codex/config.toml': `
model = "stub-one"
model_provider = "stub"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.stub]
name = "Stub"
base_url = "${url}/v1"
env_key = "STUB_KEY"
wire_api = "responses"
requires_openai_auth = false
`,
  };
}

// What an operator writes over the shipped configuration.
function configuration(root) {
  const tables = Object.entries(further).map(([name, words]) => `
[agents.${name}]
command = ["env", "true"]
headless = ${JSON.stringify(['env', `BERTH_SESSION=${name}`, ...words.map((word) => word.replace('@home', root))])}
protocol = "acp"
requires = ${JSON.stringify(name === 'absent' ? words[0] : 'env')}
widens_unless = { mode = ["careful", "bold"] }
`);
  return `
default_backend = "jobs"
[server]
listen = "127.0.0.1:0"
open_on_loopback = true
[server.rates]
tools = 100000
[backends.local]
enabled = false
[backends.jobs]
agents = ${JSON.stringify(['opencode', 'gemini', 'codex', ...Object.keys(further)])}
env = ["HOME", "PATH", "LANG", "TMPDIR", "GEMINI_*", "GOOGLE_*", "STUB_KEY", "OPENCODE_*"]
[backends.jobs.limits]
interactive_jobs = 24
${tables.join('')}`;
}
