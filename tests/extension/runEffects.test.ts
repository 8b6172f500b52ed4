/** Effects in run files: read, shown with a saved run, and no reason to refuse a file. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import type { Uri } from 'vscode';
import type { EffectsResult } from '../../extension/shared/protocol';
import type { Run } from '../../extension/src/runs/library';
import { openRun } from '../../extension/src/runs/open';
import { readRun } from '../../extension/src/runs/runFile';
import { RunsView } from '../../extension/src/runs/view';
import { EFFECTS } from './analyses_world';
import { Uri as FakeUri } from './vscode.fake';

const FILE = readFileSync(new URL('../vectors/runs/ioi.run.json', import.meta.url), 'utf8');
const TARGET = 13;

/** As `exports/run.py` writes them. */
const { metric, units, faithfulness } = EFFECTS;
const written = (effects: unknown) => JSON.stringify({ ...(JSON.parse(FILE) as object), effects });
const found = { ...EFFECTS, position: TARGET };

describe('the effects of a run file', () => {
  it('are those on its target, without what a file leaves out', () => {
    const timing = { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: 0 };
    const read: EffectsResult = { ...found, proof: { shareError: null }, timing };
    expect(readRun(written({ metric, units, faithfulness })).effects).toEqual(read);
    const partly = { metric, units, faithfulness, complete: false, notices: ['Few.'] };
    expect(readRun(written(partly)).effects).toEqual({ ...read, complete: false, notices: ['Few.'] });
  });

  it.each([undefined, null, [], {}, { metric, units: [{}], faithfulness }])(
    'are none where there are none to read: %j',
    (effects) => {
      expect(readRun(written(effects)).effects).toBeNull();
    },
  );

  const run = (saved: boolean, content = readRun(written({ metric, units, faithfulness }))): Run =>
    ({ uri: FakeUri.file('/w/a.run.json'), name: 'a', key: '0123456789', broken: '', content, saved, document: null, kept: 'r1' }) as unknown as Run; // prettier-ignore

  /** The result that a panel receives for a run whose analysis is stored with other effects. */
  async function opened(one: Run): Promise<EffectsResult | null> {
    const showResult = vi.fn<(result: { effects: EffectsResult | null }) => void>();
    const panels = { all: () => [], open: () => ({ showResult }) };
    const store = { get: () => Promise.resolve({ runId: 'r1', effects: EFFECTS }) };
    await openRun({ panels, store, analyses: {}, settingsFor: (_: Uri) => ({}) } as never, one);
    return showResult.mock.lastCall?.[0].effects ?? null;
  }

  it('are shown with a run that was saved; a kept one shows the latest', async () => {
    expect(await opened(run(true))).toMatchObject({ position: TARGET, units });
    expect(await opened(run(false))).toEqual(EFFECTS);
    expect(await opened(run(true, readRun(FILE)))).toEqual(EFFECTS);
  });

  it('are named in the view, with how many were measured', () => {
    const view = new RunsView({ changed: { listen: vi.fn() } } as never);
    const tooltip = (one: Run) => (view.getTreeItem(one).tooltip as { value: string }).value;
    expect(tooltip(run(true))).toContain('effects on " Paris": 1 measured');
    expect(tooltip(run(true, readRun(FILE)))).not.toContain('effects');
  });
});
