import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { LogOutputChannel } from 'vscode';
import type { Health } from '../../extension/shared/protocol';
import type { App } from '../../extension/src/app';
import { issueReport, reportIssue } from '../../extension/src/commands/reportIssue';
import { Failure } from '../../extension/src/failure';
import { Log } from '../../extension/src/log';
import { env, shown, window, workspace } from './vscode.fake';

const health = {
  packageVersion: '0.1.0', python: '3.12.1', torch: '2.9.0', transformers: '5.3.0',
  devices: [{ id: 'cpu', name: 'x86' }, { id: 'cuda:0', name: 'NVIDIA H200' }],
  loaded: [{ source: '/secret/model', name: 'secret', architecture: 'LlamaForCausalLM', device: 'cuda:0', dtype: 'bfloat16' }],
} as unknown as Health; // prettier-ignore
const FACTS = {
  extension: '0.1.0', editor: '1.104.0 (Visual Studio Code)', platform: 'linux x64, 6.1', isRemote: false, home: '/home/me',
  status: { phase: 'running', health, failure: null }, log: ['one', 'two'],
} as const; // prettier-ignore

const silent = { info: vi.fn(), warn: vi.fn(), error: vi.fn(), show: vi.fn() } as unknown as LogOutputChannel;

describe('the report', () => {
  it('names every version, the device and the end of the log', () => {
    const report = issueReport(FACTS);
    for (const line of [
      '- Extension: 0.1.0', '- Backend: 0.1.0, running', '- Last failure: none', '- Python: 3.12.1', '- PyTorch: 2.9.0', '- Transformers: 5.3.0',
      '- Devices: cpu, cuda:0 NVIDIA H200', '- Loaded: LlamaForCausalLM on cuda:0, bfloat16',
      '- VS Code: 1.104.0 (Visual Studio Code)', '- Platform: linux x64, 6.1', 'one', 'two',
    ]) expect(report.split('\n')).toContain(line); // prettier-ignore
  });

  it('says no model, no home folder and no password, and what it does not know', () => {
    const log = ['loading /home/me/models/a'];
    const report = issueReport({ ...FACTS, log });
    expect(report).not.toMatch('secret');
    expect(report).toMatch('loading ~/models/a');
    const index = issueReport({ ...FACTS, log: ['--index-url https://me:password@example.org/simple'] });
    expect(index).toMatch('--index-url https://…@example.org/simple');
    const failure = new Failure('backendStopped', 'The backend crashed.');
    const status = { phase: 'failed', health: null, failure } as const;
    const early = issueReport({ ...FACTS, isRemote: true, status });
    for (const line of [
      '- Backend: failed, on another machine',
      '- Last failure: The backend crashed.',
      '- PyTorch: unknown',
    ])
      expect(early.split('\n')).toContain(line);
  });

  it('keeps a log that contains fences in one block', () => {
    const report = issueReport({ ...FACTS, log: ['```', '# not a heading'] });
    expect(report).toMatch('````text\n```\n# not a heading\n````');
  });
});

describe('the log', () => {
  it('remembers its last 200 lines, with time and level', () => {
    const log = new Log(silent, () => new Date(0));
    log.warn('first');
    expect(log.tail).toEqual(['1970-01-01T00:00:00.000Z [warning] first']);
    for (let i = 0; i < 300; i += 1) log.info(`line ${i}`);
    expect(log.tail).toHaveLength(200);
    expect(log.tail.at(-1)).toMatch('line 299');
    expect(silent.info).toHaveBeenCalledTimes(300);
  });
});

describe('Report Issue…', () => {
  const document = { getText: () => 'as the person left it' };
  let offered: string[];
  let answer: string | undefined;
  let opened: string[];

  beforeEach(() => {
    shown.clipboard = '';
    [offered, opened, answer] = [[], [], undefined];
    Object.assign(workspace, { openTextDocument: vi.fn(() => Promise.resolve(document)) });
    Object.assign(env, { openExternal: (uri: { toString(): string }) => Promise.resolve(opened.push(uri.toString())) });
    vi.spyOn(window, 'showInformationMessage').mockImplementation(((_text: string, ...choices: string[]) => {
      offered = choices;
      return Promise.resolve(answer);
    }) as never);
  });

  const run = (bugs?: { url: string }) =>
    reportIssue({
      manifest: { version: '0.1.0', ...(bugs && { bugs }) },
      backend: { status: FACTS.status },
      targets: { current: null },
      log: new Log(silent),
    } as unknown as App)();

  it('shows the report and sends nothing', async () => {
    await run({ url: 'https://example.org/issues' });
    expect(offered).toEqual(['Copy and Open Issue Page']);
    expect([shown.clipboard, opened]).toEqual(['', []]);
  });

  it('copies what the person made of it, and opens the page', async () => {
    answer = 'Copy and Open Issue Page';
    await run({ url: 'https://example.org/issues' });
    expect([shown.clipboard, opened]).toEqual(['as the person left it', ['https://example.org/issues']]);
  });

  it.each([undefined, { url: '' }, { url: 'file:///etc/passwd' }])(
    'without a page (%j) offers to copy',
    async (bugs) => {
      answer = 'Copy';
      await run(bugs);
      expect(offered).toEqual(['Copy']);
      expect([shown.clipboard, opened]).toEqual(['as the person left it', []]);
    },
  );
});
