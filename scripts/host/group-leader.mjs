// Leads the process group of a server. Its standard input is a lifeline: when the starter closes it or dies,
// in whatever way, the whole group ends. Started as: node group-leader.mjs PROGRAM ARGUMENT...
import { spawn } from 'node:child_process';

const graceMilliseconds = 5_000;
const [program = '', ...args] = process.argv.slice(2);
let ending = false;

function killGroup() {
  process.kill(-process.pid, 'SIGKILL');
}

function endGroup() {
  if (ending) return;
  ending = true;
  process.kill(-process.pid, 'SIGTERM');
  setTimeout(killGroup, graceMilliseconds);
}

process.on('SIGTERM', endGroup);
process.on('SIGINT', endGroup);
process.on('SIGHUP', endGroup);
process.stdin.on('close', endGroup).resume();

const server = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
server.on('error', (error) => {
  console.error(error.message);
  killGroup();
});
// Nobody else would end the processes that a server leaves behind in its group.
server.on('exit', killGroup);
