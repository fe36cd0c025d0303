// A real sshd on a free port of 127.0.0.1, which lets in one key and gives every login these variables.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ends } from './ends.mjs';
import { until } from './wait.mjs';

const PROGRAM = '/usr/sbin/sshd';
const run = promisify(execFile);

export async function startSshd(env) {
  const folder = await mkdtemp(join(tmpdir(), 'sshd-'));
  const file = (name) => join(folder, name);
  for (const key of ['host_key', 'user_key']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(key)]);
  await copyFile(file('user_key.pub'), file('authorized_keys'));
  // Where it separates what it need not be root for; only the system's service makes it.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const port = await freePort();
  await writeFile(file('known_hosts'), `[127.0.0.1]:${port} ${await readFile(file('host_key.pub'), 'utf8')}`);
  const variables = Object.entries(env).map(([name, value]) => `"${name}=${value}"`).join(' ');
  await writeFile(file('config'), `ListenAddress 127.0.0.1
Port ${port}
HostKey ${file('host_key')}
AuthorizedKeysFile ${file('authorized_keys')}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
SetEnv ${variables}
`);
  let daemon;
  const start = async () => {
    daemon = spawn(PROGRAM, ['-D', '-e', '-f', file('config')], { stdio: 'ignore' });
    await until('the greeting of sshd', () => greets(port));
  };
  // Kills it and its connections.
  const stop = async () => {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=']);
    const pairs = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    const below = (pid) => pairs.filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)]);
    const all = below(daemon.pid);
    const ended = once(daemon, 'close');
    daemon.kill('SIGKILL');
    await ended;
    for (const pid of all) try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended by itself */ }
  };
  const end = ends(async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  });
  await start();
  const destination = `${userInfo().username}@127.0.0.1`;
  return { destination, port, key: file('user_key'), known: file('known_hosts'), start, stop, end };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function greets(port) {
  return new Promise((found) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', (data) => { socket.destroy(); found(`${data}`.startsWith('SSH-')); });
    socket.once('error', () => found(false));
  });
}
