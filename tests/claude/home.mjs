// A home of its own for Claude Code, set up as for somebody who has used it before, and the variables to start it with.

import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { ends } from './ends.mjs';

const KEY = 'sk-ant-api03-nobody-pays-for-this-key-of-the-stub';
// What an account's login gives in place of a key; of usage limits only an account is told until when they hold.
const TOKEN = 'sk-ant-oat01-nobody-has-an-account-at-the-stub';

// The folder of the program: the package's own launcher is only made by a script of the package, and none is run here.
export function folderOfClaude() {
  const name = `@anthropic-ai/claude-code-${process.platform}-${process.arch}`;
  return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
}

// `state` and `settings` lie over what is in ~/.claude.json and ~/.claude/settings.json; undefined removes a key. `names`
// are those of the projects, and `program` is the folder of the program. With `account` it is logged in with an account.
export async function makeHome({ url, state = {}, settings = {}, untrusted = false, names = ['app'], program = folderOfClaude(), account = false } = {}) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'berth-claude-')));
  const projects = names.map((name) => join(root, name));
  for (const project of projects) await mkdir(join(project, '.git'), { recursive: true });
  await mkdir(join(root, '.claude'));
  const trusted = projects.map((project) => [project, { hasTrustDialogAccepted: true }]);
  await writeFile(join(root, '.claude.json'), JSON.stringify({
    hasCompletedOnboarding: true,
    hasSeenAutoDefaultNudge: true,
    hasSeenAutoDefaultNotice: true,
    customApiKeyResponses: { approved: [KEY.slice(-20)], rejected: [] },
    projects: untrusted ? {} : Object.fromEntries(trusted),
    ...state,
  }));
  const all = { permissions: { defaultMode: 'default' }, theme: 'dark', ...settings };
  await writeFile(join(root, '.claude', 'settings.json'), JSON.stringify(all));
  const remove = ends(() => rm(root, { recursive: true, force: true, maxRetries: 20 }));
  return { root, projects, project: projects[0], env: environment({ root, url, program, account }), remove };
}

function environment({ root, url, program, account }) {
  return {
    HOME: root,
    PATH: `${program}:${process.env.PATH}`,
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    SHELL: '/bin/sh',
    TMPDIR: tmpdir(),
    ANTHROPIC_BASE_URL: url,
    ...(account ? { CLAUDE_CODE_OAUTH_TOKEN: TOKEN } : { ANTHROPIC_API_KEY: KEY }),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1',
    CLAUDE_CODE_MAX_RETRIES: '0',
    DISABLE_AUTOUPDATER: '1',
  };
}
