// A language server of a few lines, for tests of the client's side: it does what the prompt says.
// argv: normal | dependency | protocol | silent | mute | old | importing | broken | same process [hang once]
import { readFileSync } from 'node:fs';
import process from 'node:process';

const mode = process.argv[2] ?? 'normal';
const protocol = readFileSync(new URL('../../extension/shared/protocol.ts', import.meta.url), 'utf8');
const VERSION = Number(/PROTOCOL_VERSION = (\d+)/.exec(protocol)?.[1]);
const pending = new Map();
let state = { importing: 'starting', broken: 'error' }[mode] ?? 'ready';
let buffer = Buffer.alloc(0);

if (mode === 'dependency') {
  process.stderr.write('PyTorch is not installed.\n');
  process.exit(3);
}
if (mode === 'protocol') process.exit(4);
process.stderr.write('fake server starts\n');

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  process.stdout.write(`Content-Length: ${body.length}\r\n\r\n`);
  process.stdout.write(body);
}

const health = () => ({
  instance: mode === 'same' ? 'one' : `${process.pid}`,
  protocolVersion: mode === 'old' ? 999 : VERSION,
  packageVersion: '0.1.0',
  state,
  message: { error: 'torch is not installed.', starting: 'Importing PyTorch.' }[state] ?? '',
  remedy: state === 'error' ? 'Install it.' : '',
  python: '3.12.0',
  torch: '2.13.0',
  transformers: '5.23.0',
  devices: [],
  loaded: [],
  traces: { nRuns: 0, heldBytes: 0, budgetBytes: 2e9 },
});

function analyze(id, params) {
  const progress = (value) => send({ method: '$/progress', params: { token: params.workDoneToken, value } });
  switch (params.prompt) {
    case 'hang':
      if (mode === 'same' && !process.argv.includes('hang')) break;
      pending.set(
        id,
        setInterval(() => undefined, 1000),
      );
      return;
    case 'steps': {
      let layer = 0;
      progress({ kind: 'begin', title: 'Analyzing', percentage: 0 });
      const timer = setInterval(() => {
        layer += 1;
        progress({ kind: 'report', message: `layer ${layer}`, percentage: layer * 20 });
        if (layer < 5) return;
        clearInterval(timer);
        progress({ kind: 'end' });
        send({ id, result: { runId: 'steps', payload: '' } });
      }, 60);
      return;
    }
    case 'crash':
      process.stderr.write('about to crash\n');
      process.exit(70);
      return;
    case 'refuse':
      send({
        id,
        error: {
          code: -32803,
          message: 'The prompt is too long.\n  at secret.py line 3',
          data: { kind: 'promptTooLong', remedy: 'Shorten it.' },
        },
      });
      return;
  }
  send({ id, result: { runId: params.prompt, payload: Buffer.from(params.prompt).toString('base64') } });
}

function handle({ id, method, params }) {
  switch (method) {
    case 'initialize':
      if (mode === 'silent') return;
      return send({ id, result: { capabilities: {} } });
    case 'shutdown':
      if (mode === 'mute') return;
      return send({ id, result: null });
    case 'exit':
      process.stderr.write('goodbye\n');
      return process.exit(0);
    case '$/cancelRequest':
      clearInterval(pending.get(params.id));
      if (pending.delete(params.id)) {
        process.stderr.write(`cancelled ${params.id}\n`);
        send({ id: params.id, error: { code: -32800, message: 'Request Cancelled' } });
      }
      return;
    case 'lmTransparency/health':
      send({ id, result: health() });
      if (state !== 'starting') return;
      return setTimeout(() => {
        state = 'ready';
        send({ method: 'lmTransparency/healthChanged', params: health() });
      }, 300);
    case 'lmTransparency/listModels':
      return send({ id, result: { models: [], defaultSource: state } });
    case 'lmTransparency/analyze':
      return analyze(id, params);
    default:
      if (id !== undefined) send({ id, error: { code: -32601, message: `no ${method}` } });
  }
}

process.stdin.on('data', (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const head = buffer.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffer.toString('latin1', 0, head))[1]);
    if (buffer.length < head + 4 + length) return;
    const body = buffer.toString('utf8', head + 4, head + 4 + length);
    buffer = buffer.subarray(head + 4 + length);
    handle(JSON.parse(body));
  }
});
process.stdin.on('end', () => process.exit(0));
