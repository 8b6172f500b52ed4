// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { EffectsResult } from '../../extension/shared/protocol';
import type { ToWebview, ViewState } from '../../extension/shared/webview';
import { browserHost } from '../../webview/src/hosts/browser';

type Shown = Extract<ToWebview, { type: 'analysis' }>;

const shown = (): Shown | null => {
  let found: Shown | null = null;
  browserHost().answer((message: ToWebview) => {
    if (message.type === 'analysis') found = message;
  });
  return found;
};
const seen = (): Partial<ViewState> | null => shown()?.view ?? null;

describe('an exported page', () => {
  beforeEach(() => {
    sessionStorage.clear();
    window.lmTransparencyPage = { runId: 'r1', payload: btoa('bytes'), view: { target: 3, threshold: 0.02 } };
  });

  it('opens as it was looked at when it was made', () => {
    expect(seen()).toEqual({ target: 3, threshold: 0.02 });
  });

  it('opens again as its reader left it, but not as another page was left', () => {
    const left = { runId: 'r1', target: 1 } as ViewState;
    browserHost().remember(left);
    expect(seen()).toEqual(left);
    browserHost().remember({ ...left, runId: 'other' });
    expect(seen()).toEqual({ target: 3, threshold: 0.02 });
  });

  it('shows the effects that it brought, and later those that were found since', () => {
    expect(shown()?.effects).toBeNull();
    const brought = { position: 3, units: [] } as unknown as EffectsResult;
    window.lmTransparencyPage = { ...window.lmTransparencyPage, effects: brought };
    expect(shown()?.effects).toBe(brought);
    const found = { ...brought, complete: true };
    browserHost().tell({ type: 'effects', runId: 'r1', effects: found });
    expect(shown()?.effects).toBe(found);
  });

  it('says that nothing more can be asked', async () => {
    const question = { method: 'lmTransparency/headTags', params: { runId: 'r1' } } as const;
    await expect(browserHost().ask(question)).rejects.toThrow('This page is a recording');
  });

  it('answers with what it brought along, and is a recording all the same', async () => {
    const params = { tags: ['self'], nTokens: 5 };
    const recorded = gzipSync(
      JSON.stringify([['lmTransparency/headTags', { runId: 'made', workDoneToken: '' }, params]]),
    );
    window.lmTransparencyPage = { ...window.lmTransparencyPage, answers: recorded.toString('base64') };
    const host = browserHost();
    expect(host.recording).toBe(true);
    expect(await host.ask({ method: 'lmTransparency/headTags', params: { runId: 'r1' } })).toEqual(params);
  });

  it('is a recording, unless it brought answers', () => {
    expect(browserHost().recording).toBe(true);
    window.lmTransparencyPage = { answer: () => Promise.reject(new Error('no')) };
    expect(browserHost().recording).toBe(false);
  });

  it('has one place for its title and one for its recording', () => {
    const template = readFileSync(path.join(process.cwd(), 'webview/page.html'), 'utf8');
    expect(template.split('__LM_TRANSPARENCY_TITLE__')).toHaveLength(2);
    expect(template.split('__LM_TRANSPARENCY_PAGE__')).toHaveLength(2);
    expect(template).not.toMatch(/(src|href)=/);
  });
});
