import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TextDocument } from 'vscode';
import type { SurprisalResult } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/failure';
import type { Cancel } from '../../extension/src/cancel';
import { type AskSurprisal, Surprisal } from '../../extension/src/editor/surprisal';
import type { TokenMarks } from '../../extension/src/editor/tokenMarks';
import { showLegend } from '../../extension/src/editor/legend';
import { Signal } from '../../extension/src/signal';
import { happens, statusBarItems, Uri, window } from './vscode.fake';

interface Drawn {
  range: { start: number; end: number };
  hoverMessage?: { value: string };
}

const uri = Uri.file('/a.md');
const document = { uri, languageId: 'markdown', positionAt: (at: number) => at } as unknown as TextDocument;
const found = (start: number, bits: number): SurprisalResult => ({
  model: 'm', start: [start], end: [start + 3], surprisal: [bits],
}); // prettier-ignore

let drawn: Map<unknown, Drawn[]>;
let asked: { start: number; cancel: Cancel; answer(result: SurprisalResult): void; fail(error: Error): void }[];
let surprisal: Surprisal;

const heat = () => [...drawn.values()].flatMap((ranges) => ranges.map(({ range }) => [range.start, range.end]));
const edit = (offset: number, removed: number, text: string) =>
  happens.edit.fire({ document, contentChanges: [{ rangeOffset: offset, rangeLength: removed, text }] });
const ask: AskSurprisal = (_document, start, cancel) =>
  new Promise((answer, fail) => asked.push({ start, cancel, answer, fail }));

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  drawn = new Map();
  const setDecorations = (style: unknown, ranges: Drawn[]) => void drawn.set(style, ranges);
  window.visibleTextEditors = [{ document, setDecorations }];
  surprisal = new Surprisal(ask, () => undefined);
});

afterEach(() => {
  surprisal.dispose();
  window.visibleTextEditors = [];
  vi.useRealTimers();
});

async function show(): Promise<void> {
  const shown = surprisal.show(document, 10);
  asked[0]?.answer(found(10, 8));
  await shown;
}

describe('surprisal on the text', () => {
  it('is drawn where its tokens stand, with what it is in words, until it is hidden', async () => {
    await show();
    expect(heat()).toEqual([[10, 13]]);
    expect([...drawn.values()].flat()[0]?.hoverMessage?.value).toMatch(/^Surprisal 8\.0 bits/);
    expect(surprisal.shownIn(uri.toString())).toEqual({ state: 'known', model: 'm', most: 8 });
    surprisal.hide(uri.toString());
    expect(heat()).toEqual([]);
    expect(surprisal.shownIn(uri.toString())).toBeNull();
  });

  it('follows what is typed: when it rests, and only the latest answer counts', async () => {
    await show();
    edit(0, 0, 'abc');
    edit(14, 0, 'x');
    await vi.advanceTimersByTimeAsync(500);
    expect(asked.map(({ start }) => start)).toEqual([10, 13]);
    edit(14, 0, 'y');
    expect(asked[1]?.cancel.isCancellationRequested).toBe(true);
    asked[1]?.answer(found(99, 8));
    await vi.advanceTimersByTimeAsync(500);
    asked[2]?.answer(found(13, 2));
    await vi.advanceTimersByTimeAsync(1);
    expect(heat()).toEqual([[13, 16]]);
    edit(14, 0, 'z');
    await vi.advanceTimersByTimeAsync(500);
    asked[3]?.fail(new Failure('invalidPrompt', 'There is no prompt here.'));
    await vi.advanceTimersByTimeAsync(1);
    expect(heat()).toEqual([]);
  });

  it('says that it is still unknown, or that it failed, instead of a number', async () => {
    const marks = { flowIn: () => null, heated: new Signal<string>() } as unknown as TokenMarks;
    const legend = showLegend(marks, surprisal);
    const item = statusBarItems.at(-1);
    const shown = surprisal.show(document, 10);
    expect(item).toMatchObject({ text: '$(flame) Surprisal …', isShown: true });
    asked[0]?.answer(found(10, 8));
    await shown;
    expect(item?.text).toBe('$(flame) Surprisal: to 8.0 bits · m');
    edit(14, 0, 'z');
    await vi.advanceTimersByTimeAsync(500);
    asked[1]?.fail(new Failure('invalidPrompt', 'There is no prompt here.'));
    await vi.advanceTimersByTimeAsync(1);
    expect(item?.text).toBe('$(flame) Surprisal: unknown');
    legend.dispose();
  });

  it('is not shown if it cannot be computed, and says why', async () => {
    const shown = surprisal.show(document, 0);
    asked[0]?.fail(new Failure('modelNotFound', 'A model is not loaded.'));
    await expect(shown).rejects.toMatchObject({ kind: 'modelNotFound' });
    expect(surprisal.shownIn(uri.toString())).toBeNull();
  });

  it('goes with its document', async () => {
    await show();
    happens.closed.fire(document);
    expect(surprisal.shownIn(uri.toString())).toBeNull();
  });
});
