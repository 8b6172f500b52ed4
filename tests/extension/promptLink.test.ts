import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as vscode from 'vscode';
import { linkToPrompt, openPromptLink, readPromptLink } from '../../extension/src/runs/promptLink';
import { readRun } from '../../extension/src/runs/runFile';
import { checkSettings } from '../../extension/src/settings';

const FILE = readFileSync(new URL('../vectors/runs/ioi.run.json', import.meta.url), 'utf8');

beforeEach(() => {
  const document = { uri: { toString: () => 'untitled:1' }, getText: () => 'a' };
  Object.assign(vscode.workspace, { openTextDocument: () => Promise.resolve(document) });
  Object.assign(vscode.window, { showTextDocument: () => Promise.resolve() });
});

describe('a link to a prompt', () => {
  const content = readRun(FILE);
  const parts = (link: string) => {
    const [, path = '', query = ''] = /^vscode:\/\/x(\/[a-z]+)\?(.*)$/.exec(link) ?? [];
    return { path, query };
  };

  it('holds the prompt itself, for a machine that has never seen it', () => {
    const link = linkToPrompt(content, 'x', 'vscode');
    expect(readPromptLink(parts(link))).toMatchObject({ prompt: content.prompt, target: content.target, chat: false });
    expect(() => linkToPrompt({ ...content, prompt: 'x'.repeat(9000) }, 'x', 'vscode')).toThrow('too long for a link');
  });

  const encoded = (value: unknown) => `p=${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
  const fine = { prompt: 'a', model: 'm', chat: false, target: 0 };
  it.each([
    ['/prompt', ''],
    ['/prompt', 'p=%%%'],
    ['/prompt', 'p=bm8gSlNPTg'],
    ['/run', encoded(fine)],
    ['/prompt', `${encoded(fine)}&p=a`],
    ['/prompt', encoded({ ...fine, prompt: '' })],
    ['/prompt', encoded({ ...fine, model: 'm'.repeat(300) })],
    ['/prompt', encoded({ ...fine, target: -1 })],
    ['/prompt', encoded([])],
    ['/prompt', encoded({ ...fine, prompt: 'a'.repeat(9000) })],
  ])('is nothing else: %s?%s', (path, query) => {
    expect(readPromptLink({ path, query })).toBeNull();
  });

  it('analyzes only what the person agrees to, with a model as front matter names one', async () => {
    const ran = vi.fn();
    const world = {
      analyses: { runAgain: (...all: unknown[]) => Promise.resolve(void ran(...all)) },
      settingsFor: () => checkSettings(() => undefined),
    };
    const linked = { ...fine, model: '/etc/models/evil' };
    const ask = vi.fn(() => Promise.resolve(false));
    await openPromptLink(world as never, linked, ask);
    expect([ask.mock.calls.length, ran.mock.calls.length]).toEqual([1, 0]);
    await openPromptLink(world as never, linked, () => Promise.resolve(true));
    const [, , chosen] = ran.mock.calls[0] as [
      unknown,
      unknown,
      { prompt: string; asked: { source: string; allowDownload: boolean } },
    ];
    // a folder of elsewhere is no folder of this machine
    expect(chosen).toMatchObject({ prompt: 'a', asked: { source: 'evil', allowDownload: false } });
  });
});
